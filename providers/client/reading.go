package client

import (
	"errors"
	"io"
	"time"

	"github.com/souk-p2p/souk/providers/wire"
)

// read takes what the tracker says until the stream ends. It waits for nobody.
func (s *stream) read() {
	r := wire.NewReader(s.conn, wire.Tracker)
	for {
		m, err := r.Next()
		var wrong *wire.MessageError
		switch {
		case errors.As(err, &wrong):
			err = s.mistake(wrong)
		case err == nil:
			err = s.take(m)
		}
		if err != nil {
			s.end(reason(err))
			return
		}
	}
}

// reason tells a frame that breaks the rules, and the orderly end, from a stream
// that was cut.
func reason(err error) error {
	var frame *wire.FrameError
	if errors.As(err, &frame) && frame.Fault == wire.FaultLength {
		return &FaultError{err}
	}
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// take gives a message to whom it is for. An error is a fault of the tracker.
func (s *stream) take(m wire.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = time.Now()
	switch m := m.(type) {
	case *wire.Notify:
		return s.notify(m)
	case *wire.Reply:
		return s.settle(m.ID, m)
	case *wire.Receipt:
		return s.settle(m.ID, m)
	case *wire.Trackers:
		return s.settle(m.ID, m)
	}
	return faultf("a message that only we may send: %s", m.Kind())
}

// settle answers a request.
func (s *stream) settle(id wire.RequestID, m wire.Message) error {
	p, open := s.pending[id]
	switch {
	case !open && (s.owed == 0 || id > s.last):
		return faultf("%s to number %d, which waits for nothing", m.Kind(), id)
	case !open:
		s.owed--
		return nil
	case p.kind != m.Kind():
		return faultf("%s in the place of %s", m.Kind(), p.kind)
	}
	delete(s.pending, id)
	p.answer <- m
	s.restart()
	return nil
}

// notify gives a notice to its subscriber, who learns when there was no room for
// one.
func (s *stream) notify(n *wire.Notify) error {
	if !s.unasked.take() {
		return faultf("more notices than anybody could read")
	}
	sub := s.subs[n.ID]
	if sub == nil {
		if n.ID > s.last {
			return faultf("notice for number %d, which was not given yet", n.ID)
		}
		return nil // It was on its way when the subscription ended.
	}
	select {
	case sub.notices <- n:
	default:
		sub.more = true
	}
	return nil
}

// mistake passes over what newer trackers say and we do not know. Everything else
// that is against the rules is a fault, of which an honest tracker makes none.
func (s *stream) mistake(wrong *wire.MessageError) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if wrong.Fault != wire.FaultUnknown || !s.unasked.take() {
		return &FaultError{wrong}
	}
	return nil
}

// allowance is for what comes without having been asked for.
type allowance struct {
	left float64
	at   time.Time
}

// take takes one and reports whether it was there.
func (a *allowance) take() bool {
	now := time.Now()
	a.left = min(unaskedBurst, a.left+unaskedRate*now.Sub(a.at).Seconds())
	a.at = now
	if a.left < 1 {
		return false
	}
	a.left--
	return true
}
