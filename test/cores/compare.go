//go:build simulation

package cores

import (
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/internal/table"
)

// compare looks at what has changed since the last time, in a moment in which
// nothing is left to be done.
func (w *World) compare() {
	for _, n := range w.nodes {
		if w.stale[n] && n.alive {
			n.compare()
		}
	}
	clear(w.stale)
}

func (w *World) compareAll() {
	for _, n := range w.nodes {
		w.stale[n] = true
	}
	w.compare()
}

func (n *node) compare() {
	for _, other := range n.w.nodes {
		if other == n {
			continue
		}
		wants := n.engine.WantsOf(other.id)
		n.missed(other, wants)
		n.agree(other, wants)
	}
}

// missed looks for subscriptions to blocks that are in the store: they were stored
// in the moment in which the store was asked, and nobody noticed.
func (n *node) missed(other *node, wants map[cid.Cid]bool) {
	if !n.engine.Idle() || n.shelf.slow() || n.shelf.failures > 0 || n.owed > 0 {
		return // The store's word did not count, or what it holds is not announced yet.
	}
	for _, c := range table.Sorted(wants) {
		if !wants[c] || n.announcing > 0 {
			continue
		}
		if has, err := n.store.Has(nothing, c); err == nil && has {
			n.w.fail("%s: %s waits for %s, which is in the store", n, other, short(c))
		}
	}
}

// agree looks whether an engine and its partner say the same when nothing is
// under way between them. A want in the engine that its owner does not have any
// more was withdrawn, or satisfied, and the cancel was lost, unless an older want came
// after it. A want that the engine should know and does not was lost, unless its answer
// was or an older cancel came after it.
func (n *node) agree(other *node, wants map[cid.Cid]bool) {
	mine, theirs := n.end(other.id), other.end(n.id)
	if n.lied || other.lied || !quiet(mine) || !quiet(theirs) || !other.wants.Idle(n.id) || !n.engine.Idle() {
		return
	}
	asked := other.wants.WantsAt(n.id)
	for _, c := range table.Sorted(wants) {
		if _, wanted := asked[c]; wants[c] && !wanted && !mine.late {
			n.w.fail("%s: %s subscribes to %s, which it does not want", n, other, short(c))
		}
	}
	if mine.lossy {
		return
	}
	for _, c := range table.Sorted(asked) {
		if _, known := wants[c]; asked[c] && !known {
			n.w.fail("%s: the want of %s for %s is not known", n, other, short(c))
		}
	}
}

// quiet reports whether one side of a connection has nothing under way.
func quiet(e *end) bool {
	if e == nil || !e.alive() || !e.told || e.doubts > 0 || e.inHand > 0 {
		return false
	}
	for _, s := range e.streams {
		if s != nil && (s.flying > 0 || s.reading) {
			return false
		}
	}
	// A stream that was reset is nobody's to write on, and what had arrived of it is
	// read all the same.
	return !slices.ContainsFunc(e.inbound, func(s *stream) bool { return s.reading })
}
