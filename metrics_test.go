package souk_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/eventually"
)

// measured starts a node whose metrics are gathered.
func measured(t *testing.T, opts ...souk.Option) (*node, *prometheus.Registry) {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	return start(t, append(opts, souk.WithRegisterer(r))...), r
}

// gathered are the metrics by name and the values of their labels.
func gathered(t *testing.T, r *prometheus.Registry) map[string]*dto.Metric {
	t.Helper()
	families, err := r.Gather()
	require.NoError(t, err)
	all := make(map[string]*dto.Metric)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			all[name] = m
		}
	}
	return all
}

func TestMetricsComeAndGo(t *testing.T) {
	a, r := measured(t)
	n, err := testutil.GatherAndCount(r)
	require.NoError(t, err)
	require.NotZero(t, n)
	require.NoError(t, a.Close())
	n, err = testutil.GatherAndCount(r)
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestMetricsAreNamedAndExplainedAsPrometheusWants(t *testing.T) {
	_, r := measured(t, souk.WithTracker())
	problems, err := testutil.GatherAndLint(r)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestMetricsFollowWhatPasses(t *testing.T) {
	a, ra := measured(t)
	b, rb := measured(t)
	a.fetchFrom(t, b, random(20, 10_000))
	counted := func(all map[string]*dto.Metric, name string) float64 { return all[name].GetCounter().GetValue() }
	eventually.True(t, func() bool { // The sender counts what its stream has accepted, a moment later.
		return counted(gathered(t, rb), "souk_blocks_total sent") >= 20
	})
	at, from := gathered(t, ra), gathered(t, rb)
	// A slow machine may have asked twice.
	require.EqualValues(t, 20, counted(at, "souk_blocks_total received")-counted(at, "souk_duplicate_blocks_total"))
	require.EqualValues(t, 200_000, counted(at, "souk_block_bytes_total received")-counted(at, "souk_duplicate_block_bytes_total"))
	require.Greater(t, counted(at, "souk_network_bytes_total received"), 200_000.0)
	require.Zero(t, counted(at, "souk_blocks_total sent"))
	require.GreaterOrEqual(t, from["souk_wants_received_total"].GetCounter().GetValue(), 20.0)
	require.EqualValues(t, 1, at["souk_peers wantmanager"].GetGauge().GetValue())
	require.Positive(t, at["souk_actor_inbox_capacity blockrouter"].GetGauge().GetValue())
	require.Positive(t, at["souk_actor_busy_seconds_total wantmanager"].GetCounter().GetValue())
}

func TestMetricsTellHowLongBlocksTook(t *testing.T) {
	a, r := measured(t)
	b := start(t)
	a.connect(t, b)
	bs := random(20, 1000)
	b.put(t, bs...)
	began := time.Now()
	fetch(t, a, bs)
	fetch(t, a, bs) // They are here: nothing took time to come.
	took := time.Since(began).Seconds()
	all := gathered(t, r)
	each, first := all["souk_fetch_block_seconds"].GetHistogram(), all["souk_fetch_first_block_seconds"].GetHistogram()
	require.EqualValues(t, 20, each.GetSampleCount())
	require.EqualValues(t, 1, first.GetSampleCount())
	require.Positive(t, first.GetSampleSum())
	require.LessOrEqual(t, first.GetSampleSum(), took)
	require.LessOrEqual(t, each.GetSampleSum(), 20*took)
	require.NotEmpty(t, each.GetPositiveSpan(), "native buckets")
	require.NotEmpty(t, each.GetBucket(), "classic buckets")
}

func TestMetricsCountSessionsAndTheirWants(t *testing.T) {
	a, r := measured(t)
	b := start(t)
	a.connect(t, b)
	s := a.NewSession(t.Context(), session.WithPeers(b.host.ID()), session.WithWaiting())
	_, err := s.GetBlocks(t.Context(), cids(random(30, 10)))
	require.NoError(t, err)
	eventually.True(t, func() bool {
		return gathered(t, r)["souk_wants dont_have"].GetGauge().GetValue() == 30
	})
	all := gathered(t, r)
	require.EqualValues(t, 2, all["souk_sessions"].GetGauge().GetValue())
	require.EqualValues(t, 2, all["souk_sessions_opened_total"].GetCounter().GetValue())
	require.Positive(t, all["souk_want_window_bytes"].GetGauge().GetValue())
	require.NoError(t, s.Close(t.Context()))
	all = gathered(t, r)
	require.EqualValues(t, 1, all["souk_sessions"].GetGauge().GetValue())
	require.EqualValues(t, 2, all["souk_sessions_opened_total"].GetCounter().GetValue())
}

// What goes from nothing to one has no rate, so that no alert would see it.
func TestWhatDidNotHappenYetIsCountedAsZero(t *testing.T) {
	_, r := measured(t)
	all := gathered(t, r)
	for _, name := range []string{
		"souk_panics_total engine", "souk_panics_total store", "souk_faults_total protobuf",
		"souk_store_errors_total read", "souk_store_errors_total write", "souk_refused_total want",
	} {
		require.Contains(t, all, name)
		require.Zero(t, all[name].GetCounter().GetValue(), name)
	}
}

func TestNoMetricNamesAPeer(t *testing.T) {
	a, r := measured(t)
	b := start(t)
	a.fetchFrom(t, b, random(2, 10))
	for name := range gathered(t, r) {
		require.NotContains(t, name, b.host.ID().String())
		require.NotContains(t, strings.Fields(name), "peer_id")
	}
}
