//go:build simulation

package cores

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/providers"
)

// schedule lays out the world and lets things begin to happen.
func (w *World) schedule() {
	for _, n := range w.nodes {
		for _, b := range w.blocks {
			if w.some(4) {
				_ = n.store.Put(nothing, b) // The shelf does not fail yet.
			}
		}
		for _, other := range w.nodes[:n.i] {
			if w.some(2) {
				w.connect(n, other)
			}
		}
	}
	for _, n := range w.nodes {
		n.login()
	}
	w.disturb()
}

// disturb lets something happen now and again until the storm is over.
func (w *World) disturb() {
	if w.calm {
		return
	}
	w.disturbance()
	w.after(w.between(0, 2*w.script.pace), w.disturb)
}

func (w *World) disturbance() {
	n := pick(w, w.nodes)
	switch w.dice.IntN(22) {
	case 0, 1, 2:
		w.connect(n, pick(w, w.nodes))
	case 3:
		if x := w.anyWire(); x != nil {
			w.blink(x)
		}
	case 4, 5, 6, 7:
		w.breakSome(n)
	case 8:
		n.shelf.until = time.Now().Add(w.between(0, 5*time.Second))
		w.tell("the store of %s is slow for %s", n, time.Until(n.shelf.until))
	case 9:
		n.shelf.failing = !n.shelf.failing
		w.tell("the store of %s fails: %t", n, n.shelf.failing)
	case 10, 11:
		n.put(pick(w, w.blocks))
	case 12:
		n.login()
	case 13:
		if len(n.sessions) > 0 && w.some(3) {
			pick(w, n.sessions).logout(func() {})
		}
	case 14:
		if w.some(4) {
			n.restart()
		}
	case 15, 16:
		n.cancelSome()
	default:
		if len(n.sessions) > 0 {
			if u := pick(w, n.sessions); !u.ending {
				u.ask()
			}
		}
	}
}

// blink ends a connection, every other time for a moment only: the next may be
// there before anybody has noticed.
func (w *World) blink(x *wire) {
	a, b := x.ends[0].n, x.ends[1].n
	w.disconnect(x)
	if w.some(2) {
		w.after(w.between(0, 60*time.Millisecond), func() { w.connect(a, b) })
	}
}

// anyWire returns one that is up, or nil.
func (w *World) anyWire() *wire {
	var up []*wire
	for _, at := range slices.SortedFunc(maps.Keys(w.wires), compareWires) {
		if x := w.wires[at]; x.up {
			up = append(up, x)
		}
	}
	if len(up) == 0 {
		return nil
	}
	return pick(w, up)
}

func compareWires(a, b [2]int) int { return cmp.Or(a[0]-b[0], a[1]-b[1]) }

func (w *World) breakSome(n *node) {
	for _, other := range w.nodes {
		if e := n.end(other.id); e != nil && e.wire.up && w.some(2) {
			if s := e.streams[w.dice.IntN(2)]; s != nil {
				w.breakStream(s)
				return
			}
		}
	}
}

func (n *node) cancelSome() {
	if len(n.sessions) == 0 {
		return
	}
	if u := pick(n.w, n.sessions); len(u.calls) > 0 {
		pick(n.w, u.calls).cancel()
	}
}

// put stores a block as a caller of the exchange does. What is acknowledged has
// to be readable from then on.
func (n *node) put(b blocks.Block) {
	if !n.alive {
		return
	}
	if n.blocks.Depth() > 16 {
		n.w.after(time.Millisecond, func() { n.put(b) })
		return
	}
	if err := n.store.PutMany(nothing, []blocks.Block{b}); err != nil {
		n.w.tell("%s cannot store %s", n, short(b.Cid()))
		return
	}
	n.w.tell("%s stores %s", n, short(b.Cid()))
	n.acked = append(n.acked, b)
	n.announcing++
	if n.w.some(2) {
		n.announce(b)
		return
	}
	// Others may ask between the two.
	n.w.after(n.w.between(0, time.Millisecond), func() { n.announce(b) })
}

func (n *node) announce(b blocks.Block) {
	n.announcing--
	if !n.alive {
		return
	}
	n.w.stale[n] = true
	if err := n.blocks.Put(nothing, []blocks.Block{b}); err != nil {
		n.w.fail("%s: %w", n, err)
	}
}

// race stores something that others want, now and again while the store ponders.
func (n *node) race(pause time.Duration) {
	w := n.w
	if pause == 0 || w.calm || !w.some(4) {
		return
	}
	if wants := table.Sorted(n.engine.WantsOf(pick(w, w.nodes).id)); len(wants) > 0 {
		b := w.known[pick(w, wants)]
		w.after(w.between(0, pause), func() { n.put(b) })
	}
}

var errUnreachable = errors.New("no route to host")

// dial is what the peerrouter's dialler does.
func (n *node) dial(info peer.AddrInfo) {
	w := n.w
	if w.plan != nil {
		w.reach(n, info.ID)
		return
	}
	w.tell("%s dials %s", n, string(info.ID))
	n.dials++
	life := n.life
	w.after(w.between(time.Millisecond, 300*time.Millisecond), func() {
		if !n.alive || n.life != life {
			return
		}
		n.dials--
		other := w.node(info.ID)
		if other == nil || !other.alive || !w.calm && w.some(3) {
			n.peers.Dialled(info.ID, errUnreachable)
			return
		}
		w.connect(n, other)
		n.peers.Dialled(info.ID, nil)
	})
}

func (w *World) node(id peer.ID) *node { return w.byID[id] }

// finding is what a node's directory asks: somebody who names a few nodes, some of
// which may have something.
func (n *node) finding() providers.Finding {
	if !n.w.script.directory {
		return nil
	}
	return &finding{n: n, over: make(map[uint64]bool)}
}

type finding struct {
	n    *node
	over map[uint64]bool
}

// Begin is part of providers.Finding.
func (f *finding) Begin(id uint64, q providers.Query) {
	w, life := f.n.w, f.n.life
	w.tell("%s asks for %d candidates", f.n, q.Most)
	delay := w.between(0, 2*time.Second)
	for range w.dice.IntN(4) {
		other := pick(w, w.nodes)
		if other == f.n {
			continue
		}
		w.after(w.between(0, delay), func() {
			if f.n.alive && f.n.life == life && !f.over[id] {
				f.n.finder.Found(id, peer.AddrInfo{ID: other.id})
			}
		})
	}
	w.after(delay, func() { f.end(id, life) })
}

// Stop is part of providers.Finding.
func (f *finding) Stop(id uint64) {
	life := f.n.life
	f.n.w.after(time.Millisecond, func() { f.end(id, life) })
}

func (f *finding) end(id uint64, life int) {
	if f.over[id] || !f.n.alive || f.n.life != life {
		return
	}
	f.over[id] = true
	f.n.finder.Ended(id)
}

// restart closes a node, as a process that ends in order, and starts it again
// with the same store.
func (n *node) restart() {
	n.close(func() {
		n.w.after(n.w.between(0, 2*time.Second), func() {
			n.w.tell("%s starts again", n)
			n.start()
			n.login()
		})
	})
}
