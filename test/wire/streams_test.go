package wire

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// Answers come on a stream that the server opens. It writes nothing on the one
// that carried the wants, which stays open.
func TestAnswersComeOnAStreamOfTheServer(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := opposite(w, m, letters("abc")...)
		voice := partner.Open(server)
		voice.Say(ask{blocks: "a", haves: "b1", dontHave: true}.message())
		w.Pass(time.Second)
		require.Equal(t, answer{blocks: "a", haves: "b", dontHaves: "1"}, answered(partner.Take()))
		require.False(t, voice.Answered())
	})
}

// A stream is read until its end, however long its owner says nothing on it.
func TestAStreamIsReadUntilItsEnd(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := opposite(w, m, letters("abc")...)
		voice := partner.Open(server)
		for _, r := range "abc" {
			voice.Say(ask{blocks: string(r)}.message())
			w.Pass(10 * time.Minute)
			require.Equal(t, string(r), spell(partner.Take(), sim.Block))
		}
	})
}

// A message that arrives a byte at a time counts when it is whole, and one that
// is never finished counts for nothing.
func TestAMessageCountsWhenItIsWhole(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := opposite(w, m, letters("ab")...)
		slow, cut := partner.Open(server), partner.Open(server)
		bytes := frame(ask{blocks: "a"}.message().ToProtoV1())
		for _, b := range bytes {
			require.Empty(t, partner.Heard())
			slow.Write(b)
			w.Pass(50 * time.Millisecond)
		}
		bytes = frame(ask{blocks: "b"}.message().ToProtoV1())
		cut.Write(bytes[:len(bytes)-1]...)
		cut.Reset()
		w.Pass(time.Second)
		require.Equal(t, answer{blocks: "a"}, answered(partner.Heard()))
	})
}

// Our server keeps two streams to a peer, one for presences and one for blocks,
// and closes them when they have been idle for fifteen seconds. boxo opens one
// for each message.
func TestTheServerKeepsItsStreams(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		server, partner := opposite(w, exchanges.MakeSouk, letters(alphabet)...)
		for _, r := range alphabet {
			partner.Tell(server, ask{blocks: string(r), haves: "1", dontHave: true}.message())
			w.Pass(time.Second)
		}
		require.Equal(t, alphabet, spell(partner.Heard(), sim.Block))
		require.Equal(t, 2, partner.Streams())
		require.Empty(t, partner.Ended())
		w.Pass(20 * time.Second)
		require.Equal(t, []error{io.EOF, io.EOF}, partner.Ended(), "only who opened a stream closes it")
		partner.Take()
		partner.Tell(server, ask{blocks: "a"}.message())
		w.Pass(time.Second)
		require.Equal(t, answer{blocks: "a"}, answered(partner.Take()))
		require.Equal(t, 3, partner.Streams())
	})
}

// A peer that resets what the server opened, as Helia does after five idle
// seconds, gets its next answer on a fresh stream, at once.
func TestAResetStreamIsOpenedAgain(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := opposite(w, m)
		partner.Tell(server, ask{blocks: alphabet}.message())
		w.Pass(time.Second)
		for _, b := range letters(alphabet) {
			w.Put(server, b)
			w.Pass(2 * lan.RoundTrip)
			require.Equal(t, names[b.Cid()], spell(partner.Take(), sim.Block))
			partner.Cut()
			w.Pass(6 * time.Second)
		}
	})
}

// Presences that a reset may have swallowed are said again.
func TestPresencesOfALostStreamAreSaidAgain(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		server, partner := opposite(w, exchanges.MakeSouk, letters("a")...)
		partner.Tell(server, ask{haves: "a1", dontHave: true}.message())
		w.Pass(time.Second)
		require.Equal(t, answer{haves: "a", dontHaves: "1"}, answered(partner.Take()))
		partner.Cut()
		w.Pass(time.Second)
		require.Equal(t, answer{haves: "a", dontHaves: "1"}, answered(partner.Take()))
		w.Pass(10 * time.Second)
		partner.Cut()
		w.Pass(time.Second)
		require.Empty(t, partner.Take(), "what was said long before has arrived")
	})
}

// A peer that closes its side of every stream which it accepts, as Helia does, is
// told everything.
func TestAPeerThatHalfClosesIsToldEverything(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := w.Node(m, lan), w.Recorder(lan, nil)
		partner.Accepting(func(s network.Stream) { _ = s.CloseWrite() })
		w.Put(server, letters(alphabet)...)
		w.Connect(partner.Node, server)
		w.Settle()
		for _, r := range alphabet {
			partner.Tell(server, ask{blocks: string(r), haves: "1", dontHave: true}.message())
			w.Pass(300 * time.Millisecond)
		}
		w.Pass(5 * time.Second)
		require.Equal(t, alphabet, spell(partner.Heard(), sim.Block))
		require.Len(t, spell(partner.Heard(), sim.DontHave), len(alphabet))
	})
}

// Streams have no order between them: a cancel that overtakes its want is
// forgotten, and the want counts.
func TestACancelThatOvertakesItsWantLeavesNothing(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := opposite(w, m, letters("a")...)
		late, early := partner.Open(server), partner.Open(server)
		early.Say(ask{cancels: "a1"}.message())
		w.Pass(100 * time.Millisecond)
		late.Say(ask{blocks: "a1", dontHave: true}.message())
		w.Pass(time.Second)
		require.Equal(t, answer{blocks: "a", dontHaves: "1"}, answered(partner.Heard()))
		require.Equal(t, cids("1"), server.Exchange.WantsOf(partner.ID()))
	})
}

// A burst of short streams, each with one message, is taken whole: as a server
// it answers all, and as a client it takes all the blocks.
func TestABurstOfShortStreamsIsTakenWhole(t *testing.T) {
	data := corpus.Blocks(1, 100, kib)
	t.Run("wants", func(t *testing.T) {
		each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
			server, partner := opposite(w, m, data...)
			var burst []message.BitSwapMessage
			for i := range data {
				burst = append(burst, wants(data[i:i+1]))
			}
			partner.Burst(server, burst...)
			w.Pass(5 * time.Second)
			require.ElementsMatch(t, corpus.CIDs(data), kinds(partner.Heard(), sim.Block))
		})
	})
	t.Run("blocks", func(t *testing.T) {
		each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
			client := w.Node(m, lan)
			peer := connected(w, client, 1, nil)[0]
			call := w.Call(client, corpus.CIDs(data), peer.Node)
			w.Pass(500 * time.Millisecond)
			burst := make([]message.BitSwapMessage, len(data))
			for i, b := range data {
				burst[i] = message.New(false)
				burst[i].AddBlock(b)
			}
			peer.Burst(client, burst...)
			w.Pass(5 * time.Second)
			require.ElementsMatch(t, corpus.CIDs(data), call.Got())
			require.NotZero(t, call.Ended())
		})
	})
}

// The field of the wantlist is always there, also in a message without wants:
// boxo before 0.33 would dereference nil.
func TestTheWantlistIsAlwaysEncoded(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		node := w.Node(m, lan)
		w.Put(node, letters("ab")...)
		peer := connected(w, node, 1, sim.Serve(letters("c")))[0]
		peer.Tell(node, ask{blocks: "a", haves: "b1", dontHave: true}.message())
		w.Pass(time.Second)
		w.Fetch(node, letters("c"), peer.Node)
		w.Call(node, cids("2"), peer.Node).Cancel()
		w.Pass(time.Second)
		require.NotEmpty(t, peer.Frames())
		for _, f := range peer.Frames() {
			require.True(t, hasField(f.Bytes, 1), "%v", f.Message)
		}
	})
}

func hasField(b []byte, field protowire.Number) bool {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 || num == field {
			return n >= 0
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return false
		}
		b = b[n:]
	}
	return false
}

// Wants and answers of one node to one peer share no stream with what the peer
// says, and blocks never delay presences: a peer that takes no blocks still hears
// HAVE.
func TestBlocksDoNotHoldUpPresences(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		server, partner := w.Node(exchanges.MakeSouk, lan), w.Recorder(lan, nil)
		data := corpus.Blocks(1, 64, 256*kib)
		w.Put(server, data...)
		w.Put(server, letters("a")...)
		w.Connect(partner.Node, server)
		w.Settle()
		partner.Tell(server, wants(data))
		w.Pass(300 * time.Millisecond)
		partner.Tell(server, ask{haves: "a"}.message())
		w.Pass(300 * time.Millisecond)
		require.Equal(t, "a", spell(partner.Heard(), sim.Have))
		require.Less(t, len(kinds(partner.Heard(), sim.Block)), len(data))
		for _, e := range partner.Heard() {
			require.Equal(t, e.Kind == sim.Block, e.Stream == 1)
		}
	})
}

// What ends a stream from our side is said by a reset, so that nothing is lost
// unnoticed: a peer that breaks the framing learns it.
func TestAStreamWithBrokenFramesIsReset(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := opposite(w, m, letters("a")...)
		voice := partner.Open(server)
		voice.Write(0x81, 0x80, 0x80, 0x02) // over 4 MiB
		w.Pass(time.Second)
		require.True(t, errors.Is(voice.Failure(), network.ErrReset))
		partner.Tell(server, ask{blocks: "a"}.message())
		w.Pass(time.Second)
		require.Equal(t, answer{blocks: "a"}, answered(partner.Heard()))
	})
}
