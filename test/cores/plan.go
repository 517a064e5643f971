//go:build simulation

package cores

import (
	"errors"
	"math/rand/v2"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/providers"
)

// Plan is what another simulation decides about a world, in which nothing goes
// wrong by itself. Nodes come into it when they are met.
type Plan struct {
	// Latency is how long a frame takes from one to the other.
	Latency func(a, b peer.ID) time.Duration
	// Dial tells how long it takes to reach a peer, and why it cannot be.
	Dial func(from, to peer.ID) (takes time.Duration, err error)
	// Holds is what a peer has in its store, of all that is asked for here.
	Holds func(p peer.ID) []blocks.Block
	// Directory is told of the directory of each node made of actors, to give it
	// something to ask.
	Directory func(p peer.ID, d *providers.Steps)
	// Wrote is told of each message that somebody hands over to be sent.
	Wrote func(from, to peer.ID, m *message.Message)
	// Engines is how many nodes are made of actors. Those who are met after them
	// are plain records that answer by the engine's rule.
	Engines int
}

// Planned returns a world without nodes. Who made it lets it go on: see
// [World.Settle] and [World.Next].
func Planned(seed uint64, p Plan) *World {
	return &World{
		seed: seed, dice: rand.New(rand.NewPCG(seed, 0x70_6c_61_6e)), began: time.Now(), plan: &p, calm: true,
		script: script{workers: 1}, limit: 100 * mostSteps,
		byID: make(map[peer.ID]*node), wires: make(map[[2]int]*wire), stale: make(map[*node]bool),
	}
}

// Settle lets happen what can happen now.
func (w *World) Settle() error {
	w.awake()
	for w.err == nil && w.step() {
	}
	return w.err
}

// Next is when something is due, or the zero time.
func (w *World) Next() time.Time { return w.next() }

// After lets something happen to a node later.
func (w *World) After(d time.Duration, to peer.ID, do func()) {
	w.after(d, func() {
		do()
		w.byID[to].rouse()
	})
}

// Join adds a node that is connected to peers. Nodes for them are made when it
// first writes to them.
func (w *World) Join(id peer.ID, connected []peer.ID) {
	n := w.arrive(id)
	n.unmet = make(map[peer.ID]network.PeerState, len(connected))
	for _, p := range connected {
		n.epoch++
		n.unmet[p] = network.PeerState{Peer: p, Connected: true, Version: message.V120, Epoch: n.epoch, Generation: n.epoch}
		n.note(n.unmet[p])
	}
}

// Leave ends a peer, and with it its connections.
func (w *World) Leave(id peer.ID) {
	for _, n := range w.nodes {
		if p, connected := n.unmet[id]; connected {
			p.Connected = false
			delete(n.unmet, id)
			n.note(p)
		}
	}
	n := w.byID[id]
	if n == nil || !n.alive {
		return
	}
	for _, x := range w.wires {
		if x.up && (x.ends[0].n == n || x.ends[1].n == n) {
			w.disconnect(x)
		}
	}
	n.alive = false
}

// arrive makes a node, with actors as long as there are few.
func (w *World) arrive(id peer.ID) *node {
	if len(w.nodes) < w.plan.Engines {
		n := newNode(w, len(w.byID), id)
		_ = n.store.PutMany(nothing, w.plan.Holds(id)) // Nothing fails here.
		return n
	}
	n := &node{w: w, i: len(w.byID), id: id, alive: true, record: &record{holds: w.plan.Holds(id)}}
	w.byID[id] = n
	return n
}

// meet is called when a node writes to a peer: one to which it has been connected
// from the beginning is made now.
func (w *World) meet(n *node, p peer.ID, m *message.Message) {
	w.plan.Wrote(n.id, p, m)
	if _, connected := n.unmet[p]; !connected || w.byID[p] != nil {
		return
	}
	delete(n.unmet, p)
	other := w.arrive(p)
	x := w.wire(n, other)
	x.up = true
	x.ends = [2]*end{x.newEnd(n, other), x.newEnd(other, n)}
	for _, e := range x.ends {
		e.told = true
	}
	other.note(x.ends[1].state(true, x.ends[1].generation))
}

var errUnreached = errors.New("nobody answers there")

// reach is what a dial does.
func (w *World) reach(n *node, p peer.ID) {
	takes, err := w.plan.Dial(n.id, p)
	n.dials++
	w.after(takes, func() {
		n.dials--
		other := w.byID[p]
		switch {
		case err == nil && other == nil:
			other = w.arrive(p)
		case err == nil && !other.alive:
			err = errUnreached
		}
		if err == nil {
			w.connect(n, other)
		}
		n.peers.Dialled(p, err)
		n.rouse()
	})
}
