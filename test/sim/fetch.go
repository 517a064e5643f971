package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"

	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// Fetch gets all blocks in one call at n and waits for them.
func (w *World) Fetch(n *Node, want []blocks.Block, from ...*Node) {
	w.do(func() error {
		ctx, cancel := w.limit()
		defer cancel()
		return fetch(ctx, n.Exchange.Fetcher(ctx, IDs(from)...), want, w.arrival(n, want, nil))
	})
}

// A Session fetches several times in one session.
type Session struct {
	world   *World
	node    *Node
	fetcher exchanges.Fetcher

	// End gives the session up.
	End context.CancelFunc
}

// Session opens a session at n that ends with the world.
func (w *World) Session(n *Node, from ...*Node) *Session {
	s := &Session{world: w, node: n}
	ctx, end := context.WithCancel(w.ctx)
	s.End = end
	w.do(func() error {
		s.fetcher = n.Exchange.Fetcher(ctx, IDs(from)...)
		return nil
	})
	return s
}

// Fetch gets all blocks in one call and waits for them.
func (s *Session) Fetch(want []blocks.Block) {
	s.world.do(func() error {
		ctx, cancel := s.world.limit()
		defer cancel()
		return fetch(ctx, s.fetcher, want, s.world.arrival(s.node, want, nil))
	})
}

// FetchAtOnce gets the blocks of each part in a call of its own, all at the same
// time, and waits for them.
func (s *Session) FetchAtOnce(parts ...[]blocks.Block) {
	s.world.Try(func(ctx context.Context) error {
		all, ctx := errgroup.WithContext(ctx)
		for _, part := range parts {
			all.Go(func() error { return fetch(ctx, s.fetcher, part, s.world.arrival(s.node, part, nil)) })
		}
		return all.Wait()
	})
}

// FetchUntil is [World.Fetch] that calls then once, when half of the blocks
// have arrived.
func (w *World) FetchUntil(n *Node, want []blocks.Block, then func(), from ...*Node) {
	w.do(func() error {
		ctx, cancel := w.limit()
		defer cancel()
		return fetch(ctx, n.Exchange.Fetcher(ctx, IDs(from)...), want, w.arrival(n, want, then))
	})
}

// Watched returns a fetcher at n for what fetches by itself: it notes when blocks
// come, as the verbs do.
func (w *World) Watched(ctx context.Context, n *Node, from ...*Node) exchanges.Fetcher {
	return unixfs.Watch(n.Exchange.Fetcher(ctx, IDs(from)...), func(blocks.Block) { w.arrived(n) })
}

// FetchEach gets the blocks one after the other in one session.
func (w *World) FetchEach(n *Node, want []blocks.Block, from ...*Node) {
	w.do(func() error {
		ctx, cancel := w.limit()
		defer cancel()
		f := n.Exchange.Fetcher(ctx, IDs(from)...)
		for i, b := range want {
			got, err := f.GetBlock(ctx, b.Cid())
			if err != nil {
				return fmt.Errorf("block %d: %w", i, err)
			}
			if !same(got, b) {
				return fmt.Errorf("block %d is another", i)
			}
			w.arrived(n)
		}
		return nil
	})
}

// Together runs verbs n times at the same time. What fails first is kept.
func (w *World) Together(n int, verbs func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { verbs(i) })
	}
	all.Wait()
}

// FetchTogether gets share(i) at each node at the same time.
func (w *World) FetchTogether(nodes []*Node, share func(i int) []blocks.Block, from ...*Node) {
	w.do(func() error {
		ctx, cancel := w.limit()
		defer cancel()
		all, ctx := errgroup.WithContext(ctx)
		for i, n := range nodes {
			all.Go(func() error {
				f := n.Exchange.Fetcher(ctx, IDs(from)...)
				if err := fetch(ctx, f, share(i), w.arrival(n, share(i), nil)); err != nil {
					return fmt.Errorf("downloader %d: %w", i, err)
				}
				return nil
			})
		}
		return all.Wait()
	})
}

// Fetch gets all blocks in one call of a fetcher, and checks that each arrives
// exactly once.
func Fetch(ctx context.Context, f exchanges.Fetcher, want []blocks.Block) error {
	return fetch(ctx, f, want, func(int) {})
}

// arrival is what a fetch of want at n calls with every block: it notes that one
// came, and calls half once, if there is one, when half of them have.
func (w *World) arrival(n *Node, want []blocks.Block, half func()) func(missing int) {
	return func(missing int) {
		w.arrived(n)
		if half != nil && missing <= len(want)/2 {
			half()
			half = nil
		}
	}
}

// fetch gets want in one call and checks that each arrives exactly once. It calls
// came with each of them and how many are missing then.
func fetch(ctx context.Context, f exchanges.Fetcher, want []blocks.Block, came func(missing int)) error {
	ch, err := f.GetBlocks(ctx, corpus.CIDs(want))
	if err != nil {
		return err
	}
	missing := make(map[cid.Cid]blocks.Block, len(want))
	for _, b := range want {
		missing[b.Cid()] = b
	}
	for got := range ch {
		b, ok := missing[got.Cid()]
		if !ok || !same(got, b) {
			return fmt.Errorf("%s was not asked for, came twice or has other bytes", got.Cid())
		}
		delete(missing, got.Cid())
		came(len(missing))
	}
	if len(missing) > 0 {
		return errors.Join(fmt.Errorf("%d of %d blocks did not arrive", len(missing), len(want)), ctx.Err())
	}
	return nil
}

func same(a, b blocks.Block) bool { return string(a.RawData()) == string(b.RawData()) }
