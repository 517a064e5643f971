package session

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/blockrouter"
)

// course is what a hook is told of a call beside its results. No call has one where
// there is no hook.
type course struct {
	phases     Phases
	candidates int                  // when the call ended
	duplicates int                  // see [Fetched]
	asked      map[peer.ID]struct{} // until the call ended
	peers      int                  // of those, how many
}

// courseOf is the course of a call, for the call's goroutine.
type courseOf struct {
	call   callID
	course *course
}

// follow begins the course of a call.
func (s *state) follow(now time.Time, c *callState) {
	if s.rules.followed && c.course == nil {
		c.course = &course{asked: make(map[peer.ID]struct{})}
		c.course.phases.Taken = now
	}
}

// each calls note for the courses of the calls that wait for w.
func (s *state) each(w *wanted, note func(*course)) {
	if c := s.calls[w.call]; c != nil && c.course != nil {
		note(c.course)
	}
	for _, id := range w.others() {
		if c := s.calls[id]; c != nil && c.course != nil {
			note(c.course)
		}
	}
}

// noteSought notes that there is nobody who may be asked for w at once.
func (s *state) noteSought(now time.Time, w *wanted) {
	if s.rules.followed {
		s.each(w, func(c *course) { c.phases.Searched = earliest(c.phases.Searched, now) })
	}
}

// noteWantBlock notes that the block of w is asked for.
func (s *state) noteWantBlock(now time.Time, w *wanted) {
	if s.rules.followed {
		s.each(w, func(c *course) { c.phases.Asked = earliest(c.phases.Asked, now) })
	}
}

// noteAsked notes that a peer is asked about w.
func (s *state) noteAsked(w *wanted, p peer.ID) {
	if s.rules.followed {
		s.each(w, func(c *course) { c.asked[p] = struct{}{} })
	}
}

// noteCame notes a block that came from peer from, maybe while it was asked of others,
// too. The message may have begun with what somebody else waited for.
func (s *state) noteCame(r blockrouter.Received, w *wanted, from int) {
	if !s.rules.followed || from < 0 {
		return
	}
	twice := 0
	for a := range w.assignments() {
		if int(a.peer) != from {
			twice++
		}
	}
	s.each(w, func(c *course) {
		p := &c.phases
		if p.FirstByte.IsZero() {
			p.FirstByte, p.FirstBlock = latest(r.At.Add(-r.Came), p.Taken), r.At
		}
		p.LastBlock = r.At
		c.duplicates += twice
	})
}

// endCourse hands over the course of a call that has ended.
func (s *state) endCourse(c *callState) {
	if c.course == nil {
		return
	}
	c.course.candidates, c.course.peers = s.candidatesKnown(), len(c.course.asked)
	s.out.courses = append(s.out.courses, courseOf{c.id, c.course})
	c.course = nil
}

// candidatesKnown is how many peers were named, by the caller or the directory, those
// included that could not be had.
func (s *state) candidatesKnown() int {
	n := 0
	for _, p := range s.peers {
		if p.named || p.listed || p.candidate {
			n++
		}
	}
	for _, a := range s.tried {
		if _, known := s.index[a.Peer]; !known {
			n++
		}
	}
	return n
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func earliest(was, now time.Time) time.Time {
	if was.IsZero() {
		return now
	}
	return was
}
