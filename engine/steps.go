//go:build simulation

package engine

import (
	"context"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/network"
)

// Steps is the engine without its goroutines: a simulation lets it take in one
// thing after the other, and does the work with the store when it likes.
type Steps struct {
	*Engine
	worker worker
}

// NewSteps returns an engine that is not to be started.
func NewSteps(cfg Config) (*Steps, error) {
	e, err := New(cfg)
	if err != nil {
		return nil, err
	}
	e.employ = func() {}
	return &Steps{e, worker{store: cfg.Store, access: cfg.Access, crew: e.workers, panicked: cfg.Panicked}}, nil
}

// List is what the engine could do next.
func (s *Steps) List() []actor.Step {
	return []actor.Step{
		actor.Receiving("request", s.requests.C(), func(r request) { s.takeRequest(s.cfg.Now(), r); s.settle() }),
		actor.Receiving("wants", s.inbound.C(), func(w wantsReceived) { s.takeWants(s.cfg.Now(), w); s.settle() }),
		actor.Receiving("available", s.port.slot.C(), func(a availability) { s.takeAvailable(s.cfg.Now(), a); s.settle() }),
		actor.Receiving("peers", s.cfg.Peers.C(), func(struct{}) { s.takePeers(s.cfg.Now()); s.settle() }),
		actor.Receiving("work", s.jobs, func(j job) { s.worker.do(context.Background(), j); s.results <- j }),
		actor.Receiving("result", s.results, func(j job) { s.takeResult(s.cfg.Now(), j); s.settle() }),
		actor.Waking(s.Wake, func() { s.state.tick(s.cfg.Now()); s.settle() }),
	}
}

// Receive takes wants as [Engine.ReceiveWants] does. What it returns delivers
// when all are in the table: until then the stream is not read further.
func (s *Steps) Receive(w network.Wants) <-chan struct{} {
	taken := make(chan struct{}, 1)
	// There is room: a stream that waits for its wants to be taken sends no others.
	_ = s.inbound.Send(context.Background(), wantsReceived{wants: w, taken: taken})
	return taken
}

func (s *Steps) settle() { s.perform(s.cfg.Now()) }

// Wake is when the engine has to be woken, or the zero time.
func (s *Steps) Wake() time.Time { return s.state.wake() }

// End is the end of the actor.
func (s *Steps) End() { s.loop.End() }

// Audit recounts what the engine counts and returns what is wrong.
func (s *Steps) Audit() error { return s.state.audit() }

// WantsOf lists the wants of a peer, and which of them wait for a block that is
// not here.
func (s *Steps) WantsOf(id peer.ID) map[cid.Cid]bool {
	wants := make(map[cid.Cid]bool)
	if p := s.state.partners[id]; p != nil {
		for c, w := range p.wants {
			wants[c] = w.phase == phaseAbsent
		}
	}
	return wants
}

// Idle reports whether no work is under way or due, and no bytes are in flight.
func (s *Steps) Idle() bool {
	return s.state.jobsOut == 0 && s.state.inFlight == 0 && len(s.waiting) == 0
}

// Partners is how many peers the engine keeps something of.
func (s *Steps) Partners() int { return len(s.state.partners) }
