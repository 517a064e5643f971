//go:build simulation

package wantmanager

import (
	"context"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/network"
)

// Steps is the manager without its goroutine: a simulation lets it take in one
// thing after the other.
type Steps struct {
	*Manager
	sh *shell
}

// NewSteps returns a manager that is not to be started.
func NewSteps(cfg Config) *Steps {
	m := New(cfg)
	return &Steps{m, &shell{
		Manager: m, state: m.newState(), links: actor.NewNumbers[linkID, *Link](),
	}}
}

// List is what the manager could do next.
func (s *Steps) List() []actor.Step {
	return []actor.Step{
		actor.Receiving("request", s.inbox.C(), func(r request) { s.sh.handle(time.Now(), r); s.settle() }),
		actor.Receiving("heard", s.Manager.heard.C(), s.hear),
		actor.Receiving("peers", s.cfg.Peers.C(), func(struct{}) { s.peers() }),
		actor.Waking(s.Wake, func() { s.sh.state.tick(time.Now(), s.cfg.Sender.Progress); s.settle() }),
	}
}

func (s *Steps) hear(h network.Heard) {
	s.sh.state.heard(time.Now(), h.From, newsOf(h))
	s.settle()
}

func (s *Steps) peers() {
	for _, p := range s.cfg.Peers.Take() {
		s.sh.state.peerState(time.Now(), p.Peer, p.Connected, p.Version, p.Epoch, p.Generation)
	}
	s.settle()
}

func (s *Steps) settle() { s.sh.perform(context.Background(), s.sh.state.take(time.Now())) }

// Wake is when the manager has to be woken, or the zero time.
func (s *Steps) Wake() time.Time { return s.sh.state.wake() }

// End is the end of the actor.
func (s *Steps) End() { s.sh.close() }

// Audit recounts what the manager counts and returns what is wrong.
func (s *Steps) Audit() error { return s.sh.state.audit() }

// WantsAt lists what a peer is asked, and of each whether it knows.
func (s *Steps) WantsAt(id peer.ID) map[cid.Cid]bool {
	wants := make(map[cid.Cid]bool)
	if p := s.sh.state.peers[id]; p != nil {
		for c, w := range p.wants {
			wants[c] = w.phase == sent || w.phase == standing
		}
	}
	return wants
}

// Idle reports whether no message to a peer is in hand and no cancel is due.
func (s *Steps) Idle(id peer.ID) bool {
	p := s.sh.state.peers[id]
	return p == nil || !p.busy && len(p.cancels.pending) == 0
}

// Wants is how many wants there are, at all peers.
func (s *Steps) Wants() int {
	n := 0
	for _, p := range s.sh.state.peers {
		n += len(p.wants)
	}
	return n
}
