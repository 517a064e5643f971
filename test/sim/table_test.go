package sim

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

var (
	souk = Both(exchanges.MakeSouk)
	boxo = Both(exchanges.MakeBoxo)
	bare = Both(exchanges.MakeBare)

	soukToBoxo = Sides{Seed: exchanges.MakeSouk, Client: exchanges.MakeBoxo}
	boxoToSouk = Sides{Seed: exchanges.MakeBoxo, Client: exchanges.MakeSouk}
)

// A row is a scenario of the table with what it is run with. The ceilings are
// loose: they tell a stall or a flood from a slow run.
type row struct {
	name  string
	run   func(w *World, s Sides) Figures
	sides []Sides
	stops bool // a seed does, half-way

	ratio  float64 // ceiling of the ratio where Souk is the client
	copies float64 // ceiling of the copies that leave a Souk seed for Souk clients, 0 for none
}

const (
	kib = 1 << 10
	mib = 1 << 20
	mbs = 1_000_000
)

// size returns the full size when the table is asked for and a small one, which
// takes a moment, otherwise.
func size(small, large int) int {
	if *full {
		return large
	}
	return small
}

func rows() []row {
	chain := Link{RoundTrip: 100 * time.Millisecond, Bandwidth: 100 * mbs}
	many := Link{RoundTrip: 50 * time.Millisecond, Bandwidth: 100 * mbs}
	fan := Link{RoundTrip: 40 * time.Millisecond, Bandwidth: 20 * mbs}
	fast := Link{RoundTrip: 10 * time.Millisecond, Bandwidth: 1000 * mbs}
	downloaders := size(4, 16)
	all := []Sides{bare, boxo, souk, boxoToSouk, soukToBoxo}
	large := func(l Link, seeds int) func(w *World, s Sides) Figures {
		return func(w *World, s Sides) Figures {
			return Download(w, s, seeds, corpus.Blocks(1, size(32, 256), 256*kib), l)
		}
	}
	return []row{
		{
			name: "chain of 50, 100 ms", sides: all, ratio: 1.1, copies: 1,
			run: func(w *World, s Sides) Figures { return Chain(w, s, 50, chain) },
		},
		{
			name: "4,000 wants of 4 KiB, 100 Mbit, 50 ms", sides: all, ratio: 2.5, copies: 1.1,
			run: func(w *World, s Sides) Figures { return Download(w, s, 1, corpus.Blocks(1, 4000, 4*kib), many) },
		},
		{name: "1 seed, 100 Mbit, 100 ms", sides: all, ratio: 2.5, copies: 1.1, run: large(chain, 1)},
		{name: "4 seeds, 100 Mbit, 100 ms", sides: all, ratio: 2.5, copies: 1.2, run: large(chain, 4)},
		{name: "1 seed, 20 Mbit, 40 ms", sides: all, ratio: 2.5, copies: 1.1, run: large(fan, 1)},
		{name: "1 seed, 1 Gbit, 10 ms", sides: all, ratio: 2.5, copies: 1.1, run: large(fast, 1)},
		{
			name:  fmt.Sprintf("fan-out to %d, 20 Mbit, 40 ms", downloaders),
			sides: []Sides{bare, boxo, souk}, ratio: 3.5, copies: 3,
			run: func(w *World, s Sides) Figures {
				return FanOut(w, s, downloaders, corpus.Blocks(1, size(16, 64), 256*kib), fan)
			},
		},
		{
			name: "1 of 100 connected has it, 50 ms", sides: []Sides{boxo, souk}, ratio: 15, copies: 1,
			run: func(w *World, s Sides) Figures { return Needle(w, s, 100, many) },
		},
		{
			name: "first contact, 50 ms", sides: all, ratio: 3.1, copies: 1,
			run: func(w *World, s Sides) Figures { return FirstContact(w, s, many) },
		},
		{
			name:  "1 of 2 seeds stops half-way, 100 Mbit, 50 ms",
			sides: []Sides{boxo, souk, boxoToSouk, soukToBoxo}, ratio: 3, stops: true,
			run: func(w *World, s Sides) Figures {
				return DyingSeed(w, s, corpus.Blocks(1, size(48, 256), 256*kib), many)
			},
		},
	}
}

// TestTable compares Souk with boxo and with bare streams, each in the same
// scenarios. With -table the sizes are those that are worth publishing.
func TestTable(t *testing.T) {
	var cells [][]string
	for _, r := range rows() {
		for _, s := range r.sides {
			t.Run(r.name+"/"+s.String(), func(t *testing.T) {
				f := median(t, r, s)
				cells = append(cells, []string{
					r.name, s.String(), f.Took.Round(time.Millisecond).String(), fmt.Sprintf("%.2f", f.Ratio()),
					fmt.Sprintf("%.2f", f.Copies), fmt.Sprint(f.Duplicates), fmt.Sprint(f.Messages), fmt.Sprint(f.Asked),
				})
				r.check(t, s, f)
			})
		}
	}
	printTable(cells)
}

// median runs one cell of the table and returns the run with the median time.
func median(t *testing.T, r row, s Sides) Figures {
	all := make([]Figures, *runs)
	for i := range all {
		all[i] = play(t, func(w *World) Figures { return r.run(w, s) })
	}
	slices.SortFunc(all, func(a, b Figures) int { return int(a.Took - b.Took) })
	return all[len(all)/2]
}

func (r row) check(t *testing.T, s Sides, f Figures) {
	if r.stops {
		f.Faults = slices.DeleteFunc(f.Faults, cut)
	}
	require.Empty(t, f.Faults, "all are honest")
	if s.Client == exchanges.MakeSouk {
		require.LessOrEqual(t, f.Ratio(), r.ratio, "ratio to the ideal of %s", f.Ideal)
	}
	if s == souk && r.copies > 0 {
		require.LessOrEqual(t, f.Copies, r.copies, "copies sent by the seeds")
	}
}

func printTable(cells [][]string) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "scenario\tmake\ttook\tratio\tcopies\tduplicates\tmessages\tasked")
	for _, c := range cells {
		for _, field := range c {
			fmt.Fprint(w, field, "\t")
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush()
}

// cut tells the fault that a seed which stops may leave: its last frame is cut, and
// the end of the stream is seen before that of the connection.
func cut(fault string) bool { return strings.Contains(fault, "frame-cut") }
