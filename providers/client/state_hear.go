package client

import (
	"time"

	"github.com/souk-p2p/souk/providers/wire"
)

// What a tracker says without having been asked: twice a notice a second for each
// of 16 subscriptions, and what gathers while a connection is stuck for a minute.
const (
	unaskedRate  = 32
	unaskedBurst = 1024
)

// hear takes what a tracker says.
func (s *state) hear(now time.Time, id streamID, m wire.Message) {
	st := s.streams[id]
	if st == nil {
		return
	}
	st.heard = now
	if fault := s.pass(now, st, m); fault != nil {
		s.hangUp(now, st, fault)
	}
}

// pass gives a message to whom it is for. An error is a fault of the tracker.
func (s *state) pass(now time.Time, st *stream, m wire.Message) error {
	switch m := m.(type) {
	case *wire.Notify:
		return s.notify(now, st, m)
	case *wire.Reply:
		return s.match(now, st, m.ID, m)
	case *wire.Receipt:
		return s.match(now, st, m.ID, m)
	case *wire.Trackers:
		return s.match(now, st, m.ID, m)
	}
	return faultf("a message that only we may send: %s", m.Kind())
}

// match finds the request that a message answers, which was sent.
func (s *state) match(now time.Time, st *stream, number wire.RequestID, m wire.Message) error {
	c := st.calls[number]
	switch {
	case c != nil && c.waits() && !c.sent.IsZero():
		return s.answered(now, c, m)
	case c != nil || st.owed == 0 || number > st.line.last:
		return faultf("%s to number %d, which waits for nothing", m.Kind(), number)
	}
	st.owed--
	return nil
}

// notify gives a notice to its subscriber.
func (s *state) notify(now time.Time, st *stream, n *wire.Notify) error {
	if !st.unasked.take(now) {
		return faultf("more notices than anybody could read")
	}
	c := st.calls[n.ID]
	switch {
	case c != nil && c.subscribes():
		s.out.notices = append(s.out.notices, notice{c.id, n})
	case n.ID > st.line.last:
		return faultf("notice for number %d, which was not given yet", n.ID)
	}
	return nil // Of a subscription that has ended it was on its way.
}

// mistaken passes over what newer trackers say and we do not know. Everything else
// that is against the rules is a fault, of which an honest tracker makes none.
func (s *state) mistaken(now time.Time, id streamID, wrong *wire.MessageError) {
	st := s.streams[id]
	if st == nil || wrong.Fault == wire.FaultUnknown && st.unasked.take(now) {
		return
	}
	s.hangUp(now, st, &FaultError{wrong})
}

// allowance is for what comes without having been asked for.
type allowance struct {
	left float64
	at   time.Time
}

// take takes one and reports whether it was there.
func (a *allowance) take(now time.Time) bool {
	a.left = min(unaskedBurst, a.left+unaskedRate*now.Sub(a.at).Seconds())
	a.at = now
	if a.left < 1 {
		return false
	}
	a.left--
	return true
}
