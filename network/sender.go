package network

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/protocol"
	msmux "github.com/multiformats/go-multistream"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
)

// When streams are lost soon after they were opened, the pause before that is
// made known doubles from firstPause up to longLived: a peer that resets every
// stream must not make us spin.
const (
	firstPause = 100 * time.Millisecond
	longLived  = 5 * time.Second
	maxLosses  = 7 // firstPause doubled so often is over longLived
)

// sender writes one line of a peer: it opens the stream when there is something
// to write, keeps it, and closes it when it was idle for long.
//
// The goroutine that writes exists only while messages are in hand.
type sender struct {
	n    *Network
	to   *remote
	line line

	mu      sync.Mutex
	queue   []job
	inHand  [lanes]int
	writing bool // the goroutine exists
	ended   bool // the peer is gone
	out     *outbound
	leaving map[*outbound]struct{} // closed by us and not yet by the peer
	idle    *time.Timer
	again   *time.Timer // until what was lost is made known
	losses  int         // streams that were lost soon after they were opened, in a row
}

func newSender(n *Network, to *remote, l line) *sender {
	return &sender{n: n, to: to, line: l, leaving: make(map[*outbound]struct{})}
}

// put takes a message in hand.
func (s *sender) put(j job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return ErrNotConnected
	case s.inHand[j.lane] >= j.lane.depth():
		return ErrLaneFull
	case !s.writing && !s.n.life.spawn("writer", s.run):
		return ErrClosed
	}
	s.writing = true
	s.inHand[j.lane]++
	s.queue = append(s.queue, j)
	return nil
}

// run writes what is in hand.
func (s *sender) run() {
	for {
		j, ok := s.next()
		if !ok {
			return
		}
		sent := s.deliver(j)
		s.done(j.lane)
		j.report(sent)
	}
}

// next returns the message that was handed over first. When there is none, the
// goroutine has to end.
func (s *sender) next() (job, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shed()
	if len(s.queue) > 0 {
		j := s.queue[0]
		s.queue = slices.Delete(s.queue, 0, 1)
		return j, true
	}
	s.writing = false
	s.queue = nil
	if s.out != nil {
		s.armIdle()
	}
	return job{}, false
}

func (s *sender) armIdle() {
	if s.idle == nil {
		s.idle = s.n.life.after(s.n.cfg.IdleStream, "close", s.closeIdle)
		return
	}
	s.idle.Reset(s.n.cfg.IdleStream)
}

// done gives the lane its room back.
func (s *sender) done(l Lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inHand[l]--
}

// deliver writes a message on the stream that is there. When that turns out to
// have been lost, once more on a fresh one: a reader that gave up waiting for us
// is no reason to give up the peer.
func (s *sender) deliver(j job) Sent {
	sent, began := Sent{Peer: s.to.id, Lane: j.lane}, time.Now()
	s.n.count.writing.Add(1)
	defer s.n.count.writing.Add(-1)
	err := actor.Guard("writer", s.n.panicked, func() (err error) {
		sent.Bytes, err = s.attempt(j)
		return err
	})
	var broken *actor.PanicError
	if errors.As(err, &broken) {
		s.abandon(err)
	}
	sent.At = time.Now()
	if err != nil {
		sent.Bytes, sent.Err = 0, &SendError{Peer: s.to.id, Err: err}
		return sent
	}
	s.n.count.messagesSent.Add(1)
	s.n.cfg.Observer.Sent(j.lane, j.msg, sent.At.Sub(began))
	return sent
}

func (s *sender) attempt(j job) (int, error) {
	o, fresh, err := s.ready()
	if err != nil {
		return 0, err
	}
	n, err := s.write(o, j)
	if err == nil || fresh || !errors.Is(err, ErrReset) {
		return n, err
	}
	if o, _, err = s.ready(); err != nil {
		return 0, err
	}
	return s.write(o, j)
}

// abandon parts with the stream after a panic: nobody knows how much of a
// message is on it.
func (s *sender) abandon(cause error) {
	s.mu.Lock()
	o := s.out
	s.mu.Unlock()
	if o != nil {
		_ = s.n.life.guard("writer", func() { s.lose(o, cause) })
	}
}

// ready returns the stream to write on, and whether it was opened for that.
func (s *sender) ready() (o *outbound, fresh bool, err error) {
	s.preferDirect()
	s.mu.Lock()
	s.shed()
	o, ended := s.out, s.ended
	s.mu.Unlock()
	switch {
	case ended:
		return nil, true, ErrNotConnected
	case o != nil:
		return o, false, nil
	}
	o, err = s.open()
	return o, true, err
}

func (s *sender) open() (*outbound, error) {
	o, err := s.n.dial(s.n.life.ctx, s.to)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.out = o
	ended := s.ended
	if ended {
		s.out = nil
	}
	s.mu.Unlock()
	if ended {
		_ = o.stream.Reset()
		return nil, ErrNotConnected
	}
	return o, nil
}

// preferDirect parts with a stream through a relay once there is a direct connection:
// the relay cuts it when its bytes or its time are used up. What is on it may come
// after what is written from now on, so the control line says everything again.
func (s *sender) preferDirect() {
	s.mu.Lock()
	o := s.out
	s.mu.Unlock()
	if o == nil || !o.limited || !s.n.isDirect(s.to.id) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out != o || o.retired {
		return
	}
	o.retired = true
	if s.line == lineControl && o.carried > 0 {
		s.makeKnown(time.Since(o.opened))
	}
}

// write writes a message, and watches the stream from then on.
func (s *sender) write(o *outbound, j job) (int, error) {
	n, err := o.write(j.msg)
	if err != nil {
		err = sendCause(err)
		s.lose(o, err)
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.broken {
		return 0, ErrReset
	}
	o.carried++
	if !o.watched {
		o.watched = s.n.life.spawn("watcher", func() { s.watch(o) })
	}
	return n, nil
}

// sendCause tells a peer that is slow from a stream that is lost.
func sendCause(err error) error {
	if isTimeout(err) {
		return fmt.Errorf("%w: %w", ErrSlow, err)
	}
	return fmt.Errorf("%w: %w", ErrReset, err)
}

// watch waits for the end of a stream, in a goroutine of its own.
func (s *sender) watch(o *outbound) {
	defer close(o.over)
	err := actor.Guard("watcher", s.n.panicked, o.await)
	s.mu.Lock()
	_, closed := s.leaving[o]
	delete(s.leaving, o)
	ended := s.ended
	if err == nil && !closed && !ended {
		o.retired = true
		if !s.writing {
			s.shed()
		}
	}
	s.mu.Unlock()
	switch {
	case ended: // Then end has ended the stream as well.
	case closed && (err == nil || isEOF(err)):
		_ = o.stream.Close()
	case closed:
		_ = o.stream.Reset()
	case err != nil:
		s.lose(o, sendCause(err))
	}
}

// shed parts with a stream that takes no further message. The caller holds the
// lock, and nothing is being written.
func (s *sender) shed() {
	o := s.out
	if o == nil || !o.retired {
		return
	}
	s.out = nil
	s.n.life.always("close", func() {
		o.close()
		_ = o.stream.Close()
	})
}

// lose notes that a stream is lost, and maybe with it what it carried.
func (s *sender) lose(o *outbound, cause error) {
	if !s.part(o) {
		return
	}
	_ = o.stream.Reset()
	s.n.log.Debug("outbound stream lost", zap.Stringer("peer", s.to.id), zap.Error(cause))
	if errors.Is(cause, msmux.ErrNotSupported[protocol.ID]{}) {
		s.n.peers.unlearn(s.to.id, setOf(o.version))
	}
}

// part takes a broken stream out of use, once. It reports whether this was the
// time. What was lost on the control stream is made known.
func (s *sender) part(o *outbound) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.broken {
		return false
	}
	o.broken = true
	if s.out == o {
		s.out = nil
	}
	if s.line == lineControl && o.carried > 0 && !s.ended {
		s.makeKnown(time.Since(o.opened))
	}
	return true
}

// makeKnown says that what the peer was told may be lost, after a pause when
// the stream was lost soon: what is said again could be lost as soon.
func (s *sender) makeKnown(lived time.Duration) {
	pause := s.pause(lived)
	if s.again != nil {
		s.again.Stop()
	}
	s.again = s.n.life.after(pause, "events", func() { s.n.peers.lost(s.to) })
}

// pause counts a lost stream and returns how long to wait.
func (s *sender) pause(lived time.Duration) time.Duration {
	if lived > longLived {
		s.losses = 0
	}
	losses := s.losses
	s.losses = min(s.losses+1, maxLosses)
	if losses == 0 {
		return 0
	}
	return min(firstPause<<(losses-1), longLived)
}

// closeIdle closes a stream on which nothing was written for long.
func (s *sender) closeIdle() {
	s.mu.Lock()
	o := s.out
	if s.writing || o == nil {
		s.mu.Unlock()
		return
	}
	s.out = nil
	s.leaving[o] = struct{}{}
	s.mu.Unlock()
	o.close()
}

// end ends the line: the peer is gone, or the network. What is being written is
// cut, what was written is left to arrive.
func (s *sender) end() {
	cut, leave := s.stop()
	if cut != nil {
		_ = cut.stream.SetWriteDeadline(longAgo)
		_ = cut.stream.Reset()
	}
	for _, o := range leave {
		_ = o.stream.Close()
	}
}

// stop makes the line refuse everything, and returns the stream that is being
// written and those that are not.
func (s *sender) stop() (cut *outbound, leave []*outbound) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, t := range []*time.Timer{s.idle, s.again} {
		if t != nil {
			t.Stop()
		}
	}
	for o := range s.leaving {
		leave = append(leave, o)
	}
	switch {
	case s.out != nil && s.writing:
		cut = s.out
	case s.out != nil:
		leave = append(leave, s.out)
	}
	s.out = nil
	return cut, leave
}
