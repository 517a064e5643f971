package message

import (
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
)

// repeated is a stream that consists of one frame over and over.
type repeated struct {
	frame []byte
	pos   int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.pos == len(r.frame) {
		r.pos = 0
	}
	n := copy(p, r.frame[r.pos:])
	r.pos += n
	return n, nil
}

// testBlock returns a block of size bytes that differs from those of every
// other i.
func testBlock(tb testing.TB, size, i int) blocks.Block {
	tb.Helper()
	data := make([]byte, max(size, 8))
	binary.LittleEndian.PutUint64(data, uint64(i))
	p := cid.Prefix{Version: 1, Codec: cid.Raw, MhType: multihash.SHA2_256, MhLength: 32}
	b, err := blocks.NewBlockWithPrefix(data[:size], p)
	require.NoError(tb, err)
	return b
}

func BenchmarkDecodeBlocks(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 256 << 10, 2 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			m := Message{}
			for i := range max(1, 128<<10/size) {
				m.Blocks = append(m.Blocks, testBlock(b, size, i))
			}
			d := NewDecoder(&repeated{frame: m.AppendFrame(nil, V120)}, V120, Limits{}, nil, nil)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				p, err := d.Next()
				if err == nil && p.Last {
					_, err = d.Next()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeWantlist(b *testing.B) {
	for _, n := range []int{1, 512, 16384} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := Message{}
			for i := range n {
				m.Wantlist = append(m.Wantlist, Entry{CID: testBlock(b, 8, i).Cid(), Priority: int32(i), SendDontHave: true})
			}
			d := NewDecoder(&repeated{frame: m.AppendFrame(nil, V120)}, V120, Limits{}, nil, nil)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Next(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

func BenchmarkWriteFrame(b *testing.B) {
	for _, size := range []int{1 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			m := Message{}
			for i := range max(1, 128<<10/size) {
				m.Blocks = append(m.Blocks, testBlock(b, size, i))
			}
			b.ReportAllocs()
			b.SetBytes(int64(m.Size(V120)))
			for b.Loop() {
				if _, err := m.WriteFrame(io.Discard, V120); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
