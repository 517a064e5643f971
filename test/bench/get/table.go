package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/souk-p2p/souk/test/internal/figure"
)

// sample is one measurement.
type sample struct {
	took, seedCPU, getCPU time.Duration
}

// key is one row of the table.
type key struct{ transport, name string }

// table gathers the samples, in the order in which rows appeared first.
type table struct {
	order   []key
	samples map[key][]sample
}

func (t *table) add(transport, name string, s sample) {
	k := key{transport, name}
	if t.samples == nil {
		t.samples = make(map[key][]sample)
	}
	if t.samples[k] == nil {
		t.order = append(t.order, k)
	}
	t.samples[k] = append(t.samples[k], s)
}

// publish prints the medians and hands them over.
func (t *table) publish(w io.Writer, size int64) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "%s MiB over\t\tMB/s\tseconds\tof bare\tCPU s, seed\tget\t\n", mebibytes(size))
	for _, k := range t.order {
		r := t.row(k, size)
		fmt.Fprintf(out, "%s\t%s\t", k.transport, k.name)
		for _, name := range []string{"speed", "time", "speed to bare", "seed CPU", "get CPU"} {
			fmt.Fprintf(out, "%s\t", cellOf(r, name))
		}
		fmt.Fprintln(out)
		if err := figure.Emit(r); err != nil {
			return err
		}
	}
	return out.Flush()
}

func cellOf(r figure.Row, name string) string {
	n, ok := r.Of(name)
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.2f", n)
}

// row has the median of each quantity.
func (t *table) row(k key, size int64) figure.Row {
	samples := t.samples[k]
	seconds := median(samples, func(s sample) float64 { return s.took.Seconds() })
	values := []figure.Value{
		{Name: "time", Unit: "s", Number: seconds},
		{Name: "speed", Unit: "MB/s", Number: float64(size) / seconds / 1e6},
	}
	if bare := t.samples[key{k.transport, "bare"}]; bare != nil && k.name != "bare" {
		of := median(bare, func(s sample) float64 { return s.took.Seconds() })
		values = append(values, figure.Value{Name: "speed to bare", Unit: "x", Number: of / seconds})
	}
	values = appendCPU(values, "seed CPU", samples, func(s sample) time.Duration { return s.seedCPU })
	values = appendCPU(values, "get CPU", samples, func(s sample) time.Duration { return s.getCPU })
	return figure.Row{Suite: "get", Scenario: scenario(k, size), Make: k.name, Values: values}
}

// appendCPU leaves out what was not measured.
func appendCPU(values []figure.Value, name string, samples []sample, of func(sample) time.Duration) []figure.Value {
	seconds := median(samples, func(s sample) float64 { return of(s).Seconds() })
	if seconds == 0 {
		return values
	}
	return append(values, figure.Value{Name: name, Unit: "s", Number: seconds})
}

func scenario(k key, size int64) string {
	if k.transport == "disk" {
		return mebibytes(size) + " MiB to disk"
	}
	return mebibytes(size) + " MiB over " + k.transport
}

func mebibytes(size int64) string { return fmt.Sprintf("%.4g", float64(size)/(1<<20)) }

func median(samples []sample, of func(sample) float64) float64 {
	all := make([]float64, len(samples))
	for i, s := range samples {
		all[i] = of(s)
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}
