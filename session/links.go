package session

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/blockrouter"
	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/internal/table"
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
		when(out.enough, func() error { return s.directory.Enough(ctx) }),
		when(out.find != nil, func() error {
			return s.directory.Find(ctx, providers.Query{Namespace: s.opts.namespace, CIDs: out.find, Root: s.state.root, Most: out.most, Newcomers: out.news})
		}),
		when(len(out.served) > 0, func() error { return s.directory.Served(ctx, s.opts.namespace, out.served...) }),
		s.judge(ctx, out),
	)
	for _, p := range out.drop {
		err = first(err, s.wants.Drop(ctx, p))
	}
	for _, p := range sortedPeers(out.cancelAt) {
		err = first(err, s.wants.CancelAt(ctx, p, out.cancelAt[p]))
	}
	return first(
		err,
		when(len(out.asks) > 0, func() error { return s.wants.Send(ctx, out.asks) }),
		when(out.returned, func() error { return s.wants.Returned(ctx, out.held, out.budget) }),
	)
}

func (s *shell) judge(ctx context.Context, out effects) error {
	return when(len(out.judged) > 0, func() error { return s.directory.Judge(ctx, s.opts.namespace, out.judged...) })
}

// last performs what is left to be done at the end: the calls get their results,
// BlockRouter need not look for our wants among all others, and the directory hears
// how its candidates turned out.
func (s *shell) last(out effects) {
	ctx := context.Background() // They fail only when the actors have ended, too.
	s.results(out)
	_ = when(len(out.cancelWants) > 0, func() error { return s.blocks.Cancel(ctx, out.cancelWants) })
	_ = s.judge(ctx, out)
}

// results gives the calls what they wait for, and never waits for them.
func (s *shell) results(out effects) {
	s.hand(out.courses)
	for _, r := range out.results {
		c := s.calls.Party(r.call)
		if c.due == nil {
			s.due = append(s.due, c)
		}
		c.due = append(c.due, r.result)
		s.timed(c, &r.result)
	}
	for i, c := range s.due {
		c.slot.Publish(c.due, appendResults)
		c.due, s.due[i] = nil, nil
	}
	s.due = s.due[:0]
	for _, id := range out.closed {
		s.calls.Party(id).close()
	}
	for _, id := range out.gone {
		s.calls.Remove(id)
	}
}

// tellCourses hands over the courses of calls that have just ended.
func (s *shell) tellCourses() {
	s.hand(s.state.out.courses)
	s.state.out.courses = nil
}

// hand gives calls their courses. Their goroutines look at them after the last result,
// or after the answer to a cancel.
func (s *shell) hand(courses []courseOf) {
	for _, o := range courses {
		s.calls.Party(o.call).course = o.course
	}
}

// timed tells how long a block took to come from a peer.
func (s *shell) timed(c *call, r *Result) {
	if s.cfg.Took == nil || r.Block == nil || r.From == "" {
		return
	}
	s.cfg.Took(r.Took, !c.served)
	c.served = true
}

// leave takes leave of every actor that was opened and drains what it still
// sends, until it has closed the link's channel.
func (l *links) leave() {
	ctx := context.Background() // Ends with the actors.
	if l.blocks != nil && l.blocks.CancelAll(ctx) == nil {
		actor.Drain(l.blocks.C())
	}
	if l.wants != nil && l.wants.CancelAll(ctx) == nil {
		actor.Drain(l.wants.C())
	}
	if l.peers != nil && l.peers.CancelAll(ctx) == nil {
		actor.Drain(l.peers.C())
	}
	if l.directory != nil && l.directory.CancelAll(ctx) == nil {
		actor.Drain(l.directory.C())
	}
}

// sortedPeers and sortedPresences make what is done with a map the same in
// every run. Mostly there is nothing in it, which costs nothing.
func sortedPeers[V any](m map[peer.ID]V) []peer.ID {
	if len(m) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(m))
}

func sortedPresences(m map[blockrouter.PeerCID]bool) []blockrouter.PeerCID {
	if len(m) == 0 {
		return nil
	}
	return slices.SortedFunc(maps.Keys(m), func(a, b blockrouter.PeerCID) int {
		return cmp.Or(cmp.Compare(a.Peer, b.Peer), table.Compare(a.CID, b.CID))
	})
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
