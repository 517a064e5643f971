package stress

import (
	"context"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/test/sim"
)

// stuck is a store that hangs at an operation on some CIDs until it is let go,
// whatever becomes of the context.
func stuck(op string, cids ...cid.Cid) (data *hooked, let func()) {
	free := make(chan struct{})
	return newHooked(on(op, func() error { <-free; return nil }, cids...)), func() { close(free) }
}

// A fetch goes on beside a store that hangs, on more CIDs than there are workers:
// these are given up, one after the other, and everything comes from the peer.
func TestAStuckStoreOfTheFetcherDoesNotStopAFetch(t *testing.T) {
	for _, op := range []string{"has", "put"} {
		t.Run(op, func(t *testing.T) {
			tally.Add(t, tally.Scenarios, 1)
			play(t, func(t *testing.T, w *sim.World) {
				data, more := corpus.Blocks(1, 100, 16<<10), corpus.Blocks(2, 100, 16<<10)
				store, let := stuck(op, corpus.CIDs(data[40:45])...)
				defer let()
				seed := newNode(t, w, setup{})
				client := newNode(t, w, setup{data: store, opts: []souk.Option{souk.WithStoreBytes(64 << 10)}})
				w.Put(seed.Node, append(data, more...)...)
				w.Connect(client.Node, seed.Node)
				w.Begin()
				w.Fetch(client.Node, data, seed.Node)
				require.Less(t, w.Took(), 5*time.Minute)
				w.Pass(2 * time.Minute)
				w.Begin()
				w.Fetch(client.Node, more, seed.Node)
				require.Less(t, w.Took(), 10*time.Second, "what is stuck is not asked for again")
				client.souk.Logged() // That blocks could not be stored is an error, and right here.
				client.requireAlive(t)
			})
		})
	}
}

// A server whose store hangs on more CIDs than it has workers serves the others.
func TestAStuckStoreOfTheServerDoesNotStopTheOthers(t *testing.T) {
	for _, op := range []string{"size", "get"} {
		t.Run(op, func(t *testing.T) {
			tally.Add(t, tally.Scenarios, 1)
			play(t, func(t *testing.T, w *sim.World) {
				hung, data := corpus.Blocks(1, 40, 1<<10), corpus.Blocks(2, 200, 1<<10)
				store, let := stuck(op, corpus.CIDs(hung[:12])...)
				seed := newNode(t, w, setup{data: store})
				greedy, other := newNode(t, w, setup{}), newNode(t, w, setup{})
				w.Put(seed.Node, append(hung, data...)...)
				w.Connect(seed.Node, greedy.Node, other.Node)
				w.Settle()
				open, err := greedy.souk.Subscribe(t.Context(), corpus.CIDs(hung), seed.ID())
				require.NoError(t, err)
				w.Settle()
				w.Begin()
				w.Fetch(other.Node, data, seed.Node)
				require.Less(t, w.Took(), 5*time.Minute)
				let()
				require.Len(t, drain(open), len(hung), "they come when the store is back")
			})
		})
	}
}

func drain(in <-chan blocks.Block) (got []blocks.Block) {
	for b := range in {
		got = append(got, b)
	}
	return got
}

// stuckRouting never answers, and never closes its channel.
type stuckRouting struct{ brittleRouting }

func (stuckRouting) FindProvidersAsync(context.Context, cid.Cid, int) <-chan peer.AddrInfo {
	return make(chan peer.AddrInfo)
}

// Close comes back whatever hangs, and says what it has left behind.
func TestCloseDoesNotWaitForWhatHangs(t *testing.T) {
	data := corpus.Blocks(1, 20, 1<<10)
	tests := map[string]struct {
		op     string
		atSeed bool
		leaves bool
	}{
		"a look into the fetcher's store": {op: "has", leaves: true},
		"a write of the fetcher's store":  {op: "put", leaves: true},
		"a look into the server's store":  {op: "size", atSeed: true, leaves: true},
		"a read of the server's store":    {op: "get", atSeed: true, leaves: true},
		"content routing":                 {},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			tally.Add(t, tally.Shutdowns, 1)
			play(t, func(t *testing.T, w *sim.World) {
				store, let := stuck(c.op, corpus.CIDs(data)...)
				broken := setup{data: store, opts: []souk.Option{souk.WithRouting(stuckRouting{})}}
				seedSetup, clientSetup := setup{}, broken
				if c.atSeed {
					seedSetup, clientSetup = broken, setup{}
				}
				seed, client := newNode(t, w, seedSetup), newNode(t, w, clientSetup)
				w.Put(seed.Node, data...)
				w.Connect(client.Node, seed.Node)
				_, err := client.souk.Subscribe(t.Context(), corpus.CIDs(data[:10]), seed.ID())
				require.NoError(t, err)
				_, err = client.souk.GetBlocks(t.Context(), corpus.CIDs(data[10:])) // asks content routing
				require.NoError(t, err)
				w.Pass(time.Second)

				n := client
				if c.atSeed {
					n = seed
				}
				w.Begin()
				err = n.souk.Exchange.Close()
				require.LessOrEqual(t, w.Took(), 2*time.Second)
				if c.leaves {
					require.ErrorContains(t, err, "have not returned")
				} else {
					require.NoError(t, err)
				}
				let()
				n.Node.Exchange = nil
			})
		})
	}
}
