package resolver_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/resolver"
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

func (c *counting) Deliver(_ context.Context, _ resolver.Key, value []byte) bool {
	c.came <- struct{}{}
	return sha256.Sum256(value) == c.sum
}

func (c *counting) Failed(resolver.Key, error) {}

func (c *counting) Produce(context.Context, resolver.Key) ([]byte, error) { return c.value, nil }

// resolves starts a resolver on loopback.
func resolves(b *testing.B, app *counting, peers ...peer.AddrInfo) (*resolver.Resolver, host.Host) {
	b.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay())
	require.NoError(b, err)
	x, err := souk.New(b.Context(), h, blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())))
	require.NoError(b, err)
	r, err := resolver.New(b.Context(), x, resolver.Config{
		KeySize: 32, Consumer: app, Producer: app, Peers: resolver.NewSet(peers...),
		Limits:  resolver.Limits{Rate: -1},
		Serving: resolver.ServingLimits{Rate: -1, PeerRate: -1},
	})
	require.NoError(b, err)
	b.Cleanup(func() {
		require.NoError(b, x.Close())
		require.NoError(b, h.Close())
	})
	return r, h
}

// key is key n.
func key(n int) resolver.Key {
	return resolver.Key(binary.BigEndian.AppendUint64(make([]byte, 24), uint64(n)))
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
			_, server := resolves(b, app)
			r, _ := resolves(b, app, peer.AddrInfo{ID: server.ID(), Addrs: server.Addrs()})
			keys := make([]resolver.Key, b.N)
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
	keys := make([]resolver.Key, many)
	for n := range keys {
		keys[n] = key(n)
	}
	app := newCounting(1, 1)
	r, _ := resolves(b, app)
	for b.Loop() {
		before := heap()
		require.NoError(b, r.FetchAll(b.Context(), keys))
		stat, err := r.Stat(b.Context())
		require.NoError(b, err)
		require.Equal(b, many, stat.Pending)
		b.ReportMetric(float64(heap()-before)/many, "B/key")
		require.NoError(b, r.Clear(b.Context()))
		require.Eventually(b, func() bool {
			stat, err := r.Stat(b.Context())
			return err == nil && stat.Pending == 0
		}, time.Minute, time.Millisecond)
	}
}

// heap is how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
