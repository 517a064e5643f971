package resolver

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/resolver/server"
	"github.com/souk-p2p/souk/test/pages"
)

func TestTheManualHasTheMetrics(t *testing.T) {
	var rows []string
	for _, f := range families(t) {
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |", f.GetName(), strings.ToLower(f.GetType().String()), labels(f), f.GetHelp()))
	}
	require.Contains(t, pages.Read(t, "resolver.md"), "|---|---|---|---|\n"+strings.Join(rows, "\n")+"\n\n")
}

func TestTheMetricsHaveUsualNames(t *testing.T) {
	problems, err := promlint.NewWithMetricFamilies(families(t)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}

// families are what a resolver tells that serves and has done nothing.
func families(t *testing.T) []*dto.MetricFamily {
	registry := prometheus.NewPedanticRegistry()
	stat := func(context.Context) (Stat, error) { return Stat{Serving: new(server.Stat)}, nil }
	require.NoError(t, registry.Register(newMeter("/souk/resolver/1.0.0", stat)))
	all, err := registry.Gather()
	require.NoError(t, err)
	return all
}

// labels are those of a metric besides the protocol.
func labels(f *dto.MetricFamily) string {
	var names []string
	for _, l := range f.GetMetric()[0].GetLabel() {
		if l.GetName() != "protocol" {
			names = append(names, l.GetName())
		}
	}
	return strings.Join(names, ", ")
}

func TestTheManualHasTheDefaults(t *testing.T) {
	l := Limits{}.withDefaults()
	pages.RequireRows(t, pages.Read(t, "resolver.md"), map[string]any{
		"`Latency`": l.Latency, "`Timeout`": l.Timeout, "`Retry`": l.Retry, "`Outstanding`": l.Outstanding,
		"`Rate`, `Burst`": fmt.Sprintf("%v, %d", l.Rate, l.Burst), "`Hedge`": l.Hedge, "`Undelivered`": mebibytes(l.Undelivered),
		"`MaxValue`": mebibytes(l.MaxValue),
	})
	s := server.Limits{}.WithDefaults()
	pages.RequireRows(t, pages.Read(t, "resolver.md"), map[string]any{
		"`Producing`, `PeerProducing`": fmt.Sprintf("%d, %d", s.Producing, s.PeerProducing), "`ProduceTime`": s.ProduceTime,
		"`Waiting`, `PeerWaiting`": fmt.Sprintf("%d, %d", s.Waiting, s.PeerWaiting), "`WaitTime`": s.WaitTime,
		"`Rate`, `PeerRate`":       fmt.Sprintf("%v, %v", s.Rate, s.PeerRate),
		"`Unread`, `PeerUnread`":   mebibytes(s.Unread) + ", " + mebibytes(s.PeerUnread),
		"`Kept`, `KeepTime`":       mebibytes(s.Kept) + ", " + s.KeepTime.String(),
		"`Streams`, `PeerStreams`": fmt.Sprintf("%d, %d", s.Streams, s.PeerStreams),
	})
	require.Equal(t, 10*time.Minute, halfLife)
	require.EqualValues(t, [...]int{1, 4, 5, 10}, [...]int{penaltyUnasked, penaltyMalformed, penaltyShared, mostPenalty})
}

func mebibytes[T int | int64](n T) string { return fmt.Sprintf("%d MiB", n>>20) }
