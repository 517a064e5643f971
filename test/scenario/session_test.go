package scenario

import (
	"context"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// A session says who sent a block, and the ledger says the same.
func TestSessionSaysWhoSentABlock(t *testing.T) {
	block := corpus.Blocks(1, 1, kib)
	each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
		holder, other, client := w.Node(s.Seed, lan), w.Node(s.Seed, lan), w.Node(s.Client, lan)
		w.Put(holder, block...)
		w.Connect(client, holder, other)
		w.Settle()
		w.Check(func(t require.TestingT) {
			ask := make(chan cid.Cid, 1)
			ask <- block[0].Cid()
			close(ask)
			x := client.Exchange.(*exchanges.Souk)
			result := <-x.NewSession(context.Background()).Results(context.Background(), ask)
			require.NoError(t, result.Err)
			require.Equal(t, holder.ID(), result.From)
			require.GreaterOrEqual(t, result.Took, lan.RoundTrip)
			require.EqualValues(t, kib, client.Exchange.Account(holder.ID()).BytesReceived)
			require.Zero(t, client.Exchange.Account(other.ID()).BytesReceived)
		})
	})
}

// A session fetches 101 blocks of one of ten connected peers: first one, and then
// ten at a time. The others hear nothing at all where the caller or the directory
// has named the peer, and else one want and its cancel.
func TestUninvolvedPeersAreLeftAlone(t *testing.T) {
	data := corpus.Blocks(1, 101, 512)
	ways := []struct {
		name  string
		names bool // the caller names the holder
		finds bool // the directory does
		most  uint64
	}{
		{name: "named by the caller", names: true},
		{name: "named by the directory", finds: true},
		{name: "not named", most: 2},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
				routing := &sim.Routing{}
				nodes, client := w.Nodes(10, s.Seed, lan), w.Node(s.Client, lan, exchanges.WithRouting(routing))
				holder, others := nodes[4], append(nodes[:4:4], nodes[5:]...)
				w.Put(holder, data...)
				w.Connect(client, nodes...)
				w.Settle()
				var from []*sim.Node
				if way.names {
					from = append(from, holder)
				}
				if way.finds {
					routing.Announce(data, holder)
				}
				fetchInBatches(w.Session(client, from...), data)
				w.Pass(time.Second)
				w.Traffic(holder, data, nil)
				w.Traffic(client, nil, data)
				w.Hears(way.most, others...)
			})
		})
	}
}

// fetchInBatches gets one block and then ten at a time.
func fetchInBatches(s *sim.Session, data []blocks.Block) {
	s.Fetch(data[:1])
	for rest := data[1:]; len(rest) > 0; rest = rest[10:] {
		s.Fetch(rest[:10])
	}
}

// Ten peers have ten blocks each. A session that asks for ten at a time has each
// batch from the peer that has it, and nothing twice.
func TestEachBatchComesFromItsHolder(t *testing.T) {
	data := corpus.Blocks(1, 100, 512)
	each(t, mixed, func(w *sim.World, s sim.Sides) {
		holders, client := w.Nodes(10, s.Seed, lan), w.Node(s.Client, lan)
		for i, h := range holders {
			w.Put(h, data[10*i:10*i+10]...)
		}
		w.Connect(client, holders...)
		w.Settle()
		session := w.Session(client)
		for i := range holders {
			session.Fetch(data[10*i : 10*i+10])
		}
		w.Pass(time.Second)
		for i, h := range holders {
			w.Traffic(h, data[10*i:10*i+10], nil)
		}
		w.Traffic(client, nil, data)
	})
}

// A session whose only peer delivered everything and left finds another for what
// it wants next. (Boxo's does not, and waits for ever.)
func TestSessionSearchesAgainWhenItsPeerLeft(t *testing.T) {
	data := corpus.Blocks(1, 40, 4*kib)
	ways := map[string]func(w *sim.World, r *sim.Routing, client, second *sim.Node){
		"among connected peers": func(w *sim.World, _ *sim.Routing, client, second *sim.Node) { w.Connect(client, second) },
		"in the directory":      func(_ *sim.World, r *sim.Routing, _, second *sim.Node) { r.Announce(data, second) },
	}
	for name, appear := range ways {
		t.Run(name, func(t *testing.T) {
			each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
				routing := &sim.Routing{Pace: 100 * time.Millisecond}
				first, second := w.Node(s.Seed, lan), w.Node(s.Seed, lan)
				client := w.Node(s.Client, lan, exchanges.WithRouting(routing))
				w.Put(first, data[:20]...)
				w.Put(second, data...)
				w.Connect(client, first)
				w.Settle()
				session := w.Session(client)
				session.Fetch(data[:20])
				w.Close(first)
				w.Pass(time.Minute)
				appear(w, routing, client, second)
				w.Settle()
				w.Begin()
				session.Fetch(data[20:])
				w.Within(2 * time.Second)
				w.Traffic(second, data[20:], nil)
			})
		})
	}
}

// A session may be idle for long before its first want.
func TestSessionThatIsIdleAtFirst(t *testing.T) {
	data := corpus.Blocks(1, 5, kib)
	each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
		seed, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
		w.Put(seed, data...)
		w.Connect(client, seed)
		session := w.Session(client)
		w.Pass(10 * time.Minute)
		w.Begin()
		session.Fetch(data)
		w.Within(4 * lan.RoundTrip)
	})
}

// A peer that is asked for ten blocks has five, loses the connection and then
// gets the others: they are had from it, without anybody's doing.
func TestFetchGoesOnAfterADisconnection(t *testing.T) {
	data := corpus.Blocks(1, 10, kib)
	ends := map[string]bool{"client": true, "seed": false}
	for who, ours := range ends {
		t.Run("by the "+who, func(t *testing.T) {
			each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
				routing := &sim.Routing{Pace: 50 * time.Millisecond}
				seed, client := w.Node(s.Seed, lan), w.Node(s.Client, lan, exchanges.WithRouting(routing))
				routing.Announce(data, seed)
				w.Put(seed, data[:5]...)
				w.Connect(client, seed)
				w.Settle()
				call := w.Call(client, corpus.CIDs(data))
				call.Await(data[:5]...)
				if ours {
					w.Disconnect(client, seed)
				} else {
					w.Disconnect(seed, client)
				}
				w.Pass(4 * lan.RoundTrip) // What is sent before the other side knows is lost, and sent again.
				w.Begin()
				w.Put(seed, data[5:]...)
				call.Await(data...)
				w.Within(5 * time.Second)
				w.Pass(time.Second)
				w.Traffic(seed, data, nil)
			})
		})
	}
}
