package client

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/souk-p2p/souk/providers/wire"
)

const (
	atOnce     = 16              // frames that the writer is given at a time; others can still be taken back
	endingTime = 5 * time.Second // for the tracker to end its side when we have ended ours
)

// stream is one stream to a tracker, from the moment when it is to be opened. Many
// calls are on it at a time.
type stream struct {
	id      streamID
	line    *line
	open    bool // since then there are its reader and its writer
	resting bool // we have ended our side

	calls   map[wire.RequestID]*call
	row     []framed // for the writer
	writing bool     // it has not written what it was given
	owed    int      // answers that are to come to nobody
	said    time.Time
	heard   time.Time // when something last came
	unasked allowance
	due     time.Time // when it ends, or we end our side, if nothing is said any more
}

// framed is a request as it is written.
type framed struct {
	number wire.RequestID
	frame  []byte
}

// busy reports whether something is waited for.
func (st *stream) busy() bool { return len(st.calls) > 0 }

// subscriptions counts those that there are or that are asked for.
func (st *stream) subscriptions() (n int) {
	for _, c := range st.calls {
		if c.subscribes() {
			n++
		}
	}
	return n
}

// begun counts the subscriptions that there are.
func (st *stream) begun() (n int) {
	for _, c := range st.calls {
		if c.begun {
			n++
		}
	}
	return n
}

// drop takes back a request that the writer was not given.
func (st *stream) drop(number wire.RequestID) {
	st.row = slices.DeleteFunc(st.row, func(f framed) bool { return f.number == number })
}

// connect has a stream opened. Calls wait in its row until it is.
func (s *state) connect(l *line) {
	s.last++
	l.stream = &stream{id: s.last, line: l, calls: make(map[wire.RequestID]*call)}
	s.streams[s.last] = l.stream
	s.out.dials = append(s.out.dials, dial{s.last, l.info})
}

// opened notes that a stream is open, or why it is not. It reports whether there is
// a use for it.
func (s *state) opened(now time.Time, id streamID, err error) bool {
	st := s.streams[id]
	switch {
	case st == nil:
		return false
	case err != nil:
		s.hangUp(now, st, err)
		return false
	}
	st.open, st.unasked = true, allowance{left: unaskedBurst, at: now}
	s.seekList(now, st.line)
	s.rearm(now, st)
	s.flush(now, st)
	return true
}

// flush gives the writer what waits for it, when it has nothing to do.
func (s *state) flush(now time.Time, st *stream) {
	if !st.open || st.writing || len(st.row) == 0 {
		return
	}
	n := min(len(st.row), atOnce)
	var frames []byte
	for _, f := range st.row[:n] {
		frames = append(frames, f.frame...)
		if c := st.calls[f.number]; c != nil {
			s.handedOver(now, c)
		}
	}
	st.row = slices.Delete(st.row, 0, n)
	st.writing, st.said = true, now
	s.out.writes = append(s.out.writes, write{st.id, frames})
}

// handedOver notes that the writer has a request. Feedback ends with that.
func (s *state) handedOver(now time.Time, c *call) {
	c.sent = now
	if c.request.Kind() == wire.KindFeedback {
		delete(c.stream.calls, c.number)
		s.end(c, nil, nil)
		s.rearm(now, c.stream)
	}
}

// wrote notes that the writer has written what it was given.
func (s *state) wrote(now time.Time, id streamID) {
	if st := s.streams[id]; st != nil {
		st.writing = false
		s.flush(now, st)
	}
}

// sayUnsubscribe tells the tracker of the end of a subscription. Nobody waits for
// that.
func (s *state) sayUnsubscribe(now time.Time, st *stream, number wire.RequestID) {
	frame, err := wire.AppendFrame(nil, &wire.Unsubscribe{ID: number})
	if err != nil {
		return // It has a number, which is all that is needed.
	}
	st.row = append(st.row, framed{0, frame})
	s.flush(now, st)
}

// rearm begins the time after which a stream is ended on which nothing is said.
func (s *state) rearm(now time.Time, st *stream) {
	if !st.open || st.resting {
		return
	}
	st.due = now.Add(wire.Idle)
	if !st.busy() {
		s.wakeAt(st.due)
	}
}

// age ends our side of a stream on which nothing was said for long enough, and
// later the stream when the tracker has not ended its own.
func (s *state) age(now time.Time, st *stream) {
	switch {
	case !st.open || st.busy():
	case now.Before(st.due):
		s.wakeAt(st.due)
	case st.resting:
		s.hangUp(now, st, errIdle)
	default:
		st.resting, st.row, st.due = true, nil, now.Add(endingTime)
		st.line.stream = nil
		s.out.rests = append(s.out.rests, st.id)
		s.wakeAt(st.due)
	}
}

// cut notes that a stream has ended, and why.
func (s *state) cut(now time.Time, id streamID, cause error) {
	if st := s.streams[id]; st != nil {
		s.hangUp(now, st, cause)
	}
}

// hangUp ends a stream and what is on it. [ErrEnded] is the cause when the tracker
// has ended it in order.
func (s *state) hangUp(now time.Time, st *stream, cause error) {
	delete(s.streams, st.id)
	l := st.line
	if l.stream == st {
		l.stream = nil
	}
	if st.open {
		s.out.ends = append(s.out.ends, ending{st.id, cause == ErrEnded})
	}
	orderly := cause == ErrEnded || cause == errIdle
	if !orderly && !l.gone {
		s.failed(now, st, cause)
	}
	if orderly {
		cause = ErrEnded
	}
	for _, n := range slices.Sorted(maps.Keys(st.calls)) {
		s.cutOff(now, st.calls[n], cause)
	}
	s.weigh(now, l)
}

// failed blames a tracker for the end of a stream.
func (s *state) failed(now time.Time, st *stream, cause error) {
	switch {
	case errors.As(cause, new(*FaultError)):
		s.out.blames = append(s.out.blames, blame{st.line.info.ID, cause})
	case st.open:
		s.lost(st.line)
	}
	s.down(now, st.line)
}

// cutOff says to a call that its stream has ended. A tracker may end a stream on
// which nothing was said for a while, in the moment when something is: then the
// request was not read, and goes on another stream, once.
func (s *state) cutOff(now time.Time, c *call, cause error) {
	switch {
	case cause == ErrEnded && !c.again && !c.begun:
		c.again, c.sent = true, time.Time{}
		s.send(now, c)
		return
	case cause == ErrEnded && c.waits():
		s.down(now, c.line)
	}
	s.end(c, nil, cause)
}
