package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/figure"
)

// suite is what the figures of this command belong to.
const suite = "wall"

// report emits and prints what a transfer cost each make: the medians, and the
// median of the ratios to what bare streams did in the same turn.
func report(name string, makes []exchanges.Make, costs map[exchanges.Make][]cost) error {
	for _, m := range makes {
		mine := costs[m]
		values := []figure.Value{
			{Name: "throughput", Unit: "MB/s", Number: median(mine, cost.megabytes)},
			{Name: "blocks a second", Number: median(mine, cost.rate)},
			{Name: "CPU a GB", Unit: "s", Number: median(mine, cost.cpu)},
			{Name: "allocated", Unit: "x", Number: median(mine, cost.allocated)},
			{Name: "allocations a block", Number: median(mine, cost.objects)},
		}
		if bare := costs[exchanges.MakeBare]; m != exchanges.MakeBare && len(bare) > 0 {
			values = append(values,
				figure.Value{Name: "throughput to bare", Unit: "x", Number: ratio(mine, bare, cost.rate)},
				figure.Value{Name: "CPU to bare", Unit: "x", Number: ratio(mine, bare, cost.cpu)})
		}
		if mine[0].apart() {
			values = append(values, figure.Value{Name: "blocks a CPU second of the busier side", Number: median(mine, cost.mostBlocks)})
		}
		if whole := median(mine, cost.share); whole < 1 {
			values = append(values, figure.Value{Name: "moved", Unit: "x", Number: whole})
		}
		if err := emit(figure.Row{Suite: suite, Scenario: name, Make: string(m), Values: values}); err != nil {
			return err
		}
	}
	return nil
}

func (c cost) megabytes() float64 { return float64(c.bytes) / 1e6 / c.took.Seconds() }
func (c cost) rate() float64      { return float64(c.blocks) / c.took.Seconds() }
func (c cost) cpu() float64       { return c.spent().CPU.Seconds() / float64(c.bytes) * 1e9 }
func (c cost) allocated() float64 { return float64(c.spent().Bytes) / float64(c.bytes) }
func (c cost) objects() float64   { return float64(c.spent().Objects) / float64(c.blocks) }

// spent is what both sides have used.
func (c cost) spent() usage { return c.here.plus(c.seed) }

// apart reports whether the sides were measured apart.
func (c cost) apart() bool { return c.seed != usage{} }

// mostBlocks is how many blocks the busier side would move if it never had to
// wait. It depends less than a rate on what else the machine does.
func (c cost) mostBlocks() float64 {
	return float64(c.blocks) / max(c.here.CPU, c.seed.CPU).Seconds()
}

// share is the part of the blocks that came.
func (c cost) share() float64 { return float64(c.blocks) / float64(c.asked) }

// median of what of takes from each.
func median(costs []cost, of func(cost) float64) float64 {
	all := make([]float64, len(costs))
	for i, c := range costs {
		all[i] = of(c)
	}
	return middle(all)
}

// ratio is the median of the ratios turn by turn: what slows the machine down for
// a while slows both.
func ratio(mine, other []cost, of func(cost) float64) float64 {
	all := make([]float64, len(mine))
	for i := range mine {
		all[i] = of(mine[i]) / of(other[i])
	}
	return middle(all)
}

func middle(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	n := len(all)
	return (all[n/2] + all[(n-1)/2]) / 2
}

// emit hands a row over and prints it.
func emit(r figure.Row) error {
	var line strings.Builder
	fmt.Fprintf(&line, "%-70s %-5s", r.Scenario, r.Make)
	for _, v := range r.Values {
		fmt.Fprintf(&line, "  %s %s%s", v.Name, number(v.Number), spaced(v.Unit))
	}
	fmt.Println(line.String())
	return figure.Emit(r)
}

// number prints three digits.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func spaced(unit string) string {
	if unit == "" {
		return ""
	}
	return " " + unit
}
