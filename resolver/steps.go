//go:build simulation

package resolver

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/resolver/wire"
)

// Steps is the resolver without its goroutine, its streams and its crew: a simulation
// that owns the time tells it what happens, and plays what it asks for.
type Steps struct {
	s  *state
	on Stage
}

// Stage plays what the resolver asks for. Nothing may be told to it from within these.
type Stage interface {
	Ask(Ask)
	Judge(key Key, value []byte)
	Failed(key Key, why error)
	Reply(caller uint64, key Key, value []byte, err error)
	Ended(took time.Duration, why error)
	Blocked(p peer.ID, hard bool, until time.Time)
}

// Ask is a request to a peer. Part and List are zero for the value, or its first part.
type Ask struct {
	ID   uint64
	To   peer.ID
	Key  Key
	Part uint32
	List [sha256.Size]byte
}

// Order asks for a key: see the fields of the same names of what a caller says.
type Order struct {
	Key      Key
	Targeted bool
	Targets  []peer.ID
	Deadline time.Time
	Attempts int
	Caller   uint64
}

// Answer is what a peer says. Refusal has the number of the protocol, or is 0.
type Answer struct {
	Refusal uint8
	Data    []byte
	Size    int64
	Hashes  []byte
	Sum     *[sha256.Size]byte // of Data; nil to have it hashed
}

// The refusals.
const (
	SaysNone    = uint8(wire.CodeNone)
	SaysRefused = uint8(wire.CodeRefused)
	SaysBusy    = uint8(wire.CodeBusy)
	SaysChanged = uint8(wire.CodeChanged)
)

// NewSteps returns a resolver without peers. It fails on limits that are wrong.
func NewSteps(now time.Time, l Limits, self peer.ID, seed uint64, on Stage) (*Steps, error) {
	l = l.withDefaults()
	if err := l.validate(); err != nil {
		return nil, err
	}
	return &Steps{newState(now, l, self, seed), on}, nil
}

// Fetch takes orders.
func (s *Steps) Fetch(now time.Time, orders ...Order) {
	taken := make([]order, len(orders))
	for i, o := range orders {
		taken[i] = order{
			key: o.Key, targeted: o.Targeted, targets: slices.Clone(o.Targets), deadline: o.Deadline, attempts: o.Attempts, caller: callID(o.Caller),
		}
	}
	s.s.fetch(now, taken)
	s.settle()
}

// Cancel ends fetches.
func (s *Steps) Cancel(now time.Time, keys ...Key) { s.s.cancel(now, keys); s.settle() }

// Clear ends all fetches.
func (s *Steps) Clear(now time.Time) { s.s.clear(now); s.settle() }

// Retain ends those whose keys are not to be kept.
func (s *Steps) Retain(now time.Time, keep func(Key) bool) { s.s.retain(now, keep); s.settle() }

// Leave says that a caller waits no longer.
func (s *Steps) Leave(now time.Time, caller uint64, key Key) {
	s.s.leave(now, callID(caller), key)
	s.settle()
}

// Unblock ends the block of a peer.
func (s *Steps) Unblock(now time.Time, p peer.ID) { s.s.unblock(now, p); s.settle() }

// Members says who the peers are.
func (s *Steps) Members(now time.Time, ids []peer.ID) { s.s.setMembers(now, ids); s.settle() }

// Answered says what a peer has answered.
func (s *Steps) Answered(now time.Time, from peer.ID, id uint64, a Answer) {
	taken := answer{refusal: wire.Code(a.Refusal), data: a.Data, size: a.Size, hashes: a.Hashes}
	if a.Sum != nil {
		taken.sum, taken.summed = *a.Sum, true
	}
	s.s.answered(now, from, requestID(id), taken)
	s.settle()
}

// Faulted says that a peer has sent what is no answer.
func (s *Steps) Faulted(now time.Time, from peer.ID) {
	s.s.faulted(now, from, message.FaultProtobuf)
	s.settle()
}

// Unsent says that a request was not sent.
func (s *Steps) Unsent(now time.Time, id uint64) { s.s.unsent(now, requestID(id)); s.settle() }

// Parted says that the stream to a peer has ended.
func (s *Steps) Parted(now time.Time, p peer.ID) { s.s.parted(now, p); s.settle() }

// Judged gives the verdict of the Consumer.
func (s *Steps) Judged(now time.Time, key Key, good bool) { s.s.judged(now, key, good); s.settle() }

// Unjudged says that the Consumer has panicked at a value.
func (s *Steps) Unjudged(now time.Time, key Key) { s.s.unjudged(now, key); s.settle() }

// Turn does what is due, with one request at most.
func (s *Steps) Turn(now time.Time) { s.s.turn(now); s.settle() }

// Wake is when Turn has something to do, or the zero time.
func (s *Steps) Wake(now time.Time) time.Time { return s.s.wake(now) }

func (s *Steps) settle() {
	out := s.s.take()
	for _, b := range out.blocks {
		s.on.Blocked(b.peer, b.hard, b.until)
	}
	for _, j := range out.jobs {
		s.on.Judge(j.key, whole(j.parts))
	}
	for _, f := range out.failures {
		s.on.Failed(f.key, f.why)
	}
	for _, r := range out.replies {
		s.on.Reply(uint64(r.caller), r.key, whole(r.parts), r.err)
	}
	for _, e := range out.endings {
		s.on.Ended(e.took, e.why)
	}
	for _, a := range out.asks {
		s.on.Ask(Ask{uint64(a.id), a.to, a.key, a.part, a.list})
	}
}

// Counts are what the resolver has done.
func (s *Steps) Counts() Counts { return s.s.counts }

// Performance is that of a peer, or 0 when it is not known.
func (s *Steps) Performance(p peer.ID) time.Duration {
	if r := s.s.remotes[p]; r != nil {
		return r.performance
	}
	return 0
}

// Idle reports whether there is neither a fetch nor a request, nor a byte counted.
func (s *Steps) Idle() bool {
	return len(s.s.fetches)+len(s.s.requests) == 0 && s.s.held == 0 && s.s.awaited == 0
}

// Pending is how many fetches there are.
func (s *Steps) Pending() int { return len(s.s.fetches) }

// Audit recounts what the resolver keeps twice and returns what is wrong.
func (s *Steps) Audit() error { return s.s.audit() }
