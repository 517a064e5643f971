package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/cmd/node/internal/kademlia"
	"github.com/souk-p2p/souk/cmd/node/internal/resources"
	"github.com/souk-p2p/souk/resolver"
)

// allMetrics are those of a node that has everything: it is a tracker, and an
// embedder's resolver runs on it.
func allMetrics(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	bounds, err := resources.New(resources.Budget{})
	require.NoError(t, err)
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.ResourceManager(bounds))
	require.NoError(t, err)
	store := blockstore.NewGuarded(blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())))
	r := newMetrics()
	d, err := kademlia.Start(h, kademlia.Config{Roots: noRoots, Logger: zap.NewNop()})
	require.NoError(t, err)
	r.MustRegister(storeMetrics{store}, bounds, d)
	x, err := souk.New(t.Context(), h, store, souk.WithTracker(), souk.WithRegisterer(r), souk.WithKuboMetrics())
	require.NoError(t, err)
	_, err = resolver.New(t.Context(), x, resolver.Config{KeySize: 1, Consumer: nothing{}, Producer: nothing{}})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, x.Close())
		require.NoError(t, d.Close())
		require.NoError(t, h.Close())
	})
	return families(t, r)
}

// nothing is an application that neither has nor takes anything.
type nothing struct{}

func (nothing) Deliver(context.Context, resolver.Key, []byte) bool { return false }

func (nothing) Failed(resolver.Key, error) {}

func (nothing) Produce(context.Context, resolver.Key) ([]byte, error) { return nil, resolver.ErrNone }

func noRoots(context.Context) iter.Seq2[cid.Cid, error] { return func(func(cid.Cid, error) bool) {} }

func families(t *testing.T, r prometheus.Gatherer) map[string]*dto.MetricFamily {
	t.Helper()
	gathered, err := r.Gather()
	require.NoError(t, err)
	all := make(map[string]*dto.MetricFamily)
	for _, f := range gathered {
		all[f.GetName()] = f
	}
	return all
}

// labelsOf are the labels of a metric, in order.
func labelsOf(f *dto.MetricFamily) []string {
	names := make(map[string]struct{})
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			names[l.GetName()] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func TestARunningNodeAnswersAtMetrics(t *testing.T) {
	d := start(t, t.TempDir())
	resp, err := http.Get(strings.TrimSuffix(d.Debug, "/debug/") + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	page := readAll(t, resp.Body)
	for _, line := range []string{"souk_build_info{", "souk_sessions 1\n", "go_goroutines ", "process_start_time_seconds ", `souk_panics_total{actor="engine"} 0`} {
		require.Contains(t, page, line)
	}
}

func TestTheStoreTellsHowFullItIs(t *testing.T) {
	store := blockstore.NewGuarded(blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())))
	require.NoError(t, store.SetQuota(t.Context(), blockstore.Quota{Max: 1000}))
	require.NoError(t, store.PutMany(t.Context(), blocksOf("one", "three")))
	require.NoError(t, testutil.CollectAndCompare(storeMetrics{store}, strings.NewReader(`
# HELP souk_store_blocks Blocks in the store.
# TYPE souk_store_blocks gauge
souk_store_blocks 2
# HELP souk_store_bytes Bytes of the blocks in the store.
# TYPE souk_store_bytes gauge
souk_store_bytes 8
# HELP souk_store_quota_bytes Bytes that the blocks in the store may take; 0 for no limit.
# TYPE souk_store_quota_bytes gauge
souk_store_quota_bytes 1000
`)))
}

func TestKubosMetricsAreASwitch(t *testing.T) {
	for _, on := range []bool{false, true} {
		d := start(t, t.TempDir(), fmt.Sprintf("--kubo-metrics=%t", on))
		resp, err := http.Get(strings.TrimSuffix(d.Debug, "/debug/") + "/metrics")
		require.NoError(t, err)
		page := readAll(t, resp.Body)
		require.NoError(t, resp.Body.Close())
		require.Contains(t, page, "\nsouk_sessions 1\n")
		require.Equal(t, on, strings.Contains(page, "\nipfs_bitswap_wantlist_total 0\n"))
	}
}

// The tables in the documentation are made of what a node tells.
func TestEveryMetricIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	var documented, told []string
	for line := range strings.Lines(string(page)) {
		if metricRow.MatchString(line) {
			documented = append(documented, strings.TrimSuffix(line, "\n"))
		}
	}
	for name, f := range allMetrics(t) {
		kind := strings.ToLower(f.GetType().String())
		switch {
		case strings.HasPrefix(name, "souk_"):
			told = append(told, fmt.Sprintf("| `%s` | %s | %s | %s |", name, kind, strings.Join(labelsOf(f), ", "), f.GetHelp()))
		case strings.HasPrefix(name, "ipfs_"), strings.HasPrefix(name, "exchange_"):
			told = append(told, fmt.Sprintf("| `%s` | %s | %s |", name, kind, f.GetHelp()))
		}
	}
	slices.Sort(told)
	slices.Sort(documented)
	require.Equal(t, strings.Join(told, "\n"), strings.Join(documented, "\n"))
}

// metricRow is the row of a metric, which has its type beside its name.
var metricRow = regexp.MustCompile("^\\| `[a-z0-9_]+` \\| (?:counter|gauge|histogram) \\|")

func TestTheAlertsAskForMetricsThatThereAre(t *testing.T) {
	text, err := os.ReadFile("../../dist/prometheus/alerts.yml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Expr        string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	require.NotEmpty(t, file.Groups)
	all := allMetrics(t)
	for _, r := range file.Groups[0].Rules {
		require.NotEmpty(t, namesIn(r.Expr), r.Alert)
		require.Empty(t, unknownIn(all, r.Expr), r.Alert)
		require.Contains(t, []string{"critical", "warning", "info"}, r.Labels["severity"], r.Alert)
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
		require.NotEmpty(t, r.Annotations["description"], r.Alert)
	}
}

func TestTheDashboardShowsMetricsThatThereAre(t *testing.T) {
	text, err := os.ReadFile("../../dist/grafana/souk.json")
	require.NoError(t, err)
	var board struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ H, W, X, Y int }
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &board))
	all, ids := allMetrics(t), make(map[int]bool)
	for _, p := range board.Panels {
		require.False(t, ids[p.ID], "two panels with one id")
		ids[p.ID] = true
		require.Contains(t, []string{"row", "stat", "timeseries"}, p.Type, "those that come with Grafana")
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		require.Equal(t, p.Type == "row", len(p.Targets) == 0, p.Title)
		for _, target := range p.Targets {
			require.NotEmpty(t, namesIn(target.Expr), p.Title)
			require.Empty(t, unknownIn(all, target.Expr), p.Title)
		}
	}
	var variables []string
	for _, v := range board.Templating.List {
		variables = append(variables, v.Name)
		require.Empty(t, unknownIn(all, v.Definition), v.Name)
	}
	require.Equal(t, []string{"datasource", "job", "instance"}, variables)
}

func TestWhatIsNoMetricIsFoundInAnExpression(t *testing.T) {
	all := allMetrics(t)
	for expr, unknown := range map[string][]string{
		`sum by (actor) (souk_actor_inbox_depth{job="a",actor=~"x.*"})`:                   nil,
		`histogram_quantile(.9, sum by (le) (rate(souk_fetch_block_seconds_bucket[5m])))`: nil,
		`up == 0 and on (job, instance) souk_build_info`:                                  nil,
		`rate(souk_nothing_total[5m])`:                                                    {"souk_nothing_total"},
		`souk_sessions{actor="x"}`:                                                        {"actor"},
		`sum by (peer, reason) (souk_faults_total)`:                                       {"peer"},
		`souk_sessions_bucket`:                                                            {"souk_sessions_bucket"},
	} {
		require.Equal(t, unknown, unknownIn(all, expr), expr)
	}
}

var (
	metricWord = regexp.MustCompile(`\b(?:souk|go|process)_[a-z0-9_]+\b|\bup\b`)
	matchers   = regexp.MustCompile(`\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"[^"]*"`)
	grouping   = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	seriesOf   = regexp.MustCompile(`_(?:bucket|sum|count)$`)
	// What Prometheus adds by itself.
	givenLabels = []string{"job", "instance", "le"}
)

// namesIn are the metrics that an expression asks for.
func namesIn(expr string) []string {
	return metricWord.FindAllString(matchers.ReplaceAllString(expr, ""), -1)
}

// unknownIn are the metrics and labels in an expression that no node tells.
func unknownIn(all map[string]*dto.MetricFamily, expr string) (unknown []string) {
	labels := slices.Clone(givenLabels)
	for _, name := range namesIn(expr) {
		f := all[name]
		if base := all[seriesOf.ReplaceAllString(name, "")]; f == nil && base.GetType() == dto.MetricType_HISTOGRAM {
			f = base
		}
		if f == nil && name != "up" {
			unknown = append(unknown, name)
			continue
		}
		labels = append(labels, labelsOf(f)...)
	}
	for _, l := range labelsIn(expr) {
		if len(unknown) == 0 && !slices.Contains(labels, l) {
			unknown = append(unknown, l)
		}
	}
	return unknown
}

// labelsIn are the labels that an expression matches or groups by.
func labelsIn(expr string) (names []string) {
	for _, m := range matchers.FindAllStringSubmatch(expr, -1) {
		for _, l := range matcher.FindAllStringSubmatch(m[1], -1) {
			names = append(names, l[1])
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for l := range strings.SplitSeq(g[1], ",") {
			names = append(names, strings.TrimSpace(l))
		}
	}
	return names
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(text)
}

func blocksOf(texts ...string) (bs []blocks.Block) {
	for _, text := range texts {
		bs = append(bs, blocks.NewBlock([]byte(text)))
	}
	return bs
}
