package message

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protowire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire returns the bytes that hexadecimal digits stand for; blanks are for the
// reader.
func wire(tb testing.TB, digits string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	require.NoError(tb, err)
	return b
}

// framed puts the length before a body.
func framed(body []byte) []byte {
	return append(protowire.AppendVarint(nil, uint64(len(body))), body...)
}

// field returns a field of bytes.
func field(num protowire.Number, pieces ...[]byte) []byte {
	b := protowire.AppendTag(nil, num, protowire.BytesType)
	return protowire.AppendBytes(b, bytes.Join(pieces, nil))
}

// number returns a field that is a varint.
func number(num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
}

// wantlist returns the field of a wantlist with the given fields.
func wantlist(fields ...[]byte) []byte { return field(1, fields...) }

// entry returns the field of an entry for c with further fields.
func entry(c []byte, more ...[]byte) []byte {
	return field(1, append([][]byte{field(1, c)}, more...)...)
}

// testCID returns a CIDv1 with the raw codec whose digest is made of bytes b.
func testCID(code uint64, size int, b byte) cid.Cid {
	digest, err := multihash.Encode(bytes.Repeat([]byte{b}, size), code)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.Raw, digest)
}

// shaCID returns the test CID number b of the commonest kind.
func shaCID(b byte) cid.Cid { return testCID(multihash.SHA2_256, 32, b) }

// parts is a Decoder, or one behind which something is done with each part.
type parts interface{ Next() (Part, error) }

// decodeFrames reads every frame of a stream and joins the parts of each.
func decodeFrames(d parts) ([]Message, FaultCounts, error) {
	var (
		frames []Message
		faults FaultCounts
		m      Message
	)
	for {
		p, err := d.Next()
		for f, n := range p.Faults.All() {
			faults[f] += uint32(n)
		}
		if err == io.EOF {
			return frames, faults, nil
		}
		if err != nil {
			return frames, faults, err
		}
		if !p.Last {
			m.Blocks = append(m.Blocks, p.Blocks...)
			continue
		}
		p.Blocks = m.Blocks
		frames, m = append(frames, p.Message), Message{}
	}
}

// decodeBody reads a body as the only frame of a stream of 1.2.0.
func decodeBody(tb testing.TB, body ...[]byte) (Message, FaultCounts) {
	tb.Helper()
	return decodeAs(tb, V120, body...)
}

func decodeAs(tb testing.TB, v Version, body ...[]byte) (Message, FaultCounts) {
	tb.Helper()
	r := bytes.NewReader(framed(bytes.Join(body, nil)))
	frames, faults, err := decodeFrames(NewDecoder(r, v, Limits{}, nil, nil))
	require.NoError(tb, err)
	require.Len(tb, frames, 1)
	return frames[0], faults
}

// only returns the counts of one fault that occurred n times.
func only(f Fault, n int) FaultCounts {
	var counts FaultCounts
	counts[f] = uint32(n)
	return counts
}

func TestMessageIsEmptyUnlessItSaysSomething(t *testing.T) {
	require.True(t, (&Message{}).Empty())
	for _, m := range []Message{
		{Wantlist: []Entry{{CID: shaCID(1)}}},
		{Full: true},
		{Presences: []Presence{{CID: shaCID(1)}}},
		{PendingBytes: -1},
	} {
		require.False(t, m.Empty())
	}
}

func TestFaultsHaveDistinctNames(t *testing.T) {
	names := map[string]Fault{}
	for f := Fault(1); int(f) < NumFaults; f++ {
		require.NotEmpty(t, f.String())
		require.NotContains(t, names, f.String())
		names[f.String()] = f
	}
	require.Equal(t, "unknown", Fault(0).String())
	require.Equal(t, "unknown", Fault(NumFaults).String())
}

func TestFaultCounts(t *testing.T) {
	var n FaultCounts
	require.Zero(t, n.Total())
	n[FaultCID] = 2
	n[FaultHash] = 1
	require.Equal(t, 3, n.Total())
	seen := map[Fault]int{}
	for f, count := range n.All() {
		seen[f] = count
	}
	require.Equal(t, map[Fault]int{FaultCID: 2, FaultHash: 1}, seen)
}
