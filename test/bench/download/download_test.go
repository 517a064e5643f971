//go:build simulation

package download

import (
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/figure"
)

var (
	full = flag.Bool("full", false, "play with 10,000 resources over 100 nodes, and emit the figures")
	runs = flag.Int("runs", 1, "how many seeds are played of each; the median counts")
)

func plans(resources, nodes, large, audits int) []plan {
	base := plan{resources: resources, nodes: nodes, holds: 0.3, audits: audits, large: large, transfers: 400, connections: 100}
	named, failing, some := base, base, base
	base.name = "nobody says what it has"
	named.name, named.named = "everybody says what it has", 1
	failing.name, failing.breaks, failing.away = "2 % of transfers break, nodes are away 10 % of the time", 0.02, 0.1
	some.name, some.transfers, some.connections, some.breaks, some.away = "likewise, 25 connections and 50 transfers", 50, 25, 0.02, 0.1
	return []plan{base, named, failing, some}
}

// All of it is here in at most 1.3 times the least time, no node is idle that could do
// something, and nobody is asked twice for what it has refused.
func TestAllOfItComesInLittleMoreThanTheLeastTime(t *testing.T) {
	set := plans(4000, 40, 8, 1000)
	if *full {
		set = plans(10_000, 100, 20, 5000)
	}
	for _, p := range set {
		t.Run(p.name, func(t *testing.T) {
			var ratios []float64
			var outcomes []outcome
			for seed := range *runs {
				w, err := newWorld(p, uint64(seed))
				require.NoError(t, err)
				o, err := w.run()
				require.NoError(t, err, "seed %d", seed)
				ratios, outcomes = append(ratios, o.took.Seconds()/o.ideal.Seconds()), append(outcomes, o)
			}
			t.Logf("%.2f: %+v", ratios, outcomes[0])
			require.LessOrEqual(t, slices.Max(ratios), 1.3)
			if *full {
				require.NoError(t, figure.Emit(row(p, median(outcomes))))
			}
		})
	}
}

func median(all []outcome) outcome {
	slices.SortFunc(all, func(a, b outcome) int { return int(a.took - b.took) })
	return all[len(all)/2]
}

func row(p plan, o outcome) figure.Row {
	seconds := func(name string, d time.Duration) figure.Value {
		return figure.Value{Name: name, Unit: "s", Number: d.Seconds()}
	}
	count := func(name string, n int) figure.Value { return figure.Value{Name: name, Number: float64(n)} }
	return figure.Row{
		Suite: "download", Scenario: p.name, Make: "souk",
		Values: []figure.Value{
			seconds("time", o.took), seconds("ideal", o.ideal), count("asked", o.asked), count("refused", o.refused),
			count("broken", o.broken), count("connections lost", o.lost), count("dials", o.dials), count("unreachable", o.unreached),
		},
	}
}
