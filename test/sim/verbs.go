package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"golang.org/x/sync/errgroup"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// Put stores blocks at a node.
func (w *World) Put(n *Node, bs ...blocks.Block) {
	w.do(func() error { return n.Exchange.Put(w.ctx, bs...) })
}

// Connect dials each of the others from n.
func (w *World) Connect(n *Node, others ...*Node) {
	w.do(func() error {
		ctx, cancel := w.limit()
		defer cancel()
		for _, o := range others {
			if err := n.Host.Connect(ctx, peer.AddrInfo{ID: o.ID(), Addrs: o.Addrs()}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Dial opens a connection from n and does not wait until the peers know what
// the other speaks.
func (w *World) Dial(n *Node, others ...*Node) {
	w.do(func() error {
		ctx, cancel := w.limit()
		defer cancel()
		for _, o := range others {
			n.Peerstore().AddAddrs(o.ID(), o.Addrs(), peerstore.PermanentAddrTTL)
			if _, err := n.Network().DialPeer(ctx, o.ID()); err != nil {
				return err
			}
		}
		return nil
	})
}

// ConnectAll dials every pair.
func (w *World) ConnectAll(nodes ...*Node) {
	for i, n := range nodes {
		w.Connect(n, nodes[i+1:]...)
	}
}

// Settle lets the nodes finish what connecting began: identification, and the
// opening of streams.
func (w *World) Settle() { w.Pass(5 * time.Second) }

// Pass lets virtual time go by.
func (w *World) Pass(d time.Duration) {
	w.do(func() error { time.Sleep(d); return nil })
}

// Tell sends one Bitswap message to a node.
func (w *World) Tell(from, to *Node, m message.BitSwapMessage) {
	w.do(func() error { return from.Say(to.ID(), m) })
}

// Expect fails when the condition does not hold.
func (w *World) Expect(condition func() bool, what string) {
	w.do(func() error {
		if !condition() {
			return fmt.Errorf("expected: %s", what)
		}
		return nil
	})
}

// Begin starts the clock.
func (w *World) Begin() { w.begun = time.Now() }

// Took is the virtual time since [World.Begin].
func (w *World) Took() time.Duration { return time.Since(w.begun) }

// Fetch gets all blocks in one call at n and waits for them.
func (w *World) Fetch(n *Node, want []blocks.Block, from ...*Node) {
	w.do(func() error {
		ctx, cancel := w.limit()
		defer cancel()
		return fetch(ctx, n.Exchange.Fetcher(ctx, ids(from)...), want, nil)
	})
}

// A Session fetches several times in one session.
type Session struct {
	world   *World
	fetcher exchanges.Fetcher
}

// Session opens a session at n that ends with the world.
func (w *World) Session(n *Node, from ...*Node) *Session {
	s := &Session{world: w}
	w.do(func() error {
		s.fetcher = n.Exchange.Fetcher(w.ctx, ids(from)...)
		return nil
	})
	return s
}

// Fetch gets all blocks in one call and waits for them.
func (s *Session) Fetch(want []blocks.Block) {
	s.world.do(func() error {
		ctx, cancel := s.world.limit()
		defer cancel()
		return fetch(ctx, s.fetcher, want, nil)
	})
}

// FetchUntil is [World.Fetch] that calls then once, when half of the blocks
// have arrived.
func (w *World) FetchUntil(n *Node, want []blocks.Block, then func(), from ...*Node) {
	w.do(func() error {
		ctx, cancel := w.limit()
		defer cancel()
		return fetch(ctx, n.Exchange.Fetcher(ctx, ids(from)...), want, then)
	})
}

// FetchEach gets the blocks one after the other in one session.
func (w *World) FetchEach(n *Node, want []blocks.Block, from ...*Node) {
	w.do(func() error {
		ctx, cancel := w.limit()
		defer cancel()
		f := n.Exchange.Fetcher(ctx, ids(from)...)
		for i, b := range want {
			got, err := f.GetBlock(ctx, b.Cid())
			if err != nil {
				return fmt.Errorf("block %d: %w", i, err)
			}
			if !same(got, b) {
				return fmt.Errorf("block %d is another", i)
			}
		}
		return nil
	})
}

// FetchTogether gets share(i) at each node at the same time.
func (w *World) FetchTogether(nodes []*Node, share func(i int) []blocks.Block, from ...*Node) {
	w.do(func() error {
		ctx, cancel := w.limit()
		defer cancel()
		all, ctx := errgroup.WithContext(ctx)
		for i, n := range nodes {
			all.Go(func() error {
				f := n.Exchange.Fetcher(ctx, ids(from)...)
				if err := fetch(ctx, f, share(i), nil); err != nil {
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
	return fetch(ctx, f, want, nil)
}

// fetch gets want in one call and checks that each arrives exactly once. It
// calls half, if there is one, when half of them have come.
func fetch(ctx context.Context, f exchanges.Fetcher, want []blocks.Block, half func()) error {
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
		if half != nil && len(missing) <= len(want)/2 {
			half()
			half = nil
		}
	}
	if len(missing) > 0 {
		return errors.Join(fmt.Errorf("%d of %d blocks did not arrive", len(missing), len(want)), ctx.Err())
	}
	return nil
}

func same(a, b blocks.Block) bool { return string(a.RawData()) == string(b.RawData()) }

// Sum adds the counters of those nodes that have an exchange.
func Sum(nodes ...*Node) exchanges.Counters {
	var sum exchanges.Counters
	for _, n := range nodes {
		if n.Exchange == nil {
			continue
		}
		c := n.Exchange.Counters()
		sum.BlocksReceived += c.BlocksReceived
		sum.BytesReceived += c.BytesReceived
		sum.DupBlocks += c.DupBlocks
		sum.DupBytes += c.DupBytes
		sum.BlocksSent += c.BlocksSent
		sum.BytesSent += c.BytesSent
		sum.MessagesReceived += c.MessagesReceived
	}
	return sum
}
