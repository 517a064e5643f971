package wire

import (
	"slices"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/engine"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// few are limits small enough to be met.
var few = engine.Limits{Tasks: 32, Subscriptions: 32, Waiting: 32}

// wants is a wantlist for blocks, of one priority.
func wants(bs []blocks.Block) message.BitSwapMessage {
	m := message.New(false)
	for _, b := range bs {
		m.AddEntry(b.Cid(), 1, pb.Message_Wantlist_Block, true)
	}
	return m
}

// A wantlist of absent blocks grows up to its limit and no further: the oldest
// that was answered makes room, so that the newest are there. boxo keeps the
// oldest in that place.
func TestAWantlistGrowsToItsLimitAndNotBeyond(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		server, partner := soukWith(t, w, souk.WithEngineLimits(few)), w.Recorder(lan, nil)
		w.Connect(partner.Node, server)
		w.Settle()
		absent := corpus.Blocks(1, 48, kib)
		partner.Tell(server, wants(absent[:32]))
		w.Pass(time.Second)
		require.ElementsMatch(t, corpus.CIDs(absent[:32]), server.Exchange.WantsOf(partner.ID()))
		partner.Tell(server, wants(absent[32:]))
		w.Pass(time.Second)
		left := server.Exchange.WantsOf(partner.ID())
		require.Len(t, left, 32)
		require.Subset(t, left, corpus.CIDs(absent[32:]))
		require.Len(t, kinds(partner.Heard(), sim.DontHave), 48, "each was answered")
	})
}

// Absent blocks do not stand in the way of those that are there, however many
// are wanted, and those that are there push out no absent ones.
func TestAFullWantlistServesWhatIsThere(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		server, partner := soukWith(t, w, souk.WithEngineLimits(few)), w.Recorder(lan, nil)
		present, absent := corpus.Blocks(1, 64, kib), corpus.Blocks(2, 32, kib)
		w.Put(server, present...)
		w.Connect(partner.Node, server)
		w.Settle()
		partner.Tell(server, wants(absent))
		w.Pass(time.Second)
		partner.Tell(server, wants(present))
		w.Pass(5 * time.Second)
		require.Len(t, kinds(partner.Heard(), sim.Block), len(present))
		require.ElementsMatch(t, corpus.CIDs(absent), server.Exchange.WantsOf(partner.ID()))
	})
}

// Where a peer has all its tasks taken its wants wait, and what is more than may
// wait is refused in words and not dropped. boxo drops it in silence.
func TestWantsBeyondTheLimitAreRefusedInWords(t *testing.T) {
	play(t, func(t *testing.T, w *sim.World) {
		server, g := gated(t, w, exchanges.MakeSouk, souk.WithEngineLimits(few))
		partner := w.Recorder(lan, nil)
		present := corpus.Blocks(1, 100, kib)
		w.Put(server, present...)
		w.Connect(partner.Node, server)
		w.Settle()
		g.hold(&g.sizes)
		partner.Tell(server, wants(present))
		w.Pass(time.Second)
		require.Len(t, server.Exchange.WantsOf(partner.ID()), few.Tasks+few.Waiting)
		require.Len(t, kinds(partner.Take(), sim.DontHave), len(present)-few.Tasks-few.Waiting)
		g.release(&g.sizes)
		w.Pass(5 * time.Second)
		require.Len(t, kinds(partner.Take(), sim.Block), few.Tasks+few.Waiting)
	})
}

// More wants than a wantlist of boxo holds are all answered.
func TestLongWantlistsAreAnswered(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := w.Node(m, lan), w.Recorder(lan, nil)
		absent := corpus.Blocks(1, 4000, 8)
		w.Connect(partner.Node, server)
		w.Settle()
		partner.Tell(server, wants(absent))
		w.Pass(time.Minute)
		answers := len(absent)
		if m == exchanges.MakeBoxo {
			answers = 1024 // It takes no more, and says nothing about the rest.
		}
		require.Len(t, kinds(partner.Heard(), sim.DontHave), answers)
	})
}

func kinds(es []sim.Element, kind sim.Kind) []cid.Cid {
	var cs []cid.Cid
	for _, e := range es {
		if e.Kind == kind {
			cs = append(cs, e.CID)
		}
	}
	return cs
}

// oversized is a CID over the limit, and identity one that carries its data.
func oversized(n byte) cid.Cid { return withDigest(multihash.BLAKE3, 192, n) }

func identity(n byte) cid.Cid { return withDigest(multihash.IDENTITY, 32, n) }

func withDigest(code uint64, size int, n byte) cid.Cid {
	hash, err := multihash.Encode(slices.Repeat([]byte{n}, size), code)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.Raw, hash)
}

// CIDs that never travel are passed over: what stands beside them counts, and
// the peer is not blamed.
func TestCIDsThatNeverTravelAreIgnored(t *testing.T) {
	makers := map[string]func(n byte) cid.Cid{"oversized": oversized, "identity": identity}
	for name, bad := range makers {
		t.Run(name, func(t *testing.T) {
			for _, m := range both {
				t.Run(string(m), func(t *testing.T) {
					playAll(t, 4, func(t *testing.T, w *sim.World) { ignore(t, w, m, bad) })
				})
			}
		})
	}
}

// ignore says the bad CIDs beside others, and alone, on one connection.
func ignore(t *testing.T, w *sim.World, m exchanges.Make, bad func(n byte) cid.Cid) {
	server, partner := opposite(w, m, letters("z")...)
	voice := partner.Open(server)
	say := func(a ask, wants string, add ...func(message.BitSwapMessage)) {
		t.Helper()
		list := a.message()
		for _, f := range add {
			f(list)
		}
		voice.Say(list)
		w.Pass(time.Second)
		require.ElementsMatch(t, cids(wants), server.Exchange.WantsOf(partner.ID()))
	}
	badBlock := func(m message.BitSwapMessage) { m.AddEntry(bad(1), 0, pb.Message_Wantlist_Block, true) }
	badHave := func(m message.BitSwapMessage) { m.AddEntry(bad(2), 0, pb.Message_Wantlist_Have, true) }
	badCancel := func(m message.BitSwapMessage) { m.Cancel(bad(3)) }

	say(ask{blocks: "1"}, "1", badBlock)
	say(ask{haves: "2", cancels: "1"}, "2", badHave)
	say(ask{blocks: "3"}, "23", badCancel)
	say(ask{}, "23", badBlock, badHave)

	partner.Take()
	voice.Say(ask{blocks: "z"}.message())
	w.Pass(time.Second)
	require.Equal(t, answer{blocks: "z"}, answered(partner.Take()), "on the same stream of the same connection")
	require.Len(t, partner.Network().ConnsToPeer(server.ID()), 1)
}
