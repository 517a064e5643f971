package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// One of two named peers misbehaves and the other is honest: everything comes,
// from the other, in bounded time.
func TestHonestPeerBesideABadOne(t *testing.T) {
	bad := map[string]func(w *World) *Node{
		"says HAVE and never sends": func(w *World) *Node { return w.Scripted(lan, Promise) },
		"sends other bytes":         func(w *World) *Node { return w.Scripted(lan, Corrupt) },
		"never answers":             func(w *World) *Node { return w.Handled(lan, Deaf) },
		"reads nothing":             func(w *World) *Node { return w.Handled(lan, stuck(w)) },
		"resets every stream":       func(w *World) *Node { return w.Handled(lan, Resetting) },
		"does not speak Bitswap":    func(w *World) *Node { return w.Host(lan) },
		"has nothing":               func(w *World) *Node { return w.Scripted(lan, Serve(nil)) },
	}
	data := corpus.Blocks(1, 60, 4*kib)
	for name, add := range bad {
		t.Run(name, func(t *testing.T) {
			f := play(t, func(w *World) Figures {
				other, honest, client := add(w), w.Node(exchanges.MakeSouk, lan), w.Node(exchanges.MakeSouk, lan)
				w.Put(honest, data...)
				w.Connect(client, other, honest)
				w.Settle()
				w.Begin()
				w.Fetch(client, data, other, honest)
				return w.figures(lan.Ideal(corpus.Bytes(data)), data, []*Node{honest}, client)
			})
			require.Less(t, f.Took, 15*time.Second)
			require.InDelta(t, 1, f.Copies, 0.2)
		})
	}
}

// stuck keeps a stream open without reading from it.
func stuck(w *World) func(*Node, network.Stream) {
	return func(*Node, network.Stream) { <-w.ctx.Done() }
}

// Many connected hosts do not speak Bitswap; they do not slow the search.
func TestPeersOfOtherProtocolsDoNotCount(t *testing.T) {
	data := corpus.Blocks(1, 5, kib)
	f := play(t, func(w *World) Figures {
		client, seed := w.Node(exchanges.MakeSouk, lan), w.Node(exchanges.MakeBoxo, lan)
		w.Put(seed, data...)
		for range 30 {
			w.Connect(client, w.Host(lan))
		}
		w.Connect(client, seed)
		w.Settle()
		w.Begin()
		w.Fetch(client, data)
		return w.figures(lan.RoundTrip, data, []*Node{seed}, client)
	})
	require.LessOrEqual(t, f.Ratio(), 4.0)
}

// A peer that resets idle streams is alive: each later want reaches it as fast
// as the first.
func TestStreamsResetWhileIdle(t *testing.T) {
	data := corpus.Blocks(1, 10, kib)
	f := play(t, func(w *World) Figures {
		seed, client := w.Handled(lan, Impatient(data)), w.Node(exchanges.MakeSouk, lan)
		w.Connect(client, seed)
		w.Settle()
		s := w.Session(client, seed)
		var waiting time.Duration
		for i := range data {
			w.Begin()
			s.Fetch(data[i : i+1])
			waiting += w.Took()
			w.Pass(8 * time.Second)
		}
		return Figures{Took: waiting, Ideal: time.Duration(len(data)) * lan.RoundTrip}
	})
	require.LessOrEqual(t, f.Ratio(), 4.0)
}

// A resource manager on either side resets streams when a server opens one for
// each message, and their blocks are lost without a word. What does not come is
// asked for again, also where there is only one peer to ask.
func TestLostAnswersAreAskedForAgain(t *testing.T) {
	data := corpus.Blocks(1, 200, 4*kib)
	f := play(t, func(w *World) Figures {
		seed, client := w.Scripted(lan, Lossy(data)), w.Node(exchanges.MakeSouk, lan)
		w.Connect(client, seed)
		w.Settle()
		w.Begin()
		w.Fetch(client, data, seed)
		return w.figures(lan.Ideal(corpus.Bytes(data)), data, []*Node{seed}, client)
	})
	require.Less(t, f.Took, 5*time.Second)
}

// A session may be idle for long before its first want.
func TestSessionThatIsIdleAtFirst(t *testing.T) {
	for _, s := range []Sides{souk, boxoToSouk} {
		t.Run(s.String(), func(t *testing.T) {
			data := corpus.Blocks(1, 5, kib)
			f := play(t, func(w *World) Figures {
				seed, client := w.Node(s.Seed, lan), w.Node(s.Client, lan)
				w.Put(seed, data...)
				w.Connect(client, seed)
				session := w.Session(client)
				w.Pass(10 * time.Minute)
				w.Begin()
				session.Fetch(data)
				return w.figures(lan.RoundTrip, data, []*Node{seed}, client)
			})
			require.LessOrEqual(t, f.Ratio(), 4.0)
		})
	}
}

// A message with full set replaces what its sender asked before (Helia sends it
// on connecting).
func TestFullWantlistReplaces(t *testing.T) {
	data := corpus.Blocks(1, 2, kib)
	play(t, func(w *World) Figures {
		server, client := w.Node(exchanges.MakeSouk, lan), w.Handled(lan, Deaf)
		w.Connect(client, server)
		w.Settle()
		w.Tell(client, server, wantAll(data[0]))
		w.Pass(time.Second)
		w.Tell(client, server, wantAll(data[1]))
		w.Pass(time.Second)
		w.Expect(func() bool { return slices.Equal(server.Exchange.WantsOf(client.ID()), corpus.CIDs(data[1:])) }, "the second list alone")
		w.Put(server, data...)
		w.Pass(time.Second)
		w.Expect(func() bool { return server.Exchange.Counters().BlocksSent == 1 }, "one block sent")
		return Figures{}
	})
}

func wantAll(bs ...blocks.Block) message.BitSwapMessage {
	m := message.New(true)
	for _, b := range bs {
		m.AddEntry(b.Cid(), 1, pb.Message_Wantlist_Block, false)
	}
	return m
}
