package scenario

import (
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// bad are peers that are of no use, each in its own way.
var bad = map[string]func(w *sim.World) *sim.Node{
	"says HAVE and never sends":            func(w *sim.World) *sim.Node { return w.Scripted(lan, sim.Promise) },
	"sends other bytes":                    func(w *sim.World) *sim.Node { return w.Scripted(lan, sim.Corrupt) },
	"never answers":                        func(w *sim.World) *sim.Node { return w.Handled(lan, sim.Deaf) },
	"reads nothing":                        func(w *sim.World) *sim.Node { return w.Handled(lan, w.Stuck()) },
	"resets every stream":                  func(w *sim.World) *sim.Node { return w.Handled(lan, sim.Resetting) },
	"resets a stream when it has read it":  func(w *sim.World) *sim.Node { return w.Handled(lan, sim.Forgetful) },
	"does not speak Bitswap":               func(w *sim.World) *sim.Node { return w.Host(lan) },
	"has nothing":                          func(w *sim.World) *sim.Node { return w.Scripted(lan, sim.Serve(nil)) },
	"is cut off behind an open connection": func(w *sim.World) *sim.Node { return w.Node(souk, lan) },
}

// One of two peers is of no use and the other is honest: everything comes, from
// the other, in bounded time, whether the caller names them or leaves the search
// to the session.
func TestHonestPeerBesideABadOne(t *testing.T) {
	data := corpus.Blocks(1, 60, 4*kib)
	for name, add := range bad {
		for _, named := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", named", false: ", not named"}[named], func(t *testing.T) {
				each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
					other, honest, client := add(w), w.Node(s.Seed, lan), w.Node(s.Client, lan)
					w.Put(honest, data...)
					w.Connect(client, other, honest)
					w.Settle()
					if other.Exchange != nil {
						w.Cut(other)
					}
					w.Begin()
					var from []*sim.Node
					if named {
						from = append(from, other, honest)
					}
					w.Fetch(client, data, from...)
					w.Within(15 * time.Second)
					f := w.Measure(0, data, []*sim.Node{honest}, client)
					w.Check(func(t require.TestingT) { require.InDelta(t, 1, f.Copies, 0.2) })
				})
			})
		}
	}
}

// Who says HAVE and never sends is not waited for when another comes, and is
// thought less of than a peer of which nothing is known.
func TestBrokenPromiseCostsScore(t *testing.T) {
	data := corpus.Blocks(1, 20, 4*kib)
	play(t, func(w *sim.World) {
		liar, honest, client := w.Scripted(lan, sim.Promise), w.Node(souk, lan), w.Node(souk, lan)
		w.Put(honest, data...)
		w.Connect(client, liar)
		w.Settle()
		call := w.Call(client, corpus.CIDs(data))
		w.Pass(10 * time.Second) // Time to be late four times in a row.
		w.Begin()
		w.Connect(client, honest)
		call.Await(data...)
		w.Within(6 * time.Second) // the pause that a silent peer may cost has grown to its most
		w.Check(func(t require.TestingT) {
			x := client.Exchange.(*exchanges.Souk)
			lied, _ := x.Ledger(liar.ID())
			require.Contains(t, lied.Faults, "broken")
			require.Less(t, lied.Score, ledger.Unknown)
			kept, _ := x.Ledger(honest.ID())
			require.Empty(t, kept.Faults)
			require.Greater(t, kept.Score, ledger.Unknown)
		})
	})
}

// Many connected hosts do not speak Bitswap; they do not slow the search.
func TestPeersOfOtherProtocolsDoNotCount(t *testing.T) {
	data := corpus.Blocks(1, 5, kib)
	each(t, bothToSouk, func(w *sim.World, s sim.Sides) {
		client, seed := w.Node(s.Client, lan), w.Node(s.Seed, lan)
		w.Put(seed, data...)
		for range 30 {
			w.Connect(client, w.Host(lan))
		}
		w.Connect(client, seed)
		w.Settle()
		w.Begin()
		w.Fetch(client, data)
		w.Within(4 * lan.RoundTrip)
	})
}

// A message with full set replaces what its sender asked before (Helia sends it
// on connecting).
func TestFullWantlistReplaces(t *testing.T) {
	data := corpus.Blocks(1, 2, kib)
	play(t, func(w *sim.World) {
		server, client := w.Node(souk, lan), w.Handled(lan, sim.Deaf)
		w.Connect(client, server)
		w.Settle()
		w.Tell(client, server, wantAll(data[0]))
		w.Pass(time.Second)
		w.Tell(client, server, wantAll(data[1]))
		w.Pass(time.Second)
		w.Wants(server, client, data[1])
		w.Put(server, data...)
		w.Pass(time.Second)
		w.Traffic(server, data[1:], nil)
	})
}

func wantAll(bs ...blocks.Block) message.BitSwapMessage {
	m := message.New(true)
	for _, b := range bs {
		m.AddEntry(b.Cid(), 1, pb.Message_Wantlist_Block, false)
	}
	return m
}

// A peer that asks for everything and reads slowly holds nobody else up.
func TestSlowReaderHoldsNobodyUp(t *testing.T) {
	data := corpus.Blocks(1, 100, 64*kib)
	each(t, soukToBoth, func(w *sim.World, s sim.Sides) {
		server, slow, client := w.Node(s.Seed, lan), w.Handled(lan, sim.Sluggish), w.Node(s.Client, lan)
		w.Put(server, data...)
		w.Connect(slow, server)
		w.Connect(client, server)
		w.Settle()
		w.Begin()
		w.Fetch(client, data, server)
		alone := w.Took()
		w.Tell(slow, server, wantAll(data...))
		w.Pass(10 * time.Second)
		w.Check(func(t require.TestingT) {
			require.NotEmpty(t, server.Exchange.WantsOf(slow.ID()), "the slow reader is still being served")
		})
		again := w.Node(s.Client, lan)
		w.Connect(again, server)
		w.Settle()
		w.Begin()
		w.Fetch(again, data, server)
		w.Within(alone + alone/4)
	})
}

func wantDelta(bs ...blocks.Block) message.BitSwapMessage {
	m := message.New(false)
	for _, b := range bs {
		m.AddEntry(b.Cid(), 1, pb.Message_Wantlist_Block, true)
	}
	return m
}
