package virtual

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/figure"
	"github.com/souk-p2p/souk/test/sim"
)

// TestTable runs Souk, boxo and bare streams in the same scenarios: in small, and
// held to the ceilings, or with -full at their full sizes.
func TestTable(t *testing.T) {
	match, err := regexp.Compile(*only)
	require.NoError(t, err)
	cells := 0
	for _, f := range families() {
		settings, sides := f.full, f.sides
		if !*full {
			settings, sides = f.small, f.guarded
		}
		for _, c := range override.apply(f, settings) {
			for _, s := range sides(c) {
				if cell := f.title(c) + "/" + s.String(); match.MatchString(cell) {
					cells++
					t.Run(cell, func(t *testing.T) { f.cell(t, s, c) })
				}
			}
		}
	}
	require.NotZero(t, cells, "no scenario and make match %q", *only)
}

// guarded are the sides that are tried in small.
func (f family) guarded(setting) []sim.Sides {
	if len(f.tried) == 0 {
		return []sim.Sides{souk}
	}
	return f.tried
}

// cell runs one cell of the table and hands it over.
func (f family) cell(t *testing.T, s sim.Sides, c setting) {
	begun := time.Now()
	m := f.median(t, s, c)
	require.Empty(t, m.Faults, "all are honest")
	if !*full {
		f.check(t, s, m)
	}
	r := figure.Row{Suite: "virtual", Scenario: f.title(c), Make: s.String(), Values: values(m, c)}
	if *full && c.turn != "" && c.turn != steady {
		r.Values = append(r.Values, f.toSteady(t, s, c, m))
	}
	require.NoError(t, figure.Emit(r))
	if *full {
		fmt.Fprintf(os.Stderr, "%s, %s: %s in %s\n", r.Scenario, r.Make, describe(r.Values), time.Since(begun).Round(time.Second/10))
	}
}

// toSteady compares a run in which something happens to a seed with one in which
// nothing does.
func (f family) toSteady(t *testing.T, s sim.Sides, c setting, m sim.Figures) figure.Value {
	c.turn = steady
	return figure.Value{Name: "time to steady", Unit: "x", Number: m.Took.Seconds() / f.median(t, s, c).Took.Seconds()}
}

// median returns the run with the median time.
func (f family) median(t *testing.T, s sim.Sides, c setting) sim.Figures {
	all := make([]sim.Figures, *runs)
	for i := range all {
		sim.Run(t, func(w *sim.World) { all[i] = f.run(w, s, c) })
		if t.Failed() {
			t.FailNow()
		}
	}
	slices.SortFunc(all, func(a, b sim.Figures) int { return int(a.Took - b.Took) })
	return all[len(all)/2]
}

// check holds a small run to the ceilings.
func (f family) check(t *testing.T, s sim.Sides, m sim.Figures) {
	if s.Client == exchanges.MakeSouk {
		require.LessOrEqual(t, m.Ratio(), f.ratio, "ratio to the ideal of %s", m.Ideal)
	}
	if s == souk && f.copies > 0 {
		require.LessOrEqual(t, m.Copies, f.copies, "copies sent by the seeds")
	}
	if f.share > 0 {
		require.InDelta(t, 0.5, m.Share, 0.5-f.share, "share of the uplink")
	}
}

// values are the columns.
func values(m sim.Figures, c setting) []figure.Value {
	vs := []figure.Value{
		{Name: "time", Unit: "s", Number: m.Took.Seconds()},
		{Name: "ideal", Unit: "s", Number: m.Ideal.Seconds()},
		{Name: "copies", Unit: "x", Number: m.Copies},
		{Name: "duplicates", Number: float64(m.Duplicates)},
		{Name: "dup/unique", Unit: "x", Number: float64(m.Duplicates) / float64(max(1, m.Unique))},
		{Name: "messages", Number: float64(m.Messages)},
		{Name: "requests", Number: float64(m.Requests)},
		{Name: "stall", Unit: "s", Number: m.Stall.Seconds()},
	}
	if c.peers > 0 {
		vs = append(vs, figure.Value{Name: "asked", Number: float64(m.Asked)})
	}
	if m.Share > 0 {
		vs = append(vs, figure.Value{Name: "share", Unit: "x", Number: m.Share})
	}
	return vs
}

func describe(vs []figure.Value) string {
	said := fmt.Sprintf("%.2f of the ideal", vs[0].Number/vs[1].Number)
	for _, v := range vs {
		said += fmt.Sprintf(", %s %.4g %s", v.Name, v.Number, v.Unit)
	}
	return said
}
