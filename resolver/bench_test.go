package resolver

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/heaptest"
	"github.com/souk-p2p/souk/test/eventually"
)

// counting is an application whose value of each key is the same bytes. It hashes each
// as one would that verifies.
type counting struct {
	value []byte
	sum   [sha256.Size]byte
	came  chan struct{} // one for each value
}

func newCounting(size, most int) *counting {
	value := make([]byte, size)
	return &counting{value, sha256.Sum256(value), make(chan struct{}, most)}
}

func (c *counting) Deliver(_ context.Context, _ Key, value []byte) bool {
	c.came <- struct{}{}
	return sha256.Sum256(value) == c.sum
}

func (c *counting) Failed(Key, error) {}

func (c *counting) Produce(context.Context, Key) ([]byte, error) { return c.value, nil }

// key is key n.
func key(n int) Key {
	return Key(binary.BigEndian.AppendUint64(make([]byte, 24), uint64(n)))
}

// processor is the time that this process has spent on its processors.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// A fetch over loopback, with who asks and who answers in one process.
func BenchmarkFetch(b *testing.B) {
	for _, of := range []struct {
		name string
		size int
	}{{"1KiB", 1 << 10}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}} {
		b.Run(of.name, func(b *testing.B) {
			app := newCounting(of.size, b.N)
			unlimited := Config{
				Consumer: app, Producer: app, Limits: Limits{Rate: -1}, Serving: ServingLimits{Rate: -1, PeerRate: -1},
			}
			_, server := resolves(b, exchange(b), unlimited)
			r, _ := resolves(b, exchange(b), unlimited, server)
			keys := make([]Key, b.N)
			for n := range keys {
				keys[n] = key(n)
			}
			_, err := r.Get(b.Context(), key(1<<40)) // The stream is open then.
			require.NoError(b, err)
			<-app.came
			b.SetBytes(int64(of.size))
			b.ReportAllocs()
			used := processor(b)
			b.ResetTimer()
			require.NoError(b, r.FetchAll(b.Context(), keys))
			for range keys {
				<-app.came
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "values/s")
			b.ReportMetric(float64(processor(b)-used)/float64(b.N), "cpu-ns/op")
		})
	}
}

// What a fetch that waits takes of memory, and a call that makes many wait of time.
func BenchmarkPending(b *testing.B) {
	const many = 100_000
	keys := make([]Key, many)
	for n := range keys {
		keys[n] = key(n)
	}
	app := newCounting(1, 1)
	r, _ := resolves(b, exchange(b), Config{Consumer: app})
	before, most := heaptest.Held(), 0
	for b.Loop() {
		require.NoError(b, r.FetchAll(b.Context(), keys))
		stat, err := r.Stat(b.Context())
		require.NoError(b, err)
		require.Equal(b, many, stat.Pending)
		most = max(most, heaptest.Held()-before)
		require.NoError(b, r.Clear(b.Context()))
		eventually.True(b, func() bool {
			stat, err := r.Stat(b.Context())
			return err == nil && stat.Pending == 0
		})
	}
	b.ReportMetric(float64(most)/many, "B/key")
}
