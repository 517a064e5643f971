package souk_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/eventually"
)

func TestKubosMetricsAreThereOnlyWhenAskedFor(t *testing.T) {
	_, r := measured(t)
	for name := range gathered(t, r) {
		require.True(t, strings.HasPrefix(name, "souk_"), name)
	}
	_, r = measured(t, souk.WithKuboMetrics())
	require.Contains(t, gathered(t, r), "ipfs_bitswap_recv_all_blocks_bytes")
	start(t, souk.WithKuboMetrics()) // Nobody gathers them.
}

func TestKubosMetricsGoWithTheExchange(t *testing.T) {
	a, r := measured(t, souk.WithKuboMetrics())
	require.NoError(t, a.Close())
	require.Empty(t, gathered(t, r))
}

// Whoever runs boxo in the same process has its metrics under these names already.
func TestMetricsThatAreTakenAreAnErrorThatLeavesNothing(t *testing.T) {
	r := prometheus.NewRegistry()
	r.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "ipfs_bitswap_blocks_received", Help: "boxo's"}))
	n := start(t)
	_, err := souk.New(t.Context(), n.host, n.store, souk.WithRegisterer(r), souk.WithKuboMetrics())
	require.ErrorContains(t, err, "metrics with Kubo's names: ")
	require.Len(t, gathered(t, r), 1)
}

func TestKubosMetricsFollowWhatPasses(t *testing.T) {
	a, ra := measured(t, souk.WithKuboMetrics())
	b, rb := measured(t, souk.WithKuboMetrics())
	a.connect(t, b)
	bs := random(20, 10_000)
	b.put(t, bs...)
	fetch(t, a, bs)
	sizes := func(all map[string]*dto.Metric, name string) (count uint64, sum float64) {
		h := all[name].GetHistogram()
		return h.GetSampleCount(), h.GetSampleSum()
	}
	at := gathered(t, ra)
	all, bytes := sizes(at, "ipfs_bitswap_recv_all_blocks_bytes")
	dup, twice := sizes(at, "ipfs_bitswap_recv_dup_blocks_bytes")
	require.EqualValues(t, 20, all-dup)
	require.EqualValues(t, 200_000, bytes-twice)
	require.EqualValues(t, all, at["ipfs_bitswap_blocks_received"].GetGauge().GetValue())
	messages, wire := sizes(at, "exchange_bitswap_response_bytes")
	require.Positive(t, messages)
	require.Greater(t, wire, bytes)
	lists, _ := sizes(at, "exchange_bitswap_wantlists_seconds")
	require.EqualValues(t, lists, at["exchange_bitswap_wantlists_total"].GetCounter().GetValue())
	require.GreaterOrEqual(t, at["exchange_bitswap_wantlists_items_total"].GetCounter().GetValue(), 20.0)
	require.Zero(t, at["ipfs_bitswap_wantlist_total"].GetGauge().GetValue())

	eventually.True(t, func() bool { // What the stream has accepted is counted a moment later.
		_, sent := sizes(gathered(t, rb), "ipfs_bitswap_sent_all_blocks_bytes")
		return sent >= bytes
	})
	from := gathered(t, rb)
	messages, _ = sizes(from, "ipfs_bitswap_send_times")
	answers, _ := sizes(from, "ipfs_bitswap_sent_all_blocks_bytes")
	require.Equal(t, answers, messages)
}

func TestKubosMetricsTellWhatIsWanted(t *testing.T) {
	a, r := measured(t, souk.WithKuboMetrics())
	b := start(t)
	a.connect(t, b)
	bs := random(30, 10)
	s := a.NewSession(t.Context(), session.WithPeers(b.host.ID()), session.WithWaiting())
	_, err := s.GetBlocks(t.Context(), cids(bs))
	require.NoError(t, err)
	wanted := func() float64 { return gathered(t, r)["ipfs_bitswap_wantlist_total"].GetGauge().GetValue() }
	eventually.True(t, func() bool { return wanted() == 30 })
	require.NoError(t, s.Close(t.Context()))
	require.Zero(t, wanted())
}
