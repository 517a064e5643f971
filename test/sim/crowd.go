package sim

import (
	"fmt"
	"slices"

	"github.com/ipfs/go-cid"
)

// Recorders adds count recorders with the same script.
func (w *World) Recorders(count int, l Link, script Script) []*Recorder {
	rs := make([]*Recorder, count)
	for i := range rs {
		rs[i] = w.Recorder(l, script)
	}
	return rs
}

// Nodes are the nodes of recorders.
func Nodes(rs []*Recorder) []*Node {
	nodes := make([]*Node, len(rs))
	for i, r := range rs {
		nodes[i] = r.Node
	}
	return nodes
}

// Asked is how many of the recorders have heard anything.
func Asked(rs []*Recorder) int {
	n := 0
	for _, r := range rs {
		if len(r.Heard()) > 0 {
			n++
		}
	}
	return n
}

// Untouched fails when one of the recorders has heard anything.
func (w *World) Untouched(rs ...*Recorder) {
	w.do(func() error {
		for _, r := range rs {
			if heard := r.Heard(); len(heard) > 0 {
				return fmt.Errorf("of %d that are not concerned %d were told something, as %v", len(rs), Asked(rs), heard[0])
			}
		}
		return nil
	})
}

// Count is how many elements of the kinds the recorders have heard.
func Count(rs []*Recorder, kinds ...Kind) int {
	n := 0
	for _, r := range rs {
		for _, e := range r.Heard() {
			if slices.Contains(kinds, e.Kind) {
				n++
			}
		}
	}
	return n
}

// MostPending is how many of the recorders had the same want to answer at the same
// time, at most: neither answered nor withdrawn.
func MostPending(rs []*Recorder) int {
	type event struct {
		Element
		at int
	}
	var all []event
	for i, r := range rs {
		for _, e := range r.Log() {
			all = append(all, event{e, i})
		}
	}
	slices.SortStableFunc(all, func(a, b event) int { return a.At.Compare(b.At) })
	most, pending := 0, make(map[cid.Cid]map[int]bool)
	for _, e := range all {
		if pending[e.CID] == nil {
			pending[e.CID] = make(map[int]bool)
		}
		if e.Said || e.Kind == Cancel {
			delete(pending[e.CID], e.at)
			continue
		}
		pending[e.CID][e.at] = true
		most = max(most, len(pending[e.CID]))
	}
	return most
}
