package interop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/client"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/ipfs/boxo/blockstore"
	metrics "github.com/ipfs/go-metrics-interface"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// notHere are metrics of boxo that mean nothing where wants are not broadcast.
var notHere = []string{"ipfs_bitswap_bcast_skips_total", "ipfs_bitswap_wanthaves_broadcast"}

func TestMetricsWithKubosNamesAreWhatBoxoTells(t *testing.T) {
	boxo, ours := boxosMetrics(), prometheus.NewPedanticRegistry()
	startMeasuredBoxo(t)
	h := newHost(t, tcpNoise)
	x, err := exchanges.New(exchanges.MakeSouk, h, exchanges.WithSouk(souk.WithRegisterer(ours), souk.WithKuboMetrics()))
	require.NoError(t, err)
	adopt(t, h, x, exchanges.MakeSouk)

	theirs := shapes(t, boxo)
	require.Greater(t, len(theirs), len(notHere))
	for _, name := range notHere {
		require.Contains(t, theirs, name)
		delete(theirs, name)
	}
	require.Equal(t, theirs, shapes(t, ours))
	require.Equal(t, complaints(t, boxo), complaints(t, ours), "what is wrong with a name is wrong with Kubo's")
}

// boxosMetrics is the registry of all exchanges of boxo that are made from now on: it
// can be chosen once.
var boxosMetrics = sync.OnceValue(func() *prometheus.Registry {
	r := prometheus.NewRegistry()
	_ = metrics.InjectImpl(func(name, help string) metrics.Creator { // Fails the second time.
		return &creator{registry: r, name: strings.ReplaceAll(name, ".", "_"), help: help}
	})
	return r
})

// startMeasuredBoxo starts boxo's exchange with the scope and the options of Kubo's.
func startMeasuredBoxo(t *testing.T) {
	t.Helper()
	ctx, end := context.WithCancel(metrics.CtxScope(context.Background(), "ipfs"))
	n := bsnet.NewFromIpfsHost(newHost(t, tcpNoise))
	b := bitswap.New(ctx, n, nil, blockstore.NewBlockstore(exchanges.Memory()), bitswap.WithClientOption(client.BroadcastControlEnable(true)))
	t.Cleanup(func() {
		require.NoError(t, b.Close())
		end()
	})
}

// creator makes metrics as go-metrics-prometheus does for Kubo. Bitswap makes none of
// the kinds that are missing.
type creator struct {
	metrics.Creator
	registry   *prometheus.Registry
	name, help string
}

func (c *creator) Counter() metrics.Counter {
	return registered(c.registry, prometheus.NewCounter(prometheus.CounterOpts{Name: c.name, Help: c.help}))
}

func (c *creator) Gauge() metrics.Gauge {
	return registered(c.registry, prometheus.NewGauge(prometheus.GaugeOpts{Name: c.name, Help: c.help}))
}

func (c *creator) Histogram(buckets []float64) metrics.Histogram {
	return registered(c.registry, prometheus.NewHistogram(prometheus.HistogramOpts{Name: c.name, Help: c.help, Buckets: buckets}))
}

// registered registers a metric, or returns the one that another exchange of boxo has
// registered.
func registered[C prometheus.Collector](r *prometheus.Registry, c C) C {
	var twice prometheus.AlreadyRegisteredError
	if errors.As(r.Register(c), &twice) {
		return twice.ExistingCollector.(C)
	}
	return c
}

// shape is what a dashboard depends on.
type shape struct {
	kind    dto.MetricType
	labels  int
	buckets string
}

// shapes are those of what Kubo has of Bitswap.
func shapes(t *testing.T, r prometheus.Gatherer) map[string]shape {
	t.Helper()
	families, err := r.Gather()
	require.NoError(t, err)
	all := make(map[string]shape)
	for _, f := range families {
		if !isKubos(f.GetName()) {
			continue
		}
		m := f.GetMetric()[0]
		var bounds []string
		for _, b := range m.GetHistogram().GetBucket() {
			bounds = append(bounds, fmt.Sprint(b.GetUpperBound()))
		}
		all[f.GetName()] = shape{f.GetType(), len(m.GetLabel()), strings.Join(bounds, " ")}
	}
	return all
}

func isKubos(name string) bool {
	return strings.HasPrefix(name, "ipfs_") || strings.HasPrefix(name, "exchange_")
}

// complaints are what promlint says of what Kubo has of Bitswap, but for help texts.
func complaints(t *testing.T, r prometheus.Gatherer) []promlint.Problem {
	t.Helper()
	found, err := testutil.GatherAndLint(r)
	require.NoError(t, err)
	found = slices.DeleteFunc(found, func(p promlint.Problem) bool {
		return !isKubos(p.Metric) || slices.Contains(notHere, p.Metric)
	})
	slices.SortFunc(found, func(a, b promlint.Problem) int {
		return cmp.Or(cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.Text, b.Text))
	})
	return found
}
