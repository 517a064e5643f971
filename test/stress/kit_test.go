package stress

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// link is fast enough not to matter.
var link = sim.Link{RoundTrip: 10 * time.Millisecond, Bandwidth: 1e9}

// node is a Souk node in a world, of which the test sees the metrics.
type node struct {
	*sim.Node
	souk    *exchanges.Souk
	metrics *prometheus.Registry
}

// setup is what a node is made of.
type setup struct {
	data datastore.Batching          // nil for an empty one in memory
	host func(h host.Host) host.Host // nil for the host as it is
	opts []souk.Option
}

// play runs a scenario in a world of its own, in virtual time.
func play(t *testing.T, scenario func(t *testing.T, w *sim.World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := sim.NewWorld(t)
		defer w.End()
		scenario(t, w)
	})
}

func newNode(t *testing.T, w *sim.World, s setup) *node {
	t.Helper()
	return openOn(t, w.Host(link), s)
}

// openOn starts an exchange on a host that is there.
func openOn(t *testing.T, at *sim.Node, s setup) *node {
	t.Helper()
	n := &node{Node: at, metrics: prometheus.NewRegistry()}
	if s.data == nil {
		s.data = inMemory()
	}
	h := n.Host
	if s.host != nil {
		h = s.host(h)
	}
	var err error
	n.souk, err = exchanges.NewSoukOver(h, blockstore.New(s.data), append([]souk.Option{souk.WithRegisterer(n.metrics)}, s.opts...)...)
	require.NoError(t, err)
	n.Node.Exchange = n.souk
	return n
}

func inMemory() datastore.Batching { return dssync.MutexWrap(datastore.NewMapDatastore()) }

func (n *node) info() peer.AddrInfo { return peer.AddrInfo{ID: n.ID(), Addrs: n.Addrs()} }

// panics returns how many panics a node has counted at each place.
func (n *node) panics(t *testing.T) map[string]int {
	t.Helper()
	families, err := n.metrics.Gather()
	require.NoError(t, err)
	counts := make(map[string]int)
	for _, f := range families {
		if f.GetName() != "souk_panics_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if n := int(m.GetCounter().GetValue()); n > 0 {
				counts[m.GetLabel()[0].GetValue()] = n
			}
		}
	}
	return counts
}

// stacks returns the places whose panics were logged with the stack, and forgets
// what was logged.
func (n *node) stacks() []string {
	var places []string
	for _, e := range n.souk.Logged() {
		fields := e.ContextMap()
		if stack, _ := fields["stack"].(string); stack != "" {
			places = append(places, fields["actor"].(string))
		}
	}
	return places
}

// requireAlive fails when the exchange has ended.
func (n *node) requireAlive(t *testing.T) {
	t.Helper()
	select {
	case <-n.souk.Done():
		require.NoError(t, n.souk.Close())
		t.Fatal("the exchange has ended")
	default:
	}
}

// awaitEnd waits until the exchange has ended by itself.
func (n *node) awaitEnd(t *testing.T) {
	t.Helper()
	select {
	case <-n.souk.Done():
	case <-soon(t).Done():
		t.Fatal("the exchange has not ended")
	}
}

// soon is a context for what should take a moment.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
