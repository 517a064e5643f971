package scenario

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// One block moves once among three connected nodes: every counter is exact, and
// who was asked and has nothing keeps no want.
func TestCountersOfThreeNodesAreExact(t *testing.T) {
	block := corpus.Blocks(1, 1, kib)
	each(t, mixed, func(w *sim.World, s sim.Sides) {
		holder, client, third := w.Node(s.Seed, lan), w.Node(s.Client, lan), w.Node(s.Seed, lan)
		w.ConnectAll(holder, client, third)
		w.Settle()
		call := w.Call(client, corpus.CIDs(block))
		w.Pass(time.Second)
		w.Wants(third, client, block...)
		w.Put(holder, block...)
		call.Await(block...)
		w.Pass(time.Second)
		w.Wants(third, client)
		w.Wants(holder, client)
		w.Traffic(holder, block, nil)
		w.Traffic(client, nil, block)
		w.Traffic(third, nil, nil)
	})
}

// The ledgers of two nodes mirror each other to the byte, when blocks went one
// way and when they went both.
func TestLedgersMirrorEachOther(t *testing.T) {
	theirs, ours := corpus.Blocks(1, 3, kib), corpus.Blocks(2, 5, 100)
	ways := map[string]bool{"one way": false, "both ways": true}
	for name, both := range ways {
		t.Run(name, func(t *testing.T) {
			each(t, mixed, func(w *sim.World, s sim.Sides) {
				a, b := w.Node(s.Seed, lan), w.Node(s.Client, lan)
				w.Put(a, theirs...)
				w.Put(b, ours...)
				w.Connect(b, a)
				w.Settle()
				w.Fetch(b, theirs)
				account(w, a, b, 3*kib, 0, 3)
				account(w, b, a, 0, 3*kib, 3)
				if both {
					w.Fetch(a, ours)
					account(w, a, b, 3*kib, 500, 8)
					account(w, b, a, 500, 3*kib, 8)
				}
			})
		})
	}
}

// account fails unless the ledger of a node says exactly this of another.
func account(w *sim.World, at, of *sim.Node, sent, received, blocks uint64) {
	w.Pass(time.Second)
	w.Check(func(t require.TestingT) {
		require.Equal(t, exchanges.Account{
			BytesSent: sent, BytesReceived: received, Exchanged: blocks, Value: float64(sent) / float64(received+1),
		}, at.Exchange.Account(of.ID()))
	})
}
