package sim

import (
	"context"
	"fmt"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// Within fails when more than limit has passed since [World.Begin].
func (w *World) Within(limit time.Duration) {
	w.do(func() error {
		if took := w.Took(); took > limit {
			return fmt.Errorf("it took %s, at most %s are right", took, limit)
		}
		return nil
	})
}

// Holds fails unless the node has stored the blocks.
func (w *World) Holds(n *Node, bs ...blocks.Block) { w.stored(n, true, bs) }

// Lacks fails if the node has stored one of the blocks.
func (w *World) Lacks(n *Node, bs ...blocks.Block) { w.stored(n, false, bs) }

func (w *World) stored(n *Node, want bool, bs []blocks.Block) {
	w.Try(func(ctx context.Context) error {
		for _, b := range bs {
			if has, err := n.Exchange.Has(ctx, b.Cid()); err != nil || has != want {
				return fmt.Errorf("%s is stored: %t (%w)", b.Cid(), has, err)
			}
		}
		return nil
	})
}

// Wants fails unless a node's view of what another wants of it is exactly the
// given blocks.
func (w *World) Wants(at, of *Node, bs ...blocks.Block) {
	w.Check(func(t require.TestingT) {
		require.ElementsMatch(t, corpus.CIDs(bs), at.Exchange.WantsOf(of.ID()))
	})
}

// Traffic fails unless the node has sent and received exactly so many blocks,
// with the bytes of those given, and none twice.
func (w *World) Traffic(n *Node, sent, received []blocks.Block) {
	w.Check(func(t require.TestingT) {
		got := n.Exchange.Counters()
		require.Equal(t, exchanges.Counters{
			BlocksSent: uint64(len(sent)), BytesSent: uint64(corpus.Bytes(sent)),
			BlocksReceived: uint64(len(received)), BytesReceived: uint64(corpus.Bytes(received)),
			MessagesReceived: got.MessagesReceived, WantsReceived: got.WantsReceived,
		}, got)
	})
}

// Hears fails when a node has received more messages than are right.
func (w *World) Hears(most uint64, nodes ...*Node) {
	w.Check(func(t require.TestingT) {
		for _, n := range nodes {
			require.LessOrEqual(t, n.Exchange.Counters().MessagesReceived, most)
		}
	})
}

// Unasked fails when a node was asked for anything. Answers to what it asked itself,
// as trackers do to probe providers, do not count.
func (w *World) Unasked(nodes ...*Node) {
	w.Check(func(t require.TestingT) {
		for _, n := range nodes {
			require.Zero(t, n.Exchange.Counters().WantsReceived)
		}
	})
}

// Blameless fails when a node of Souk has blamed another for anything.
func (w *World) Blameless() {
	w.Check(func(t require.TestingT) { require.Empty(t, faults(w.nodes)) })
}
