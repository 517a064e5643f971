//go:build simulation

package peerrouter

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
)

// Steps is the router without its goroutines: a simulation lets it take in one
// thing after the other, and dials for it.
type Steps struct {
	*Router
	sh   *shell
	dial func(peer.AddrInfo)
}

// NewSteps returns a router that is not to be started. Each dial that is begun
// must be answered with [Steps.Dialled].
func NewSteps(cfg Config, dial func(peer.AddrInfo)) *Steps {
	r := New(cfg)
	return &Steps{r, &shell{
		Router: r, state: r.newState(), links: actor.NewNumbers[linkID, *Link](),
	}, dial}
}

// List is what the router could do next.
func (s *Steps) List() []actor.Step {
	return []actor.Step{
		actor.Receiving("request", s.inbox.C(), func(r request) { s.sh.handle(time.Now(), r); s.settle() }),
		actor.Receiving("peers", s.cfg.Peers.C(), func(struct{}) { s.peers() }),
		actor.Waking(s.Wake, func() { s.sh.state.tick(time.Now()); s.settle() }),
	}
}

func (s *Steps) peers() {
	for _, p := range s.cfg.Peers.Take() {
		s.sh.state.peerState(time.Now(), p.Peer, p.Connected)
	}
	s.settle()
}

// Dialled says how a dial ended.
func (s *Steps) Dialled(p peer.ID, err error) {
	s.sh.state.dialled(time.Now(), p, err)
	s.settle()
}

func (s *Steps) settle() {
	out := s.sh.state.take()
	dials := out.dials
	out.dials = nil
	s.sh.perform(context.Background(), out)
	for _, info := range dials {
		s.dial(info)
	}
}

// Wake is when the router has to be woken, or the zero time.
func (s *Steps) Wake() time.Time { return s.sh.state.wake() }

// End is the end of the actor.
func (s *Steps) End() { s.sh.close() }

// Audit recounts what the router counts and returns what is wrong.
func (s *Steps) Audit() error { return s.sh.state.audit() }
