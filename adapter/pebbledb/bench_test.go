package pebbledb_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/pebbledb"
)

// BenchmarkFetched writes what a fetch writes: batches of 8 MiB in blocks of
// 256 KiB or 1 KiB, without a sync.
func BenchmarkFetched(b *testing.B) {
	for _, size := range []int{256 << 10, 1 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			const batchBytes = 8 << 20
			d, err := pebbledb.Open(b.TempDir())
			require.NoError(b, err)
			data := make([]byte, batchBytes)
			rand.NewChaCha8([32]byte{}).Read(data)
			b.SetBytes(batchBytes)
			before := cpu(b)
			n := uint64(0)
			for b.Loop() {
				w, err := d.Batch(b.Context())
				require.NoError(b, err)
				for at := 0; at < batchBytes; at += size {
					n++
					require.NoError(b, w.Put(b.Context(), key(n), data[at:at+size]))
				}
				require.NoError(b, w.Commit(b.Context()))
			}
			require.NoError(b, d.Close())
			b.ReportMetric((cpu(b)-before).Seconds()/(float64(b.N)*batchBytes)*1e9, "cpu-s/GB")
		})
	}
}

func BenchmarkSize(b *testing.B) {
	for _, size := range []int{256 << 10, 1 << 10, 100} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			d, err := pebbledb.Open(b.TempDir())
			require.NoError(b, err)
			defer d.Close()
			const n = 1000
			for i := range uint64(n) {
				require.NoError(b, d.Put(b.Context(), key(i), make([]byte, size)))
			}
			require.NoError(b, d.DB.Flush())
			keys := make([]datastore.Key, 2*n)
			for i := range keys {
				keys[i] = key(uint64(i))
			}
			for _, there := range []bool{true, false} {
				b.Run(fmt.Sprint(there), func(b *testing.B) {
					i := 0
					for b.Loop() {
						i = (i + 1) % n
						if there {
							_, err = d.GetSize(b.Context(), keys[i])
						} else {
							_, err = d.GetSize(b.Context(), keys[n+i])
						}
						if (err == nil) != there {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

func key(n uint64) datastore.Key {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], n)
	return datastore.NewKey(fmt.Sprintf("/blocks/%X%X", rand.NewChaCha8(seed).Uint64(), n))
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
