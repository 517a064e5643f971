//go:build simulation

package cores

import (
	"maps"
	"slices"
	"time"
)

// quieten stops the faults: stores work, what is sent arrives, and an honest node
// that has everything is connected to all. Liars may go on lying.
func (w *World) quieten() {
	w.tell("the faults stop")
	w.calm = true
	for _, n := range w.nodes {
		n.shelf.failing, n.shelf.until = false, time.Time{}
		if w.script.reform {
			n.nature = nature{kind: honest}
		}
	}
	w.settled(func() {
		first := w.nodes[0]
		for _, b := range w.blocks {
			first.put(b)
		}
		for _, n := range w.nodes[1:] {
			w.connect(first, n)
		}
	})
}

// settled calls then when every node is up.
func (w *World) settled(then func()) {
	for _, n := range w.nodes {
		if !n.alive || n.closing {
			w.after(100*time.Millisecond, func() { w.settled(then) })
			return
		}
	}
	then()
}

// shutdown ends every node and looks whether anything is left.
func (w *World) shutdown() {
	if w.err != nil {
		return
	}
	closed := 0
	for _, n := range w.nodes {
		for _, u := range n.sessions {
			u.logout(func() {})
		}
	}
	gone := func() bool { return !slices.ContainsFunc(w.nodes, func(n *node) bool { return len(n.sessions) > 0 }) }
	if !w.until(2*time.Minute, gone) {
		w.fail("sessions did not end")
		return
	}
	w.until(time.Minute, func() bool { return false }) // What was withdrawn arrives.
	w.compareAll()
	for _, n := range w.nodes {
		n.idle()
		n.close(func() { closed++ })
	}
	if !w.until(time.Minute, func() bool { return closed == len(w.nodes) }) {
		w.fail("nodes did not end")
	}
}

// idle looks whether a node on which nobody wants anything has forgotten that
// anybody did.
func (n *node) idle() {
	if wants := n.wants.Wants(); wants > 0 {
		n.w.fail("%s: %d wants are left at peers", n, wants)
	}
	if wants := n.blocks.Wants(); wants > 0 {
		n.w.fail("%s: %d wants are left at the blockrouter", n, wants)
	}
	if !n.engine.Idle() {
		n.w.fail("%s: the engine has work left", n)
	}
	for _, other := range n.w.nodes {
		if wants := n.engine.WantsOf(other.id); len(wants) > 0 && !n.lied && !other.lied {
			n.w.fail("%s: the engine has %d wants of %s left", n, len(wants), other)
		}
	}
	if n.owed > 0 {
		n.w.fail("%s: %d answers were never released", n, n.owed)
	}
	if n.trackers != nil && !n.trackers.client.Idle() {
		n.w.fail("%s: something is left at trackers", n)
	}
}

// close ends a node in the order in which the exchange does.
func (n *node) close(then func()) {
	if !n.alive || n.closing {
		return
	}
	n.closing = true
	n.w.tell("%s closes", n)
	n.close1(then)
}

// close1 waits for the sessions.
func (n *node) close1(then func()) {
	for _, u := range n.sessions {
		u.logout(func() {})
	}
	if len(n.sessions) > 0 {
		n.w.after(time.Millisecond, func() { n.close1(then) })
		return
	}
	n.finder.End()
	if n.trackers != nil {
		n.trackers.client.End()
	}
	n.wants.End()
	for _, at := range slices.SortedFunc(maps.Keys(n.w.wires), compareWires) {
		if at[0] == n.i || at[1] == n.i {
			n.w.disconnect(n.w.wires[at])
		}
	}
	n.blocks.End()
	n.engine.End()
	n.peers.End()
	n.ledger.End()
	n.alive, n.closing = false, false
	n.life++
	if n.owed > 0 || len(n.holds) > 0 {
		n.w.fail("%s has ended with %d answers owed and %d connections held", n, n.owed, len(n.holds))
	}
	n.readable()
	then()
}

// readable looks whether every Put that was acknowledged can be read.
func (n *node) readable() {
	failing := n.shelf.failing
	n.shelf.failing = false
	for _, b := range n.acked {
		if _, err := n.store.Get(nothing, b.Cid()); err != nil {
			n.w.fail("%s: %s was acknowledged: %w", n, b.Cid(), err)
		}
	}
	n.shelf.failing = failing
}
