//go:build simulation

package resolver

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/figure"
)

var (
	full = flag.Bool("full", false, "run every setting, and print")
	runs = flag.Int("runs", 5, "of which the median counts")
)

// What is promised of 10,000 keys of 500 peers of which a tenth is slow and a tenth
// lies: the time over what the good ones could do, and requests a key.
const (
	mostTime     = 1.3
	mostRequests = 1.3
)

// TestTable fetches many keys from many peers, of which some are slow and some lie: the
// settings that are held to what is promised, or with -full all of them.
func TestTable(t *testing.T) {
	for _, c := range crowds() {
		if !c.held && !*full {
			continue
		}
		o := median(t, c)
		if c.held {
			require.Less(t, o.took.Seconds()/c.ideal().Seconds(), mostTime, "time over the ideal")
			require.Less(t, o.perKey(c), mostRequests, "requests a key")
		}
		row := figure.Row{Suite: "resolver", Scenario: c.String(), Make: "souk", Values: []figure.Value{
			{Name: "time", Unit: "s", Number: o.took.Seconds()},
			{Name: "ideal", Unit: "s", Number: c.ideal().Seconds()},
			{Name: "requests a key", Unit: "x", Number: o.perKey(c)},
			{Name: "second requests", Number: float64(o.counts.Hedges)},
			{Name: "lies", Number: float64(o.counts.Invalid)},
		}}
		emit(t, row)
	}
}

func emit(t *testing.T, row figure.Row) {
	require.NoError(t, figure.Emit(row))
	if *full {
		fmt.Fprintf(os.Stderr, "%s: %v\n", row.Scenario, row.Values)
	}
}

// perKey is how many requests a key has cost. Further parts of a value are none.
func (o *outcome) perKey(c crowd) float64 {
	return float64(o.counts.Asked-o.counts.Parts) / float64(c.keys)
}

func median(t *testing.T, c crowd) *outcome {
	all := make([]*outcome, *runs)
	for i := range all {
		var err error
		all[i], err = c.run(uint64(i + 1))
		require.NoError(t, err)
	}
	slices.SortFunc(all, func(a, b *outcome) int { return int(a.took - b.took) })
	return all[len(all)/2]
}

// What a fetch costs on the wall clock while very many others wait. A key that waits takes
// no more memory than is promised, and however many wait a fetch takes about as long.
func TestCost(t *testing.T) {
	const mostMemory, mostGrowth = 300, 10 // What is quadratic would grow a hundred times.
	few, many := costs(t, 1_000), costs(t, 100_000)
	require.Less(t, many.memory, float64(mostMemory), "bytes of a key that waits")
	require.Less(t, many.time, mostGrowth*few.time, "of a fetch among 100 times as many")
}

func costs(t *testing.T, keys int) cost {
	all := make([]cost, *runs)
	for i := range all {
		var err error
		all[i], err = measure(keys, 500)
		require.NoError(t, err)
	}
	slices.SortFunc(all, func(a, b cost) int { return int(a.time - b.time) })
	m := all[0] // Whatever else the machine does makes it slower only.
	emit(t, figure.Row{Suite: "resolver", Scenario: fmt.Sprintf("%d keys wait, 500 peers", keys), Make: "souk", Values: []figure.Value{
		{Name: "time of the processor", Unit: "µs", Number: float64(m.time) / float64(time.Microsecond)},
		{Name: "allocations", Number: m.allocations},
		{Name: "memory of a key", Unit: "B", Number: m.memory},
	}})
	return m
}
