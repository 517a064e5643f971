package message

import (
	"bytes"
	"testing"

	boxo "github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// contents is what a message says, for comparison across implementations: by
// CID, because boxo has no order.
type contents struct {
	wants     map[cid.Cid]Entry
	blocks    map[cid.Cid]string
	presences map[cid.Cid]bool
	full      bool
	pending   int32
}

func contentsOf(m *Message) contents {
	c := contents{map[cid.Cid]Entry{}, map[cid.Cid]string{}, map[cid.Cid]bool{}, m.Full, m.PendingBytes}
	for _, e := range m.Wantlist {
		c.wants[e.CID] = e
	}
	for _, b := range m.Blocks {
		c.blocks[b.Cid()] = string(b.RawData())
	}
	for _, p := range m.Presences {
		c.presences[p.CID] = p.Have
	}
	return c
}

func contentsOfBoxo(m boxo.BitSwapMessage) contents {
	c := contents{map[cid.Cid]Entry{}, map[cid.Cid]string{}, map[cid.Cid]bool{}, m.Full(), m.PendingBytes()}
	for _, e := range m.Wantlist() {
		c.wants[e.Cid] = Entry{e.Cid, e.Priority, WantType(e.WantType), e.Cancel, e.SendDontHave}
	}
	for _, b := range m.Blocks() {
		c.blocks[b.Cid()] = string(b.RawData())
	}
	for _, p := range m.BlockPresences() {
		c.presences[p.Cid] = p.Type == pb.Message_Have
	}
	return c
}

// anyBlock draws one of few blocks, so that one comes several times.
func anyBlock(t *rapid.T) blocks.Block {
	p := rapid.SampledFrom([]cid.Prefix{
		v0Prefix,
		{Version: 1, Codec: cid.Raw, MhType: multihash.SHA2_256, MhLength: 32},
		{Version: 1, Codec: cid.DagProtobuf, MhType: multihash.SHA2_256, MhLength: 32},
		{Version: 1, Codec: 0x300001, MhType: multihash.BLAKE3, MhLength: 32},
	}).Draw(t, "prefix")
	size := rapid.SampledFrom([]int{0, 1, 200, 20000}).Draw(t, "size")
	fill := rapid.ByteRange(0, 2).Draw(t, "fill")
	b, err := blocks.NewBlockWithPrefix(bytes.Repeat([]byte{fill}, size), p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func anyEntry(t *rapid.T) Entry {
	return Entry{
		CID:          anyBlock(t).Cid(),
		Priority:     rapid.Int32().Draw(t, "priority"),
		Type:         rapid.SampledFrom([]WantType{WantBlock, WantHave}).Draw(t, "type"),
		Cancel:       rapid.Bool().Draw(t, "cancel"),
		SendDontHave: rapid.Bool().Draw(t, "sendDontHave"),
	}
}

func anyPresence(t *rapid.T) Presence {
	return Presence{CID: anyBlock(t).Cid(), Have: rapid.Bool().Draw(t, "have")}
}

// anyMessage draws a message that a sender could have: merged by a builder.
func anyMessage(t *rapid.T) *Message {
	b := Builder{Full: rapid.Bool().Draw(t, "full"), PendingBytes: rapid.Int32().Draw(t, "pending")}
	for range rapid.IntRange(0, 6).Draw(t, "entries") {
		b.AddEntry(anyEntry(t))
	}
	for range rapid.IntRange(0, 4).Draw(t, "presences") {
		b.AddPresence(anyPresence(t))
	}
	for range rapid.IntRange(0, 4).Draw(t, "blocks") {
		b.AddBlock(anyBlock(t))
	}
	return b.Message()
}

// decodeOne reads a stream of one frame.
func decodeOne(t require.TestingT, frame []byte, v Version) *Message {
	frames, faults, err := decodeFrames(NewDecoder(bytes.NewReader(frame), v, Limits{}, nil, nil))
	require.NoError(t, err)
	require.Zero(t, faults.Total())
	require.Len(t, frames, 1)
	return &frames[0]
}

func TestBoxoReadsWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage(t)
		frame := m.AppendFrame(nil, V120)
		read, _, err := boxo.FromNet(bytes.NewReader(frame))
		require.NoError(t, err)
		require.Equal(t, contentsOf(m), contentsOfBoxo(read))
		require.Equal(t, m, decodeOne(t, frame, V120))

		// 1.0.0 loses all but the data of blocks.
		frame = m.AppendFrame(nil, V100)
		read, _, err = boxo.FromNet(bytes.NewReader(frame))
		require.NoError(t, err)
		require.Equal(t, contentsOfBoxo(read), contentsOf(decodeOne(t, frame, V100)))
	})
}

func TestWhatBoxoWritesIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage(t)
		written := boxo.New(m.Full)
		for _, e := range m.Wantlist {
			if e.Cancel {
				written.Cancel(e.CID)
			} else {
				written.AddEntry(e.CID, e.Priority, pb.Message_Wantlist_WantType(e.Type), e.SendDontHave)
			}
		}
		for _, b := range m.Blocks {
			written.AddBlock(b)
		}
		for _, p := range m.Presences {
			if p.Have {
				written.AddHave(p.CID)
			} else {
				written.AddDontHave(p.CID)
			}
		}
		written.SetPendingBytes(m.PendingBytes)

		var stream bytes.Buffer
		require.NoError(t, written.ToNetV1(&stream))
		require.Equal(t, contentsOfBoxo(written), contentsOf(decodeOne(t, stream.Bytes(), V120)))

		stream.Reset()
		require.NoError(t, written.ToNetV0(&stream))
		read, _, err := boxo.FromNet(bytes.NewReader(stream.Bytes()))
		require.NoError(t, err)
		require.Equal(t, contentsOfBoxo(read), contentsOf(decodeOne(t, stream.Bytes(), V120)))
	})
}

// Both merge what a sender did not, and protobuf's own encoder agrees about the
// encoding.
func TestUnmergedMessagesMergeAsInBoxo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wire := &pb.Message{Wantlist: &pb.Message_Wantlist{Full: rapid.Bool().Draw(t, "full")}}
		m := &Message{Full: wire.Wantlist.Full}
		for range rapid.IntRange(0, 10).Draw(t, "entries") {
			e := anyEntry(t)
			m.Wantlist = append(m.Wantlist, e)
			wire.Wantlist.Entries = append(wire.Wantlist.Entries, &pb.Message_Wantlist_Entry{
				Block: e.CID.Bytes(), Priority: e.Priority, Cancel: e.Cancel,
				WantType: pb.Message_Wantlist_WantType(e.Type), SendDontHave: e.SendDontHave,
			})
		}
		for range rapid.IntRange(0, 5).Draw(t, "blocks") {
			b := anyBlock(t)
			m.Blocks = append(m.Blocks, b)
			wire.Payload = append(wire.Payload, &pb.Message_Block{Prefix: b.Cid().Prefix().Bytes(), Data: b.RawData()})
		}
		for range rapid.IntRange(0, 10).Draw(t, "presences") {
			p := anyPresence(t)
			m.Presences = append(m.Presences, p)
			kind := pb.Message_DontHave
			if p.Have {
				kind = pb.Message_Have
			}
			wire.BlockPresences = append(wire.BlockPresences, &pb.Message_BlockPresence{Cid: p.CID.Bytes(), Type: kind})
		}

		body, err := proto.Marshal(wire)
		require.NoError(t, err)
		require.Len(t, body, m.Size(V120))
		require.Equal(t, framed(body), m.AppendFrame(nil, V120))
		read, _, err := boxo.FromNet(bytes.NewReader(framed(body)))
		require.NoError(t, err)
		require.Equal(t, contentsOfBoxo(read), contentsOf(decodeOne(t, framed(body), V120)))
	})
}

// Per merge rule, the builder gives what boxo's message gives.
func TestBuilderMergesAsBoxo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ours Builder
		theirs := boxo.New(false)
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			switch e, p := anyEntry(t), anyPresence(t); rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				ours.AddEntry(Entry{e.CID, e.Priority, e.Type, false, e.SendDontHave})
				theirs.AddEntry(e.CID, e.Priority, pb.Message_Wantlist_WantType(e.Type), e.SendDontHave)
			case 1:
				ours.Cancel(e.CID)
				theirs.Cancel(e.CID)
			case 2:
				kind := pb.Message_DontHave
				if p.Have {
					kind = pb.Message_Have
				}
				ours.AddPresence(p)
				theirs.AddBlockPresence(p.CID, kind)
			case 3:
				b := anyBlock(t)
				ours.AddBlock(b)
				theirs.AddBlock(b)
			}
		}
		require.Equal(t, contentsOfBoxo(theirs), contentsOf(ours.Message()))
	})
}
