package wire

import (
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// frame is a message as bytes, with its length in front.
func frame(m *pb.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err) // a message that was made here
	}
	return append(protowire.AppendVarint(nil, uint64(len(b))), b...)
}

// entries is a wantlist as it stands on the wire, one entry after the other.
func entries(es ...*pb.Message_Wantlist_Entry) *pb.Message {
	return &pb.Message{Wantlist: &pb.Message_Wantlist{Entries: es}}
}

func entry(r rune, kind pb.Message_Wantlist_WantType) *pb.Message_Wantlist_Entry {
	return &pb.Message_Wantlist_Entry{Block: letter(r).Cid().Bytes(), WantType: kind, Priority: 1, SendDontHave: true}
}

func cancel(r rune) *pb.Message_Wantlist_Entry {
	return &pb.Message_Wantlist_Entry{Block: letter(r).Cid().Bytes(), Cancel: true}
}

// as names the bytes of a letter by another CID.
func as(r rune, p cid.Prefix) blocks.Block {
	data := letter(r).RawData()
	p.MhType, p.MhLength = letter(r).Cid().Prefix().MhType, -1
	c, err := p.Sum(data)
	if err != nil {
		panic(err) // sha2-256 is always there
	}
	b, _ := blocks.NewBlockWithCid(data, c) // never fails
	return b
}

// aliases are CIDs of one multihash.
func aliases(r rune) []blocks.Block {
	return []blocks.Block{
		letter(r),
		as(r, cid.Prefix{Version: 0, Codec: cid.DagProtobuf}),
		as(r, cid.Prefix{Version: 1, Codec: cid.DagProtobuf}),
		as(r, cid.Prefix{Version: 1, Codec: cid.DagCBOR}),
	}
}

// A block is sent under the CID that was asked, by whatever CID it was stored.
func TestTheReplyHasThePrefixThatWasAsked(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := opposite(w, m, letter('a'))
		partner.Tell(server, wants(aliases('a')))
		w.Pass(time.Second)
		require.ElementsMatch(t, corpus.CIDs(aliases('a')), kinds(partner.Heard(), sim.Block))
	})
}

// A block that comes later answers who waits for its bytes under any CID. boxo
// answers only the CID under which it came.
func TestABlockAnswersEveryCIDOfItsBytes(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := opposite(w, m)
		partner.Tell(server, wants(aliases('a')))
		w.Pass(time.Second)
		w.Put(server, letter('a'))
		w.Pass(time.Second)
		answered := corpus.CIDs(aliases('a'))
		if m == exchanges.MakeBoxo {
			answered = answered[:1]
		}
		require.ElementsMatch(t, answered, kinds(partner.Heard(), sim.Block))
	})
}

// A CID that stands in one message several times is one want: the block beats
// HAVE, a cancel beats both, in whatever order they stand.
func TestACIDTwiceInAMessageIsOneWant(t *testing.T) {
	const block, have = pb.Message_Wantlist_Block, pb.Message_Wantlist_Have
	rows := []struct {
		name    string
		entries []*pb.Message_Wantlist_Entry
		answer  answer
	}{
		{"have, block", []*pb.Message_Wantlist_Entry{entry('a', have), entry('a', block)}, answer{blocks: "a"}},
		{"block, have", []*pb.Message_Wantlist_Entry{entry('b', block), entry('b', have)}, answer{blocks: "b"}},
		{"block, block", []*pb.Message_Wantlist_Entry{entry('c', block), entry('c', block)}, answer{blocks: "c"}},
		{"have, have", []*pb.Message_Wantlist_Entry{entry('d', have), entry('d', have)}, answer{haves: "d"}},
		{"block, cancel", []*pb.Message_Wantlist_Entry{entry('e', block), cancel('e')}, answer{}},
		{"cancel, have", []*pb.Message_Wantlist_Entry{cancel('f'), entry('f', have)}, answer{}},
	}
	for _, m := range both {
		t.Run(string(m), func(t *testing.T) {
			playAll(t, len(rows), func(t *testing.T, w *sim.World) {
				server, partner := opposite(w, m, letters(alphabet)...)
				for _, row := range rows {
					partner.Open(server).Write(frame(entries(row.entries...))...)
					w.Pass(time.Second)
					require.Equal(t, row.answer, answered(partner.Take()), row.name)
				}
			})
		})
	}
}

// Elements that cannot be used are passed over and their neighbours count. boxo
// refuses the whole message and ends the stream.
func TestABadElementIsPassedOver(t *testing.T) {
	bad := map[string]*pb.Message_Wantlist_Entry{
		"an empty CID":            {},
		"half a CID":              {Block: letter('a').Cid().Bytes()[:10]},
		"a CID of version 2":      {Block: append([]byte{2}, letter('a').Cid().Bytes()[1:]...)},
		"an unknown hash":         {Block: cid.NewCidV1(cid.Raw, append([]byte{0xb1, 0x01, 32}, make([]byte, 32)...)).Bytes()},
		"bytes behind the digest": {Block: append(letter('a').Cid().Bytes(), 0)},
	}
	for name, e := range bad {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, w *sim.World) {
				server, partner := opposite(w, exchanges.MakeSouk, letters("ab")...)
				voice := partner.Open(server)
				voice.Write(frame(entries(entry('a', pb.Message_Wantlist_Block), e, entry('1', pb.Message_Wantlist_Have)))...)
				w.Pass(time.Second)
				require.Equal(t, answer{blocks: "a", dontHaves: "1"}, answered(partner.Take()))
				voice.Say(ask{blocks: "b"}.message())
				w.Pass(time.Second)
				require.Equal(t, answer{blocks: "b"}, answered(partner.Take()), "the stream is read further")
			})
		})
	}
}

// What says nothing is accepted: a frame of no bytes, a message with an unknown
// field, and one with pendingBytes alone.
func TestAMessageThatSaysNothingIsAccepted(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := opposite(w, m, letters("a")...)
		voice := partner.Open(server)
		unknown := protowire.AppendBytes(protowire.AppendTag(nil, 99, protowire.BytesType), []byte("later"))
		voice.Write(0)
		voice.Write(append(protowire.AppendVarint(nil, uint64(len(unknown))), unknown...)...)
		voice.Write(frame(&pb.Message{PendingBytes: -1})...)
		voice.Say(ask{blocks: "a"}.message())
		w.Pass(time.Second)
		require.Equal(t, answer{blocks: "a"}, answered(partner.Heard()))
	})
}

// Values of a version to come mean nothing: a want of an unknown type is not
// answered, and a presence of an unknown type answers nothing.
func TestUnknownValuesMeanNothing(t *testing.T) {
	t.Run("want type", func(t *testing.T) {
		play(t, func(t *testing.T, w *sim.World) {
			server, partner := opposite(w, exchanges.MakeSouk, letters("ab")...)
			partner.Open(server).Write(frame(entries(entry('a', 2), entry('1', 7), entry('b', pb.Message_Wantlist_Block)))...)
			w.Pass(time.Second)
			require.Equal(t, answer{blocks: "b"}, answered(partner.Heard()))
			require.Empty(t, server.Exchange.WantsOf(partner.ID()))
		})
	})
	t.Run("presence type", func(t *testing.T) {
		play(t, func(t *testing.T, w *sim.World) {
			client := w.Node(exchanges.MakeSouk, lan)
			peer := connected(w, client, 1, nil)[0]
			call := w.Call(client, cids("a"), peer.Node)
			w.Pass(100 * time.Millisecond)
			presence := &pb.Message_BlockPresence{Cid: letter('a').Cid().Bytes(), Type: 7}
			peer.Open(client).Write(frame(&pb.Message{BlockPresences: []*pb.Message_BlockPresence{presence}})...)
			w.Pass(time.Second)
			require.Zero(t, call.Ended())
			peer.Tell(client, answer{blocks: "a"}.message())
			w.Pass(time.Second)
			require.Equal(t, cids("a"), call.Got())
		})
	})
}

// A block and a presence for its CID in one message: the block counts, whatever
// the presence says.
func TestABlockBeatsAPresenceForItsCID(t *testing.T) {
	for _, kind := range []pb.Message_BlockPresenceType{pb.Message_Have, pb.Message_DontHave} {
		t.Run(kind.String(), func(t *testing.T) {
			each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
				client := w.Node(m, lan)
				peer := connected(w, client, 1, nil)[0]
				call := w.Call(client, cids("a"), peer.Node)
				w.Pass(100 * time.Millisecond)
				peer.Open(client).Write(frame(&pb.Message{
					Payload:        []*pb.Message_Block{{Prefix: letter('a').Cid().Prefix().Bytes(), Data: letter('a').RawData()}},
					BlockPresences: []*pb.Message_BlockPresence{{Cid: letter('a').Cid().Bytes(), Type: kind}},
				})...)
				w.Pass(time.Second)
				require.Equal(t, cids("a"), call.Got())
				require.NotZero(t, call.Ended())
			})
		})
	}
}

// The block without bytes is a block: it is served and fetched. boxo cannot
// serve it, because a size of zero means to it that there is none.
func TestTheEmptyBlockIsABlock(t *testing.T) {
	empty := sized('a', 0)
	t.Run("served", func(t *testing.T) {
		each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
			server, partner := opposite(w, m, empty)
			partner.Tell(server, wants([]blocks.Block{empty}))
			w.Pass(time.Second)
			kind := sim.Block
			if m == exchanges.MakeBoxo {
				kind = sim.DontHave
			}
			require.Equal(t, []cid.Cid{empty.Cid()}, kinds(partner.Heard(), kind))
			require.Len(t, partner.Heard(), 1)
		})
	})
	t.Run("fetched", func(t *testing.T) {
		each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
			client := w.Node(m, lan)
			peer := connected(w, client, 1, sim.Serve([]blocks.Block{empty}))[0]
			w.Fetch(client, []blocks.Block{empty}, peer.Node)
		})
	})
}

// A want-have for a small block is answered with the block itself, unless so
// many are wanted that the peer is only looking around.
func TestASmallBlockIsSentInPlaceOfAHave(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner := w.Node(m, lan), w.Recorder(lan, nil)
		small, large := sized('s', kib), sized('l', kib+1)
		w.Put(server, small, large)
		w.Connect(partner.Node, server)
		w.Settle()
		list := message.New(false)
		list.AddEntry(small.Cid(), 1, pb.Message_Wantlist_Have, true)
		list.AddEntry(large.Cid(), 1, pb.Message_Wantlist_Have, true)
		partner.Tell(server, list)
		w.Pass(time.Second)
		require.Equal(t, []cid.Cid{small.Cid()}, kinds(partner.Heard(), sim.Block))
		require.Equal(t, []cid.Cid{large.Cid()}, kinds(partner.Heard(), sim.Have))
	})
}

// A block that is wanted is taken from whoever sends it, asked or not. One that
// nobody wants is neither stored nor passed on.
func TestABlockIsTakenFromWhoeverSendsIt(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		client := w.Node(m, lan)
		peers := connected(w, client, 1, nil)
		call := w.Call(client, cids("a"), peers[0].Node)
		stranger, waiting := w.Recorder(lan, nil), w.Recorder(lan, nil)
		w.Connect(stranger.Node, client)
		w.Connect(waiting.Node, client)
		w.Settle()
		waiting.Tell(client, ask{blocks: "b"}.message())
		w.Pass(time.Second)
		stranger.Tell(client, answer{blocks: "ab"}.message())
		w.Pass(time.Second)
		require.Equal(t, cids("a"), call.Got())
		has, err := client.Exchange.Has(t.Context(), letter('b').Cid())
		require.NoError(t, err)
		require.False(t, has)
		require.Empty(t, kinds(waiting.Heard(), sim.Block))
		require.Contains(t, kinds(peers[0].Heard(), sim.Cancel), letter('a').Cid(), "who was asked is told")
	})
}

// A peer that never says DONT_HAVE costs a while and no more, whoever else has
// the block.
func TestAPeerThatNeverSaysDontHaveCostsAWhile(t *testing.T) {
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		client := w.Node(m, lan)
		mute, holder := w.Recorder(lan, nil), w.Recorder(lan, sim.Serve(letters("a")))
		w.Connect(client, mute.Node, holder.Node)
		w.Settle()
		w.Begin()
		w.Fetch(client, letters("a"), mute.Node, holder.Node)
		require.Less(t, w.Took(), 3*time.Second)
	})
}

// The largest block that has to work is served and fetched, in a frame within
// the limit of 4 MiB.
func TestTheLargestBlockFitsInAMessage(t *testing.T) {
	large := sized('x', 2<<20)
	each(t, both, func(t *testing.T, w *sim.World, m exchanges.Make) {
		server, partner, client := w.Node(m, lan), w.Recorder(lan, nil), w.Node(m, lan)
		w.Put(server, large)
		w.Connect(partner.Node, server)
		w.Settle()
		partner.Tell(server, wants([]blocks.Block{large}))
		w.Pass(5 * time.Second)
		frames := partner.Frames()
		require.Len(t, frames, 1)
		require.Less(t, len(frames[0].Bytes), 4<<20)
		require.Equal(t, []cid.Cid{large.Cid()}, kinds(partner.Heard(), sim.Block))
		sender := w.Recorder(lan, sim.Serve([]blocks.Block{large}))
		w.Connect(client, sender.Node)
		w.Settle()
		w.Fetch(client, []blocks.Block{large}, sender.Node)
	})
}
