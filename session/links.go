package session

import (
	"context"

	"github.com/souk-p2p/souk/blockrouter"
	"github.com/souk-p2p/souk/peerrouter"
	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/wantmanager"
)

// links are a session's lines to the actors of floor 2. Sending on them may
// block, because floor 2 never blocks.
type links struct {
	blocks    *blockrouter.Link
	peers     *peerrouter.Link
	wants     *wantmanager.Link
	directory *providers.Link
}

func (s *Session) open(ctx context.Context) (l links, err error) {
	if l.blocks, err = s.cfg.Blocks.Open(ctx); err != nil {
		return l, err
	}
	if l.peers, err = s.cfg.Peers.Open(ctx); err != nil {
		return l, err
	}
	if l.wants, err = s.cfg.Wants.Open(ctx); err != nil {
		return l, err
	}
	l.directory, err = s.cfg.Providers.Open(ctx)
	return l, err
}

// perform sends what the state wants to be sent. Cancels go before wants, so
// that the room they free is free. It fails only when the exchange is closing.
func (s *shell) perform(ctx context.Context, out effects) error {
	s.results(out)
	err := first(
		when(len(out.cancelWants) > 0, func() error { return s.blocks.Cancel(ctx, out.cancelWants) }),
		when(len(out.cancelAsks) > 0, func() error { return s.wants.Cancel(ctx, out.cancelAsks) }),
		when(len(out.wants) > 0, func() error { return s.blocks.Want(ctx, out.wants) }),
		when(len(out.loads) > 0, func() error { return s.blocks.Load(ctx, out.loads) }),
		when(out.watch, func() error { return s.peers.Watch(ctx) }),
		when(len(out.interest) > 0, func() error { return s.peers.Interest(ctx, out.interest...) }),
		when(len(out.bored) > 0, func() error { return s.peers.Cancel(ctx, out.bored...) }),
		when(out.find != nil, func() error {
			return s.directory.Find(ctx, providers.Query{Namespace: s.opts.namespace, CIDs: out.find, Most: s.cfg.Candidates})
		}),
		when(len(out.served) > 0, func() error { return s.directory.Served(ctx, s.opts.namespace, out.served...) }),
	)
	for _, p := range out.drop {
		err = first(err, s.wants.Drop(ctx, p))
	}
	for p, cids := range out.cancelAt {
		err = first(err, s.wants.CancelAt(ctx, p, cids))
	}
	return first(err, when(len(out.asks) > 0, func() error { return s.wants.Send(ctx, out.asks) }))
}

// results gives the calls what they wait for, and never waits for them.
func (s *shell) results(out effects) {
	batches := make(map[callID][]Result)
	for _, r := range out.results {
		batches[r.call] = append(batches[r.call], r.result)
	}
	for id, rs := range batches {
		s.calls[id].slot.Publish(rs, appendResults)
	}
	for _, id := range out.closed {
		s.calls[id].slot.Close()
	}
	for _, id := range out.gone {
		delete(s.ids, s.calls[id])
		delete(s.calls, id)
	}
}

// leave takes leave of every actor and drains what they still send, until each
// has closed the link's channel.
func (s *shell) leave() {
	ctx := context.Background() // Ends with the actors.
	if s.blocks.CancelAll(ctx) == nil {
		drain(s.blocks.C())
	}
	if s.wants.CancelAll(ctx) == nil {
		drain(s.wants.C())
	}
	if s.peers.CancelAll(ctx) == nil {
		drain(s.peers.C())
	}
	if s.directory.CancelAll(ctx) == nil {
		drain(s.directory.C())
	}
}

// drain receives until the channel is closed.
func drain[T any](c <-chan T) {
	for range c {
	}
}

func when(due bool, send func() error) error {
	if !due {
		return nil
	}
	return send()
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
