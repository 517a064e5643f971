package message

import (
	"errors"
	"io"
	"math"
	"testing"
	"unsafe"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
)

// helloCID is the CIDv0 of "hello", in hexadecimal digits.
const helloCID = "1220 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

func TestWriteFrameVectors(t *testing.T) {
	hello := blocks.NewBlock([]byte("hello"))
	everything := Message{
		Wantlist: []Entry{
			{CID: hello.Cid(), Priority: 5, Type: WantHave, SendDontHave: true},
			{CID: hello.Cid(), Cancel: true},
		},
		Full:         true,
		Blocks:       []blocks.Block{hello},
		Presences:    []Presence{{CID: hello.Cid(), Have: true}, {CID: hello.Cid()}},
		PendingBytes: 300,
	}
	for name, tc := range map[string]struct {
		message Message
		version Version
		wire    string
	}{
		"nothing": {Message{}, V120, "02 0a00"},
		"lowest priority and a negative pendingBytes": {
			Message{Wantlist: []Entry{{CID: hello.Cid(), Priority: math.MinInt32}}, PendingBytes: -1}, V120,
			"3e 0a31 0a2f 0a22" + helloCID + "10 80808080f8ffffffff01 28 ffffffffffffffffff01",
		},
		"an empty block": {
			Message{Blocks: []blocks.Block{blocks.NewBlock(nil)}}, V120, "0a 0a00 1a06 0a04 00701220",
		},
		"1.2.0": {
			everything, V120,
			"b801" +
				"0a56 0a2a 0a22" + helloCID + "1005 2001 2801 0a26 0a22" + helloCID + "1801 1001" +
				"1a0d 0a04 00701220 1205 68656c6c6f" +
				"2224 0a22" + helloCID +
				"2226 0a22" + helloCID + "1001" +
				"28ac02",
		},
		"1.1.0": {
			everything, V110,
			"63 0a52 0a26 0a22" + helloCID + "1005 0a26 0a22" + helloCID + "1801 1001" +
				"1a0d 0a04 00701220 1205 68656c6c6f",
		},
		"1.0.0": {
			everything, V100,
			"5b 0a52 0a26 0a22" + helloCID + "1005 0a26 0a22" + helloCID + "1801 1001" +
				"1205 68656c6c6f",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.message.AppendFrame(nil, tc.version)
			require.Equal(t, wire(t, tc.wire), got)
			require.Len(t, framed(make([]byte, tc.message.Size(tc.version))), len(got))
		})
	}
}

func TestUnversionedIsWrittenAs100(t *testing.T) {
	m := Message{Wantlist: []Entry{{CID: shaCID(1), Type: WantHave}}, Blocks: []blocks.Block{testBlock(t, 9, 1)}}
	require.Equal(t, m.AppendFrame(nil, V100), m.AppendFrame(nil, Unversioned))
}

// writes records every call of Write.
type writes struct {
	calls [][]byte
	limit int // bytes after which writing fails; 0 is none
	total int
}

var errFull = errors.New("full")

func (w *writes) Write(p []byte) (int, error) {
	if w.limit > 0 && w.total+len(p) > w.limit {
		n := w.limit - w.total
		w.total = w.limit
		return n, errFull
	}
	w.calls = append(w.calls, p)
	w.total += len(p)
	return len(p), nil
}

func TestWriteFramePassesLargeBlocksUncopied(t *testing.T) {
	large := []blocks.Block{testBlock(t, copiedBlock+1, 1), testBlock(t, MaxBlock, 2)}
	m := Message{Blocks: large}
	var w writes
	n, err := m.WriteFrame(&w, V120)
	require.NoError(t, err)
	require.EqualValues(t, w.total, n)
	require.Len(t, w.calls, 4)
	for i, b := range large {
		require.Same(t, unsafe.SliceData(b.RawData()), unsafe.SliceData(w.calls[2*i+1]))
		require.Less(t, len(w.calls[2*i]), 64, "what lies between goes out in one small write")
	}
}

func TestWriteFrameGathersSmallPieces(t *testing.T) {
	var m Message
	for i := range 128 {
		m.Blocks = append(m.Blocks, testBlock(t, 1<<10, i))
		m.Wantlist = append(m.Wantlist, Entry{CID: m.Blocks[i].Cid()})
		m.Presences = append(m.Presences, Presence{CID: shaCID(byte(i))})
	}
	var w writes
	_, err := m.WriteFrame(&w, V120)
	require.NoError(t, err)
	require.LessOrEqual(t, len(w.calls), 1+w.total/(windowSize/2))
	require.Zero(t, testing.AllocsPerRun(20, func() { _, _ = m.WriteFrame(io.Discard, V120) }))
}

func TestWriteFrameStopsAtTheFirstError(t *testing.T) {
	m := Message{Blocks: []blocks.Block{testBlock(t, 1<<16, 1), testBlock(t, 1<<16, 2)}}
	w := writes{limit: 1 << 16}
	n, err := m.WriteFrame(&w, V120)
	require.ErrorIs(t, err, errFull)
	require.EqualValues(t, w.limit, n)
	require.Len(t, w.calls, 1, "nothing is written after the error")
}

// shortWriter breaks the contract of io.Writer.
type shortWriter struct{}

func (shortWriter) Write(p []byte) (int, error) { return len(p) - 1, nil }

func TestWriteFrameReportsShortWrites(t *testing.T) {
	_, err := (&Message{}).WriteFrame(shortWriter{}, V120)
	require.ErrorIs(t, err, io.ErrShortWrite)
}

func TestElementSizesAreUpperBounds(t *testing.T) {
	empty := (&Message{}).Size(V120)
	for _, c := range []cid.Cid{
		shaCID(1), cid.NewCidV0(shaCID(1).Hash()), testCID(multihash.BLAKE3, 128, 1), testCID(multihash.SHA2_256, 20, 1),
	} {
		e := Message{Wantlist: []Entry{{CID: c, Priority: -1, Type: WantHave, Cancel: true, SendDontHave: true}}}
		lengthGrows := 0 // the wantlist's length is part of Overhead
		if e.wantlistSize(V120) > 127 {
			lengthGrows = 1
		}
		require.Equal(t, e.Size(V120)-empty-lengthGrows, EntrySize(c))
		p := Message{Presences: []Presence{{CID: c}}}
		require.Equal(t, p.Size(V120)-empty, PresenceSize(c))
	}
	for _, size := range []int{0, 1, 127, 128, 1 << 14, MaxBlock} {
		b := testBlock(t, size, 1)
		m := Message{Blocks: []blocks.Block{b}}
		require.Equal(t, m.Size(V120)-empty, BlockSize(b))
	}
}

func TestOverheadAndElementSizesBoundAFrame(t *testing.T) {
	m := Message{Full: true, PendingBytes: -1}
	size := Overhead
	for i := 0; size < MaxFrame-200; i++ {
		c := testBlock(t, 8, i).Cid()
		m.Wantlist = append(m.Wantlist, Entry{CID: c, Priority: -1, Type: WantHave, Cancel: true, SendDontHave: true})
		size += EntrySize(c)
	}
	require.LessOrEqual(t, m.Size(V120), size)
	require.Greater(t, m.Size(V120), size-8)
}

func TestTwoMiBBlockFitsAFrame(t *testing.T) {
	b := testBlock(t, MaxBlock, 1)
	require.Less(t, 2*BlockSize(b)-MaxFrame, 64)
	require.Less(t, BlockSize(b)+Overhead, MaxFrame)
}
