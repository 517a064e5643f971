package wire

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// One message may carry wants and blocks: both count.
func TestAMessageWithWantsAndBlocks(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		node := w.Node(m, lan)
		w.Put(node, letters("a")...)
		peer := connected(w, node, 1, nil)[0]
		call := w.Call(node, cids("b"), peer.Node)
		w.Pass(500 * time.Millisecond)
		message := ask{blocks: "a"}.message()
		message.AddBlock(letter('b'))
		peer.Tell(node, message)
		w.Pass(time.Second)
		require.Equal(t, cids("b"), call.Got())
		require.Equal(t, answer{blocks: "a"}, answered(peer.Heard()))
	})
}

// A peer that resets a stream or a few is neither given up nor forgotten: the
// wants and presences that the streams carried are sent again, and no other
// connection is needed. Blocks are not: who lacks one asks for it again.
func TestAfterResetsEverythingIsSentAgain(t *testing.T) {
	for _, resets := range []int32{1, 3} {
		t.Run(fmt.Sprint(resets), func(t *testing.T) {
			play(t, func(t *testing.T, w *sim.World) {
				node := w.Node(exchanges.MakeSouk, lan)
				w.Put(node, letters("x")...)
				peer := connected(w, node, 1, sim.Serve(letters("a")))[0]
				var left atomic.Int32
				left.Store(resets)
				peer.Accepting(func(s network.Stream) {
					if left.Add(-1) >= 0 {
						_ = s.Reset()
					}
				})
				w.Begin()
				w.Fetch(node, letters("a"), peer.Node)
				require.Less(t, w.Took(), 5*time.Second)
				left.Store(resets)
				peer.Tell(node, ask{haves: "x1", dontHave: true}.message())
				w.Pass(5 * time.Second)
				require.Equal(t, answer{haves: "x", dontHaves: "1"}, answered(peer.Heard()))
				require.Len(t, node.Network().ConnsToPeer(peer.ID()), 1)
			})
		})
	}
}

// A peer that resets every stream holds up nobody and is not pestered; when it
// has come to its senses it is used again.
func TestAPeerThatResetsEverythingHoldsUpNobody(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		client := w.Node(m, lan)
		mad, sane := w.Recorder(lan, sim.Serve(letters("ab"))), w.Recorder(lan, sim.Serve(letters("a")))
		var raving atomic.Bool
		raving.Store(true)
		mad.Accepting(func(s network.Stream) {
			if raving.Load() {
				_ = s.Reset()
			}
		})
		w.Connect(client, mad.Node, sane.Node)
		w.Settle()
		w.Begin()
		w.Fetch(client, letters("a"), mad.Node, sane.Node)
		require.Less(t, w.Took(), 3*time.Second)
		call := w.Call(client, cids("b"), mad.Node)
		w.Pass(time.Minute)
		require.Less(t, mad.Streams(), 60)
		raving.Store(false)
		w.Pass(30 * time.Second)
		if m == exchanges.MakeSouk { // boxo gives such a peer up until it connects anew.
			require.Equal(t, cids("b"), call.Got())
		}
	})
}

// A peer that does not read is written to for so long and no longer: the stream
// is reset, and others are served all the while.
func TestAPeerThatDoesNotReadMeetsADeadline(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		server, honest := w.Node(exchanges.MakeSouk, lan), w.Recorder(lan, nil)
		data := corpus.Blocks(1, 32, 256*kib)
		w.Put(server, data...)
		stuck := w.Recorder(lan, nil)
		release := make(chan struct{})
		stuck.Accepting(func(network.Stream) { <-release })
		w.Connect(server, stuck.Node, honest.Node)
		w.Settle()
		stuck.Tell(server, wants(data))
		w.Pass(time.Second)
		honest.Tell(server, wants(data))
		w.Pass(10 * time.Second)
		require.Len(t, kinds(honest.Heard(), sim.Block), len(data))
		w.Pass(2 * time.Minute)
		close(release)
		w.Pass(time.Second)
		require.Contains(t, fmt.Sprint(stuck.Ended()), "reset")
	})
}

// A peer that gives up the protocol is left alone, and asked again when it
// speaks it once more. What it was asked is asked of others meanwhile.
func TestAPeerThatGivesUpTheProtocolIsLeftAlone(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		client := w.Node(exchanges.MakeSouk, lan)
		peers := connected(w, client, 2, nil)
		call := w.Call(client, cids("ab"), peers[0].Node, peers[1].Node)
		w.Pass(200 * time.Millisecond)
		peers[0].Deafen()
		w.Pass(200 * time.Millisecond)
		for _, c := range cids("ab") {
			require.Equal(t, sim.WantBlock, peers[1].Wants()[c])
		}
		peers[0].Take()
		w.Pass(10 * time.Second)
		require.Empty(t, peers[0].Take())
		peers[0].Listen()
		w.Pass(10 * time.Second)
		require.Equal(t, "ab", distinct(spell(peers[0].Take(), sim.WantBlock, sim.WantHave)))
		peers[0].Tell(client, answer{blocks: "ab"}.message())
		w.Pass(time.Second)
		require.ElementsMatch(t, cids("ab"), call.Got())
	})
}

// Presences are said to those who can read them. A peer of an older version knows
// no kinds of wants either, and gets the block for each, in the form of its
// version.
func TestPresencesAreForThoseWhoCanReadThem(t *testing.T) {
	for _, row := range []struct {
		version protocol.ID
		answer  answer
	}{
		{"/ipfs/bitswap/1.2.0", answer{blocks: "a", haves: "b", dontHaves: "12"}},
		{"/ipfs/bitswap/1.1.0", answer{blocks: "ab"}},
		{"/ipfs/bitswap/1.0.0", answer{blocks: "ab"}},
		{"/ipfs/bitswap", answer{blocks: "ab"}},
	} {
		t.Run(string(row.version), func(t *testing.T) {
			play(t, func(t *testing.T, w *sim.World) {
				server, partner := w.Node(exchanges.MakeSouk, lan), w.Recorder(lan, nil, row.version)
				w.Put(server, letters("ab")...)
				w.Connect(partner.Node, server)
				w.Settle()
				partner.Tell(server, ask{blocks: "a1", haves: "b2", dontHave: true}.message())
				w.Pass(time.Second)
				heard := partner.Heard()
				for i, e := range heard {
					if e.Kind == sim.Block { // Old versions send it without its codec.
						heard[i].CID = letter(rune(e.Data[0])).Cid()
					}
				}
				require.Equal(t, row.answer, answered(heard))
				old := partner.Frames()[0].Message.GetBlocks()
				require.Equal(t, row.version == "/ipfs/bitswap/1.0.0" || row.version == "/ipfs/bitswap", len(old) > 0)
			})
		})
	}
}

// Messages are counted one by one on both sides.
func TestMessagesAreCounted(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		server, partner := opposite(w, exchanges.MakeSouk, letters(alphabet)...)
		for _, r := range alphabet {
			partner.Tell(server, ask{blocks: string(r)}.message())
			w.Pass(100 * time.Millisecond)
		}
		stat := server.Exchange.(*exchanges.Souk).Stat()
		require.EqualValues(t, len(alphabet), stat.MessagesReceived)
		require.EqualValues(t, len(partner.Frames()), stat.MessagesSent)
		require.EqualValues(t, len(alphabet), stat.BlocksSent)
		require.EqualValues(t, len(alphabet)*letterSize, stat.DataSent)
	})
}

// Closing waits for no peer: one that was taken off the network while wants and
// blocks were under way does not delay it by half a second.
func TestCloseDoesNotHangOnASilentPeer(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		node := w.Node(exchanges.MakeSouk, lan)
		data := corpus.Blocks(1, 16, 256*kib)
		w.Put(node, data...)
		peers := connected(w, node, 5, nil)
		for _, p := range peers {
			p.Tell(node, wants(data))
			w.Call(node, cids("ab"), p.Node)
		}
		w.Pass(100 * time.Millisecond)
		for _, p := range peers {
			w.Cut(p.Node)
		}
		w.Pass(5 * time.Second)
		w.Begin()
		w.Shut(node)
		require.Less(t, w.Took(), 500*time.Millisecond)
	})
}

// Fifty calls at fifty peers, each of which is slow to answer the opening of a
// stream, take as long as one.
func TestManyCallsDoNotWaitForEachOther(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		client := w.Node(m, lan)
		var calls []*sim.Call
		peers := make([]*sim.Recorder, 50)
		data := corpus.Blocks(1, len(peers), kib)
		for i := range peers {
			peers[i] = w.Recorder(sim.Link{RoundTrip: time.Second, Bandwidth: mbs}, sim.Serve(data[i:i+1]))
			w.Connect(client, peers[i].Node)
		}
		w.Settle()
		for i, p := range peers {
			calls = append(calls, w.Call(client, corpus.CIDs(data[i:i+1]), p.Node))
		}
		w.Pass(5 * time.Second)
		for i, c := range calls {
			require.Equal(t, []cid.Cid{data[i].Cid()}, c.Got())
		}
	})
}

// A hook of the embedder that panics costs the want that it was asked about.
func TestAPanicIsRecovered(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		server := soukWith(t, w, souk.WithLogger(zap.NewNop()), souk.WithAccess(func(_ peer.ID, c cid.Cid) bool {
			if c == letter('b').Cid() {
				panic("a bug of the embedder")
			}
			return true
		}))
		partner := w.Recorder(lan, nil)
		w.Put(server, letters("abc")...)
		w.Connect(partner.Node, server)
		w.Settle()
		partner.Tell(server, ask{blocks: "abc", dontHave: true}.message())
		w.Pass(time.Second)
		partner.Tell(server, ask{haves: "a"}.message())
		w.Pass(time.Second)
		require.Equal(t, answer{blocks: "ac", haves: "a"}, answered(partner.Heard()))
	})
}

// Connections that are older than the exchange count, in both directions.
func TestConnectionsBeforeTheStartCount(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		node, peer := w.Host(lan), w.Recorder(lan, sim.Serve(letters("a")))
		w.Connect(node, peer.Node)
		w.Settle()
		w.Open(node, m)
		w.Put(node, letters("b")...)
		w.Settle()
		w.Fetch(node, letters("a"))
		peer.Tell(node, ask{blocks: "b"}.message())
		w.Pass(time.Second)
		require.Equal(t, "b", spell(peer.Heard(), sim.Block))
	})
}
