//go:build simulation

package providers

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
)

// Steps is the directory without its goroutines: a simulation lets it take in
// one thing after the other, and answers its queries.
type Steps struct {
	*Directory
	sh *shell
	on Finding
}

// Finding is told of the queries that begin, each of which must be ended with
// [Steps.Ended], and of those that nobody waits for any more.
type Finding interface {
	Begin(id uint64, q Query)
	Stop(id uint64)
}

// NewSteps returns a directory that is not to be started. Without a Finding it
// knows connected peers only.
func NewSteps(cfg Config, on Finding) *Steps {
	d := New(cfg)
	return &Steps{d, &shell{
		Directory: d, state: newState(d.cfg.Timeout, on != nil), links: actor.NewNumbers[linkID, *Link](),
		queries: make(map[queryID]context.CancelFunc),
	}, on}
}

// List is what the directory could do next.
func (s *Steps) List() []actor.Step {
	return []actor.Step{
		actor.Receiving("request", s.inbox.C(), func(r request) { s.sh.handle(time.Now(), r); s.settle() }),
		actor.Receiving("peers", s.cfg.Peers.C(), func(struct{}) { s.peers() }),
		actor.Waking(s.Wake, func() { s.sh.state.tick(time.Now()); s.settle() }),
	}
}

func (s *Steps) peers() {
	for _, p := range s.cfg.Peers.Take() {
		s.sh.state.peerState(p.Peer, p.Connected)
	}
	s.settle()
}

// Found says that a query has found a peer.
func (s *Steps) Found(id uint64, p peer.AddrInfo) {
	s.sh.state.found(queryID(id), p)
	s.settle()
}

// Ended says that a query has ended.
func (s *Steps) Ended(id uint64) {
	s.sh.state.ended(time.Now(), queryID(id))
	s.settle()
}

func (s *Steps) settle() {
	out := s.sh.state.take()
	start, stop := out.start, out.stop
	out.start, out.stop = nil, nil
	s.sh.perform(context.Background(), out)
	for _, q := range start {
		s.on.Begin(uint64(q.id), Query{Namespace: q.key.namespace, CIDs: q.cids, Most: q.key.most})
	}
	for _, id := range stop {
		s.on.Stop(uint64(id))
	}
}

// Wake is when the directory has to be woken, or the zero time.
func (s *Steps) Wake() time.Time { return s.sh.state.wake() }

// End is the end of the actor.
func (s *Steps) End() { s.sh.close() }

// Audit reports what the directory keeps for nobody.
func (s *Steps) Audit() error {
	for _, q := range s.sh.state.flying {
		if len(q.links) == 0 || q.over {
			return errors.New("a query is kept that nobody waits for")
		}
	}
	return nil
}
