package node

import (
	"encoding/binary"
	"flag"
	"fmt"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/pebbledb"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/download/document"
)

var files = flag.Int("files", 100_000, "how many files the document of a benchmark has")

// BenchmarkMissing asks what is missing of a document of files of one block, every second
// of which is here: the first time, and when what is here is known.
//
//	go test ./cmd/node/internal/node -run NONE -bench Missing -benchtime 1x -files 1000000
func BenchmarkMissing(b *testing.B) {
	d, err := pebbledb.Open(b.TempDir())
	require.NoError(b, err)
	defer d.Close()
	s := newStorage(blockstore.New(d, blockstore.WithTrustedReads()), d, nil)
	defer func() { require.NoError(b, s.Close()) }()
	one := document.Info{}
	var batch []blocks.Block
	one, err = s.docs.Create(b.Context(), document.Draft{Name: "files", Root: leafOf(b, 0).Cid()}, func(yield func(document.Entry, error) bool) {
		for n := range *files {
			block := leafOf(b, n)
			if n%2 == 0 {
				batch = append(batch, block)
			}
			if len(batch) == 1000 {
				require.NoError(b, s.Blocks.PutFetched(b.Context(), batch))
				batch = nil
			}
			e := document.Entry{Key: fmt.Appendf(nil, "%02d/%08d", n%100, n), CID: block.Cid(), Size: 8}
			if !yield(e, nil) {
				return
			}
		}
	})
	require.NoError(b, err)
	require.NoError(b, s.Blocks.PutMany(b.Context(), batch))
	for _, when := range []string{"first", "again"} {
		b.Run(when, func(b *testing.B) {
			for b.Loop() {
				missing := 0
				for _, err := range s.Missing(b.Context(), one.ID) {
					require.NoError(b, err)
					missing++
				}
				require.Equal(b, *files/2, missing)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N**files), "ns/file")
		})
	}
}

func leafOf(b *testing.B, n int) blocks.Block {
	data := binary.BigEndian.AppendUint64(nil, uint64(n))
	sum, err := multihash.Sum(data, multihash.SHA2_256, -1)
	require.NoError(b, err)
	block, err := blocks.NewBlockWithCid(data, cid.NewCidV1(cid.Raw, sum))
	require.NoError(b, err)
	return block
}
