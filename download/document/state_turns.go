package document

import (
	"errors"
	"slices"
)

// errTaken is the answer for who wants a turn at once that somebody else has.
var errTaken = errors.New("somebody else has a turn with the document")

// line is a document with which somebody has a turn, or of which there is an import.
type line struct {
	turn      *claim
	waiting   []*claim // in the order in which they came
	importing *claim
}

// line returns that of a document.
func (s *state) line(id ID) *line {
	l := s.lines[id]
	if l == nil {
		l = &line{}
		s.lines[id] = l
	}
	return l
}

// forget forgets a line in which nobody is.
func (s *state) forget(id ID) {
	if l := s.lines[id]; l.turn == nil && l.importing == nil {
		delete(s.lines, id)
	}
}

func (s *state) wantTurn(c *claim, w turnWith) {
	l := s.line(w.document)
	switch {
	case l.turn == nil:
		s.begin(l, c)
	case w.atOnce:
		s.refuse(c, errTaken)
	default:
		l.waiting = append(l.waiting, c)
	}
}

// begin begins a turn.
func (s *state) begin(l *line, c *claim) {
	l.turn = c
	var a answer
	if l.importing != nil {
		a.generation = l.importing.what.(importing).generation
	}
	s.grant(c, a)
}

// leaveLine ends a turn, and begins that of the next, or takes out one who waits.
func (s *state) leaveLine(c *claim, id ID, did change) {
	l := s.lines[id]
	if l.turn != c {
		l.waiting = without(l.waiting, c)
		return
	}
	s.happened(id, did)
	l.turn = nil
	if len(l.waiting) > 0 {
		next := l.waiting[0]
		l.waiting = slices.Delete(l.waiting, 0, 1)
		s.begin(l, next)
	}
	s.forget(id)
}

func (s *state) wantImport(c *claim, w importing) {
	l := s.line(w.ID)
	if l.importing != nil {
		s.refuse(c, &BusyError{Document: w.ID})
		return
	}
	l.importing = c
	s.imports = append(s.imports, c)
	s.grant(c, answer{})
}

func (s *state) leaveImport(c *claim, id ID) {
	s.lines[id].importing = nil
	s.forget(id)
	s.imports = without(s.imports, c)
}
