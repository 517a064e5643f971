package blockstore_test

import (
	"context"
	"encoding/binary"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	pebbleds "github.com/ipfs/go-ds-pebble"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockstore"
)

func BenchmarkHasOnMap(b *testing.B) {
	s := blockstore.New(newMap())
	c := blocks.NewBlock([]byte("x")).Cid()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Has(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkView shows what hashing what is read costs.
func BenchmarkView(b *testing.B) {
	for name, opts := range map[string][]blockstore.Option{"hashed": nil, "trusted": {blockstore.WithTrustedReads()}} {
		b.Run(name, func(b *testing.B) {
			block := blocks.NewBlock(make([]byte, 256<<10))
			s := blockstore.New(lender{newMap()}, opts...)
			require.NoError(b, s.Put(b.Context(), block))
			b.SetBytes(int64(len(block.RawData())))
			for b.Loop() {
				if err := s.View(b.Context(), block.Cid(), readNothing); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPutOnPebble(b *testing.B) {
	put := map[string]func(context.Context, blockstore.Blockstore, blocks.Block) error{
		"synced": func(ctx context.Context, s blockstore.Blockstore, k blocks.Block) error { return s.Put(ctx, k) },
		"fetched": func(ctx context.Context, s blockstore.Blockstore, k blocks.Block) error {
			return s.PutFetched(ctx, []blocks.Block{k})
		},
	}
	for name, put := range put {
		b.Run(name, func(b *testing.B) {
			d, err := pebbleds.NewDatastore(b.TempDir())
			require.NoError(b, err)
			defer d.Close()
			s := blockstore.New(d)
			b.SetBytes(1024)
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				data := make([]byte, 1024)
				for i := uint64(0); pb.Next(); i++ {
					binary.BigEndian.PutUint64(data, i)
					if err := put(b.Context(), s, blocks.NewBlock(append([]byte(nil), data...))); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
