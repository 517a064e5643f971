package client

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/wire"
)

const (
	unwritten  = 16              // frames that wait for the writer; who has one more waits, too
	unread     = 1               // notices that wait for their subscriber; what comes then is left out
	endingTime = 5 * time.Second // for the tracker to end its side when we have ended ours

	// What a tracker says without having been asked: twice a notice a second for
	// each of 16 subscriptions, and what gathers while a connection is stuck for a
	// minute.
	unaskedRate  = 32
	unaskedBurst = 1024
)

// stream is one stream to a tracker. Many requests are open on it at a time; a
// reader and a writer of its own carry them.
type stream struct {
	line *line
	conn Stream
	out  chan []byte
	rest chan struct{} // closed when no request comes any more
	done chan struct{} // closed at the end

	mu       sync.Mutex
	cause    error // of the end
	resting  bool  // takes no request any more
	last     wire.RequestID
	pending  map[wire.RequestID]*pending
	subs     map[wire.RequestID]*subscription
	owed     int       // answers that are to come to nobody
	heard    time.Time // when something last came
	unasked  allowance
	idle     *time.Timer
	idleFrom time.Time
}

// pending is a request that waits for its answer.
type pending struct {
	kind   wire.Kind
	answer chan wire.Message // has room for the only one
}

// subscription is what a subscriber has not read.
type subscription struct {
	id      wire.RequestID
	notices chan *wire.Notify
	more    bool // something was left out
}

// newStream starts a stream. The caller holds the lock of the client, which has not
// ended.
func newStream(l *line, conn Stream) *stream {
	s := &stream{
		line: l, conn: conn,
		out: make(chan []byte, unwritten), rest: make(chan struct{}), done: make(chan struct{}),
		pending: make(map[wire.RequestID]*pending), subs: make(map[wire.RequestID]*subscription),
		unasked: allowance{left: unaskedBurst, at: time.Now()}, idleFrom: time.Now(),
	}
	s.idle = l.c.after(wire.Idle, s.ripe)
	for _, run := range []func(){s.read, s.write} {
		l.c.crew.Go(func() {
			if err := actor.Guard("trackers", l.c.cfg.Panicked, func() error { run(); return nil }); err != nil {
				s.end(err)
			}
		})
	}
	return s
}

// ask sends a request and waits for its answer.
func (s *stream) ask(ctx context.Context, x *exchange) (wire.Message, error) {
	id, p, err := s.begin(x)
	if err != nil {
		return nil, err
	}
	frame, err := wire.AppendFrame(nil, x.make(id))
	if err == nil {
		err = s.post(ctx, frame)
	}
	if err != nil {
		s.takeBack(id)
		return nil, err
	}
	sent := time.Now()
	defer func() { x.elapsed = time.Since(sent) }()
	select {
	case m := <-p.answer:
		return m, nil
	case <-ctx.Done():
		return s.giveUp(ctx, id, p, sent)
	case <-s.done:
	}
	select {
	case m := <-p.answer: // the last that came
		return m, nil
	default:
		return nil, s.why()
	}
}

// The lock of the client comes before that of a stream.

// begin gives a request its number.
func (s *stream) begin(x *exchange) (wire.RequestID, *pending, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.cause != nil:
		return 0, nil, outcome(s.cause)
	case s.resting:
		return 0, nil, ErrEnded
	case x.sub != nil && len(s.subs) == wire.MaxSubscriptions:
		return 0, nil, &RefusedError{wire.Refusal{Code: wire.CodeSubscriptions}}
	}
	s.last++
	p := &pending{kind: x.kind, answer: make(chan wire.Message, 1)}
	s.pending[s.last] = p
	if x.sub != nil {
		x.sub.id = s.last
		s.subs[s.last] = x.sub
	}
	return s.last, p, nil
}

// post gives a frame to the writer.
func (s *stream) post(ctx context.Context, frame []byte) error {
	select {
	case s.out <- frame:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.done:
		return s.why()
	}
}

// say sends what has no answer.
func (s *stream) say(ctx context.Context, frame []byte) error {
	s.mu.Lock()
	s.restart()
	s.mu.Unlock()
	return s.post(ctx, frame)
}

// leftOut reports whether notices were left out since it was last asked.
func (s *stream) leftOut(sub *subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	more := sub.more
	sub.more = false
	return more
}

// takeBack takes back a request that was not sent.
func (s *stream) takeBack(id wire.RequestID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, id)
	delete(s.subs, id)
	s.restart()
}

// giveUp ends the wait for an answer, unless it came in the same moment. When it
// was the only one, and nothing has come since, the stream may be stuck: the next
// request has another.
func (s *stream) giveUp(ctx context.Context, id wire.RequestID, p *pending, sent time.Time) (wire.Message, error) {
	s.mu.Lock()
	if _, open := s.pending[id]; open {
		delete(s.pending, id)
		s.owed++
	}
	s.restart()
	stuck := !s.busy() && s.heard.Before(sent) && errors.Is(ctx.Err(), context.DeadlineExceeded)
	s.mu.Unlock()
	select {
	case m := <-p.answer:
		return m, nil
	default:
	}
	if stuck {
		s.end(errIdle)
	}
	return nil, context.Cause(ctx)
}

// unsubscribe ends a subscription.
func (s *stream) unsubscribe(sub *subscription) {
	s.mu.Lock()
	_, open := s.subs[sub.id]
	delete(s.subs, sub.id)
	s.restart()
	s.mu.Unlock()
	if frame, err := wire.AppendFrame(nil, &wire.Unsubscribe{ID: sub.id}); open && err == nil {
		s.line.c.spawn(func() { _ = s.post(s.line.c.ctx, frame) }) // The writer may be behind, and nobody waits for this.
	}
}

// busy reports whether something is waited for.
func (s *stream) busy() bool { return len(s.pending)+len(s.subs) > 0 }

// restart begins the time after which a stream is ended on which nothing is said.
func (s *stream) restart() {
	s.idleFrom = time.Now()
	if !s.resting && !s.busy() {
		s.idle.Reset(wire.Idle)
	}
}

// ripe ends our side of a stream on which nothing was said for long enough.
func (s *stream) ripe() {
	s.line.c.mu.Lock()
	defer s.line.c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy() || s.resting || time.Since(s.idleFrom) < wire.Idle {
		return
	}
	s.resting = true
	close(s.rest)
	s.idle = s.line.c.after(endingTime, func() { s.end(errIdle) })
	s.line.part(s)
}

// write writes what is posted, and ends our side when nothing more will be.
func (s *stream) write() {
	for {
		select {
		case frame := <-s.out:
			if _, err := s.conn.Write(frame); err != nil {
				s.end(err)
				return
			}
		case <-s.rest:
			if len(s.out) > 0 {
				continue
			}
			_ = s.conn.CloseWrite() // The reader notices, or the timer ends it.
			return
		case <-s.done:
			return
		}
	}
}

// end ends the stream, for the first cause that is given. Who gets that from a call
// finds the tracker to be down when that is what it means.
func (s *stream) end(cause error) {
	if !s.ends(cause) {
		return
	}
	close(s.done)
	if cause == io.EOF {
		_ = s.conn.Close() // Nothing of it is needed any more.
		return
	}
	s.conn.Reset()
}

func (s *stream) ends(cause error) bool {
	s.line.c.mu.Lock()
	defer s.line.c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return false
	}
	s.cause, s.resting = cause, true
	s.idle.Stop()
	s.line.ended(s, cause)
	return true
}

// broke ends a stream whose tracker broke the rules.
func (s *stream) broke(err error) error {
	var fault *FaultError
	if !errors.As(err, &fault) {
		fault = &FaultError{err}
	}
	s.end(fault)
	return fault
}

// why says to a call why the stream has ended.
func (s *stream) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return outcome(s.cause)
}

// outcome is what the end of a stream is for a call.
func outcome(cause error) error {
	if cause == io.EOF || errors.Is(cause, errIdle) {
		return ErrEnded
	}
	return cause
}
