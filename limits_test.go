package souk_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/access"
	"github.com/souk-p2p/souk/rate"
	"github.com/souk-p2p/souk/session"
)

func rulesOf(t *testing.T, lines ...string) *access.Rules {
	t.Helper()
	r, err := access.Parse("rules", strings.NewReader(strings.Join(lines, "\n")))
	require.NoError(t, err)
	return r
}

func TestAccessRulesDecideAndAreReplacedWhileTheNodeRuns(t *testing.T) {
	registry := prometheus.NewRegistry()
	core, logs := observer.New(zap.InfoLevel)
	server := start(t, souk.WithRegisterer(registry), souk.WithLogger(zap.New(core)))
	client := start(t)
	client.connect(t, server)
	bs := random(3, 1000)
	server.put(t, bs...)
	asks := func() getter { return client.NewSession(t.Context(), session.WithPeers(server.host.ID())) }
	fetch(t, asks(), bs[:1])

	require.NoError(t, server.SetAccessRules(soon(t), rulesOf(t, "allow cid "+bs[1].Cid().String(), "deny net 127.0.0.0/8 as neighbours")))
	fetch(t, asks(), bs[1:2])
	_, err := asks().GetBlock(soon(t), bs[2].Cid())
	var failed *souk.FetchError
	require.ErrorAs(t, err, &failed, "as if the block were not there")
	require.Equal(t, map[string]uint64{"neighbours": 1}, server.Refused())
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP souk_engine_refused_total Wants of peers that were refused, by reason: bound_size, bound_overflow, unusable_cid, access_hook, and access_ with what the rule is about or is called.
# TYPE souk_engine_refused_total counter
souk_engine_refused_total{reason="access_neighbours"} 1
souk_engine_refused_total{reason="bound_overflow"} 0
souk_engine_refused_total{reason="bound_size"} 0
souk_engine_refused_total{reason="unusable_cid"} 0
`), "souk_engine_refused_total"))
	require.Equal(t, 1, logs.FilterMessage("want refused").Len())

	require.NoError(t, server.SetAccessRules(soon(t), nil))
	fetch(t, asks(), bs[2:])
}

func TestLimitsThatAreWrongAreRefused(t *testing.T) {
	n := start(t)
	require.ErrorContains(t, n.SetRates(soon(t), rate.Limits{Total: -5}, rate.Limits{}), "upload rates: Total is -5")
	require.ErrorContains(t, n.SetRates(soon(t), rate.Limits{}, rate.Limits{Peer: -5}), "download rates: Peer is -5")
	for _, o := range []souk.Option{souk.WithUploadRates(rate.Limits{Total: -5}), souk.WithDownloadRates(rate.Limits{Total: -5})} {
		_, err := souk.New(t.Context(), n.host, n.store, o)
		require.ErrorContains(t, err, "Total is -5")
	}
	require.NoError(t, n.Close())
	require.ErrorIs(t, n.SetRates(soon(t), rate.Limits{}, rate.Limits{}), souk.ErrClosed)
}

// Rates change in the middle of a fetch: one that would take for ever ends soon.
func TestRatesChangeWhileAFetchIsUnderWay(t *testing.T) {
	for name, limited := range map[string]func(server, client *node, r rate.Limits) error{
		"upload":   func(s, _ *node, r rate.Limits) error { return s.SetRates(soon(t), r, rate.Limits{}) },
		"download": func(_, c *node, r rate.Limits) error { return c.SetRates(soon(t), rate.Limits{}, r) },
	} {
		t.Run(name, func(t *testing.T) {
			server, client := start(t), start(t)
			client.connect(t, server)
			bs := random(64, 64<<10)
			server.put(t, bs...)
			require.NoError(t, limited(server, client, rate.Limits{Peer: 64 * rate.KB}))
			s := client.NewSession(t.Context(), session.WithPeers(server.host.ID()))
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			out, err := s.GetBlocks(ctx, cids(bs))
			require.NoError(t, err)
			n := 0
			for range out {
				n++
			}
			require.Less(t, n, 16, "64 KB and what was asked for at first")
			require.True(t, errors.Is(ctx.Err(), context.DeadlineExceeded))
			require.NoError(t, limited(server, client, rate.Limits{}))
			fetch(t, s, bs)
		})
	}
}
