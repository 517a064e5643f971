package souk

import (
	"context"
	"testing"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockstore"
)

// A count that fell to zero would look like a node that was started again.
func TestWhatAnActorDoesNotTellInTimeIsLeftOut(t *testing.T) {
	x := quiet(t, WithRegisterer(prometheus.NewRegistry()))
	late, end := context.WithCancel(t.Context())
	end()
	told := func(ctx context.Context) int {
		out := make(chan prometheus.Metric, 1000)
		metrics{x}.collectFaults(ctx, out)
		metrics{x}.collectPeers(ctx, out)
		return len(out)
	}
	require.Zero(t, told(late))
	require.NotZero(t, told(t.Context()))
}

// quiet starts an exchange that talks to nobody.
func quiet(t *testing.T, opts ...Option) *Exchange {
	t.Helper()
	h, err := libp2p.New(libp2p.NoListenAddrs)
	require.NoError(t, err)
	x, err := New(t.Context(), h, blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())), opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, x.Close())
		require.NoError(t, h.Close())
	})
	return x
}
