package resolver

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/test/eventually"
)

// With a place for its reply that is closed a question breaks the actor.
func TestAResolverThatBreaksEndsAlone(t *testing.T) {
	n := exchange(t)
	app := newCounting(10, 10)
	r, _ := resolves(t, n, Config{Consumer: app, Producer: app})
	waits := make(chan error, 1)
	go func() {
		_, err := r.Get(context.Background(), key(0))
		waits <- err
	}()
	eventually.True(t, func() bool {
		stat, err := r.Stat(t.Context())
		return err == nil && stat.Pending == 1
	})
	broken := make(chan Stat)
	close(broken)
	require.NoError(t, r.send(t.Context(), statQuery{broken}))
	require.ErrorIs(t, <-waits, ErrClosed)
	<-r.Done()
	require.NoError(t, r.Close())
	require.Empty(t, n.Services())
	require.NoError(t, n.Live(), "the exchange goes on")
	again, _ := resolves(t, n, Config{Consumer: app})
	require.NoError(t, again.Fetch(t.Context(), key(0)))
}

// metric is what a registry says of a metric of one protocol, added up.
func metric(t *testing.T, of *prometheus.Registry, name, protocol string) (sum float64) {
	t.Helper()
	families, err := of.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "protocol" && l.GetValue() == protocol {
					sum += m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
				}
			}
		}
	}
	return sum
}

func TestMetricsTellResolversApart(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := exchange(t, souk.WithRegisterer(registry))
	app := newCounting(10, 10)
	_, server := resolves(t, exchange(t), Config{Consumer: app, Producer: app})
	one, _ := resolves(t, n, Config{Consumer: app}, server)
	two, _ := resolves(t, n, Config{Consumer: app, Producer: app, Suffix: "two"})
	_, err := one.Get(t.Context(), key(1))
	require.NoError(t, err)
	require.NoError(t, two.FetchAll(t.Context(), []Key{key(1), key(2)}))
	const plain, suffixed = "/souk/resolver/1.0.0", "/souk/resolver/1.0.0/two"
	require.EqualValues(t, 1, metric(t, registry, "souk_resolver_fetch_seconds", plain))
	require.EqualValues(t, 1, metric(t, registry, "souk_resolver_peers", plain))
	require.EqualValues(t, 2, metric(t, registry, "souk_resolver_pending", suffixed))
	require.Zero(t, metric(t, registry, "souk_resolver_pending", plain))
	require.NoError(t, two.Close())
	require.Zero(t, metric(t, registry, "souk_resolver_pending", suffixed))
	require.NoError(t, one.Close())
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		require.False(t, strings.HasPrefix(f.GetName(), "souk_resolver"), f.GetName())
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	n := exchange(t)
	_, err := New(t.Context(), n.Exchange, Config{KeySize: 32})
	require.ErrorContains(t, err, "Config.Consumer")
	_, err = New(t.Context(), n.Exchange, Config{KeySize: 32, Consumer: nobody{}, Producer: newCounting(1, 1), Serving: ServingLimits{Streams: -1}})
	require.ErrorContains(t, err, "Streams")
	require.Empty(t, n.Services(), "nothing is left of what did not start")
	_, err = New(t.Context(), n.Exchange, Config{KeySize: 32, Consumer: nobody{}})
	require.NoError(t, err)
	require.NoError(t, n.Close())
	_, err = New(t.Context(), n.Exchange, Config{KeySize: 32, Consumer: nobody{}})
	require.ErrorIs(t, err, souk.ErrClosed)
}
