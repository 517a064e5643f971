//go:build simulation

package discovery

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Outcome is what a run has shown.
type Outcome struct {
	Setup
	Costs       []Cost // of fetches
	Unavailable int    // fetches that were not begun because nobody who was up had the block
	Passed      []passed
	Span        time.Duration // in which the trackers' messages were counted
	RowBytes    int           // memory of a row beside its record
	Rows        int           // of all trackers that are up
}

func (o *Outcome) start(w *World) {
	for _, t := range w.inOrder {
		o.Passed = append(o.Passed, t.passed)
	}
}

func (o *Outcome) stop(w *World) {
	o.Span = span
	all := 0
	for i, t := range w.inOrder {
		before := o.Passed[i]
		o.Passed[i] = t.passed
		o.Passed[i].Messages -= before.Messages
		o.Passed[i].Bytes -= before.Bytes
		if t.up {
			bytes, rows := t.beside()
			all, o.Rows = all+bytes, o.Rows+rows
		}
	}
	o.RowBytes = all / max(o.Rows, 1)
}

// of returns a number of each fetch, in ascending order.
func (o *Outcome) of(number func(*Cost) float64) figures {
	var all figures
	for i := range o.Costs {
		all = append(all, number(&o.Costs[i]))
	}
	slices.Sort(all)
	return all
}

// figures are in ascending order.
type figures []float64

func (f figures) mean() float64 {
	sum := 0.0
	for _, x := range f {
		sum += x
	}
	return sum / float64(len(f))
}

func (f figures) most() float64 { return f[len(f)-1] }

func (f figures) at(part float64) float64 { return f[int(part*float64(len(f)-1))] }

// Success is the part of the fetches that were served, without those that had
// fewer than two good trackers unless all are asked for.
func (o *Outcome) Success(all bool) float64 {
	n, served := 0, 0
	for _, c := range o.Costs {
		if c.Doubtful && !all {
			continue
		}
		n++
		if c.Served {
			served++
		}
	}
	return float64(served) / float64(n)
}

// Check returns what is not as it has to be. Where trackers are bad one fetch may
// cost more, and all together may not.
func (o *Outcome) Check() error {
	var wrong []error
	must := func(holds bool, format string, args ...any) {
		if !holds {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	requests := o.requests()
	must(requests.mean() <= float64(2*o.K+2), "%.1f requests a fetch, at most %d are right", requests.mean(), 2*o.K+2)
	must(requests.most() <= float64(4*o.K) || o.bad(), "%.0f requests for one fetch, at most %d are right", requests.most(), 4*o.K)
	must(o.Success(false) >= 0.999, "%.2f %% of the fetches were served, at least 99.9 %% are right", 100*o.Success(false))
	must(o.RowBytes <= 256, "%d bytes a row beside its record, at most 256 are right", o.RowBytes)
	return errors.Join(wrong...)
}
