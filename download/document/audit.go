package document

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// audit looks for what contradicts itself in the state, and for callers who could have what
// they wait for, and returns what is wrong.
func (s *state) audit() error {
	for who, c := range s.claims {
		if c.who != who {
			return fmt.Errorf("claim %d is kept as %d", c.who, who)
		}
		if !c.has && s.closing && s.marks.duty != c {
			return fmt.Errorf("caller %d waits in a store that is closing", who)
		}
	}
	if err := s.auditLines(); err != nil {
		return err
	}
	if err := s.marks.audit(s.claims); err != nil {
		return fmt.Errorf("marks: %w", err)
	}
	return s.watches.audit()
}

// having are the claims of a kind, and how many of them have what they want.
func having[W want](claims map[ticket]*claim) (all []*claim, has int) {
	for _, c := range claims {
		if _, ok := c.what.(W); ok {
			all = append(all, c)
			if c.has {
				has++
			}
		}
	}
	return all, has
}

func (s *state) auditLines() error {
	turns, held := having[turnWith](s.claims)
	imports, begun := having[importing](s.claims)
	inTurn, waiting, making := 0, 0, 0
	for id, l := range s.lines {
		if l.turn == nil && (len(l.waiting) > 0 || l.importing == nil) {
			return fmt.Errorf("document %s: nobody has a turn, and %d wait", id, len(l.waiting))
		}
		waiting += len(l.waiting)
		for _, c := range slices.Concat(l.waiting, present(l.turn)) {
			if s.claims[c.who] != c || c.what.(turnWith).document != id || c.has != (c == l.turn) {
				return fmt.Errorf("document %s: caller %d is not what it is kept as", id, c.who)
			}
		}
		inTurn += len(present(l.turn))
		if i := l.importing; i != nil {
			making++
			if s.claims[i.who] != i || i.what.(importing).ID != id || !slices.Contains(s.imports, i) {
				return fmt.Errorf("document %s: import %d is not what it is kept as", id, i.who)
			}
		}
	}
	if inTurn != held || inTurn+waiting != len(turns) || making != begun || making != len(imports) || making != len(s.imports) {
		return fmt.Errorf("%d turns, %d who wait, %d imports; of claims %d turns, of them %d held, %d imports, listed %d",
			inTurn, waiting, making, len(turns), held, len(imports), len(s.imports))
	}
	return nil
}

// present is a list of one, if there is one.
func present(c *claim) []*claim {
	if c == nil {
		return nil
	}
	return []*claim{c}
}

func (m *marks) audit(claims map[ticket]*claim) error {
	deletions, deletes := having[deleting](claims)
	looks, _ := having[look](claims)
	_, writing := having[marking](claims)
	waiting := len(deletions) - deletes + len(looks) - len(present(m.duty))
	switch {
	case m.deleting != len(deletions) || m.writing != writing || waiting != len(m.waiting):
		return fmt.Errorf("%d deletions, %d that write, %d that wait; of claims %d, %d, %d", m.deleting, m.writing, len(m.waiting), len(deletions), writing, waiting)
	case deletes > 0 && writing > 0:
		return fmt.Errorf("%d delete while %d write marks", deletes, writing)
	case m.duty != nil && (claims[m.duty.who] != m.duty || m.duty.has):
		return fmt.Errorf("the epoch is the duty of %d, who has none", m.duty.who)
	case m.sweep != nil && (claims[m.sweep.who] != m.sweep || !m.sweep.has):
		return fmt.Errorf("%d sweeps, who does not", m.sweep.who)
	case m.duty == nil && len(m.waiting) > 0 && !m.known:
		return errors.New("callers wait for the epoch, and nobody reads it")
	}
	for _, c := range m.waiting {
		if m.known && !m.holdsUp(c) {
			return fmt.Errorf("caller %d waits for nothing", c.who)
		}
	}
	return nil
}

// holdsUp reports whether there is something that one who waits has to wait for.
func (m *marks) holdsUp(c *claim) bool {
	w, isDeletion := c.what.(deleting)
	return isDeletion && (m.writing > 0 || w.sweep && m.sweep != nil || !w.sweep && m.duty != nil)
}

func (ws *watches) audit() error {
	of := 0
	for id, all := range ws.of {
		of += len(all)
		for _, w := range all {
			if ws.one[w] != id {
				return fmt.Errorf("watch %d is not of document %s", w, id)
			}
		}
	}
	if of != len(ws.one) || len(slices.Compact(slices.Sorted(slices.Values(ws.all)))) != len(ws.all) {
		return fmt.Errorf("%d who watch one document, kept as %d; all of %v", of, len(ws.one), slices.Sorted(maps.Keys(ws.one)))
	}
	return nil
}
