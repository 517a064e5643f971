package document

import (
	"errors"
	"slices"
)

// errStale is the answer for who wants to mark what was looked at before a deletion began.
var errStale = errors.New("something was deleted since it was looked at")

// marks are what is known of the marks of complete DAGs.
type marks struct {
	known    bool   // the epoch is
	epoch    uint64 // marks of another have fallen
	unmarked bool   // none was set in this epoch
	round    uint64 // goes up when a deletion ends
	deleting int    // deletions that have begun, also those that wait
	writing  int    // callers that have leave to write marks
	sweep    *claim // that goes through the marks
	duty     *claim // of who reads or writes the epoch
	waiting  []*claim
}

func (s *state) wantMarking(c *claim, w marking) {
	m := &s.marks
	if m.deleting > 0 || m.round != w.round {
		s.refuse(c, errStale)
		return
	}
	m.writing++
	m.unmarked = false // Whatever becomes of the write, there may be a mark.
	s.grant(c, answer{})
}

// settled takes that a caller has read or written the epoch, as it was its duty.
func (s *state) settled(who ticket, epoch uint64) {
	m := &s.marks
	c := m.duty
	if c == nil || c.who != who {
		return
	}
	m.duty = nil
	m.unmarked = m.known // Of an epoch that was read, nobody knows.
	m.known, m.epoch = true, epoch
	if s.closing {
		s.refuse(c, ErrClosed)
		s.drop(c, unchanged)
		return
	}
	m.waiting = slices.Insert(m.waiting, 0, c)
	s.settle()
}

// settle gives those who wait what they can have now, in the order in which they came. What
// one gets never makes room for another, so once through is enough.
func (s *state) settle() {
	m := &s.marks
	if s.closing {
		return // Who still waits is about to be refused.
	}
	m.waiting = slices.DeleteFunc(m.waiting, func(c *claim) bool {
		w, isDeletion := c.what.(deleting)
		switch {
		case !m.known:
			return s.oblige(c, answer{do: readEpoch})
		case !isDeletion:
			s.dismiss(c, m.now())
			return true
		case m.writing > 0:
			return false
		case w.sweep && m.sweep != nil:
			return false
		case w.sweep:
			m.sweep = c
		case !m.unmarked:
			return s.oblige(c, answer{do: writeEpoch, epoch: m.epoch + 1})
		}
		s.grant(c, m.now())
		return true
	})
}

func (m *marks) now() answer { return answer{round: m.round, epoch: m.epoch} }

// oblige gives a caller something to do about the epoch, unless another is at it, and
// reports whether it did.
func (s *state) oblige(c *claim, a answer) bool {
	if s.marks.duty != nil {
		return false
	}
	s.marks.duty = c
	s.out.answers = append(s.out.answers, reply{to: c.who, answer: a})
	return true
}

// leaveMarks takes out one who wanted to look or to delete.
func (s *state) leaveMarks(c *claim) {
	m := &s.marks
	m.waiting = without(m.waiting, c)
	if m.duty == c {
		m.duty = nil
	}
	if m.sweep == c {
		m.sweep = nil
	}
	if _, isDeletion := c.what.(deleting); isDeletion {
		m.deleting--
		m.round++
		if c.has {
			s.out.tell = append(s.out.tell, s.watches.deletions...)
		}
	}
	s.settle()
}
