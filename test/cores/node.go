//go:build simulation

package cores

import (
	"slices"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/blockrouter"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/engine"
	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/peerrouter"
	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/wantmanager"
)

// node is the actors of one exchange, and its place in the world.
type node struct {
	w      *World
	i      int
	id     peer.ID
	shelf  *shelf
	store  *blockstore.Staged
	nature nature
	lied   bool    // is no honest node, or was none
	record *record // in place of actors; nil for a node that has them

	asleep   bool      // has nothing to do until something happens
	due      time.Time // or until then, if it is not zero
	alive    bool
	closing  bool
	life     int // how often it has ended
	watches  []*network.Watch
	unmet    map[peer.ID]network.PeerState // that it is connected to, and of which there is no node yet
	ledger   *ledger.Steps
	peers    *peerrouter.Steps
	blocks   *blockrouter.Steps
	wants    *wantmanager.Steps
	engine   *engine.Steps
	finder   *providers.Steps
	trackers *trackers // nil where somebody else plays them
	actors   []named

	sessions []*user
	epoch    uint64 // the last that was given to a peer
	owed     int    // answers that were not released
	holds    map[hold]int
	dials    int // under way

	acked      []blocks.Block // that were put
	announcing int            // of those, the ones that the routers were not told of yet
}

// named is an actor with its steps.
type named struct {
	name  string
	list  []actor.Step
	audit func() error
	wake  func() time.Time // nil when it sleeps for ever
	ready func() bool      // nil when it is not held up by others
}

type hold struct {
	peer peer.ID
	tag  string
}

// newNode adds a node to the world.
func newNode(w *World, i int, id peer.ID) *node {
	n := &node{w: w, i: i, id: id, shelf: newShelf(w), nature: w.script.nature(w, i)}
	n.lied = n.nature.kind != honest
	n.store = blockstore.NewStaged(blockstore.New(n.shelf))
	n.start()
	w.nodes, w.byID[id] = append(w.nodes, n), n
	return n
}

func (n *node) String() string { return string(n.id) }

// start makes the actors, as the root package does.
func (n *node) start() {
	n.alive, n.watches, n.holds, n.owed, n.dials = true, nil, make(map[hold]int), 0, 0
	script := n.w.script
	n.ledger = ledger.NewSteps(ledger.Config{})
	known := n.ledger.Port("peerrouter")
	n.peers = peerrouter.NewSteps(peerrouter.Config{
		Peers: n.watch(), Dialer: nil,
		Known: func(p peer.ID, connected bool) { known.Record(ledger.Connected(p, connected)) },
	}, n.dial)
	var err error
	n.engine, err = engine.NewSteps(engine.Config{
		Sender: n, Peers: n.watch(), Store: n.store, Ledger: n.ledger.Port("engine"), Scores: n.ledger.Scores,
		Limits: script.limits, Workers: script.workers, Seed: n.w.seed + uint64(n.i),
	})
	if err != nil {
		panic(err) // The configuration is ours.
	}
	n.blocks = blockrouter.NewSteps(blockrouter.Config{
		Store: n.store, Stage: n.store, Available: n.available, Record: n.ledger.Port("blockrouter").Record,
		StoreBytes: script.storeBytes, WithoutStoring: script.forgetful && n.i%5 == 4,
	})
	n.wants = wantmanager.NewSteps(wantmanager.Config{
		Peers: n.watch(), Sender: n, Record: n.ledger.Port("wantmanager").Record,
		SessionBytes: script.sessionBytes, NodeBytes: 2 * script.sessionBytes,
	})
	n.finder = providers.NewSteps(providers.Config{Peers: n.watch(), Self: n.id, Seed: n.w.seed + uint64(n.i) + 1}, n.finding())
	if n.w.plan != nil {
		n.w.plan.Directory(n.id, n.finder)
	} else {
		n.track()
	}
	n.actors = []named{
		{"ledger", n.ledger.List(), fine, n.ledger.Wake, nil},
		{"peerrouter", n.peers.List(), n.peers.Audit, n.peers.Wake, nil},
		{"engine", n.slowed(n.engine.List(), []string{"work"}, []string{"result"}), n.engine.Audit, n.engine.Wake, nil},
		{"blockrouter", n.slowed(n.blocks.List(), []string{"look up", "store"}, []string{"looked up", "stored"}), n.blocks.Audit, nil, nil},
		{"wantmanager", n.wants.List(), n.wants.Audit, n.wants.Wake, nil},
		{"providers", n.finder.List(), n.finder.Audit, n.finder.Wake, nil},
	}
	if n.trackers != nil {
		c := n.trackers.client
		n.actors = append(n.actors, named{"trackers", c.List(), c.Audit, c.Wake, nil})
	}
}

func fine() error { return nil }

// slowed makes the steps that use the store wait for it: it looks, and some time
// after that it answers.
func (n *node) slowed(list []actor.Step, asking, answers []string) []actor.Step {
	for i := range list {
		s := &list[i]
		switch ready, do := s.Ready, s.Do; {
		case slices.Contains(asking, s.Name):
			s.Ready = func() bool { return ready() && !n.shelf.slow() }
			s.Do = func() { do(); n.race(n.shelf.ponder()) }
		case slices.Contains(answers, s.Name):
			s.Ready = func() bool { return ready() && !n.shelf.slow() }
		}
	}
	return list
}

func (n *node) watch() *network.Watch {
	w := network.NewWatch()
	n.watches = append(n.watches, w)
	return w
}

// note tells every follower the state of a peer.
func (n *node) note(s network.PeerState) {
	n.w.tell("%s learns that %s is connected: %t, generation %d, epoch %d", n, string(s.Peer), s.Connected, s.Generation, s.Epoch)
	n.rouse()
	for _, w := range n.watches {
		w.Note(s)
	}
}

// available is what the root package does between the blockrouter and the engine.
func (n *node) available(bs []blocks.Block) {
	sized := make([]network.Sized, len(bs))
	for i, b := range bs {
		sized[i] = network.Sized{CID: b.Cid(), Size: len(b.RawData())}
	}
	n.engine.Available().Publish(sized...)
}

// step lets one of the actors, sessions or readers take one step, if any can.
func (n *node) step() bool {
	if !n.alive {
		return false
	}
	total := len(n.actors) + len(n.sessions)
	first := n.w.dice.IntN(total)
	for i := range total {
		at := (first + i) % total
		if at >= len(n.actors) {
			if n.sessions[at-len(n.actors)].step() {
				return true
			}
		} else if n.stepOf(n.actors[at]) {
			return true
		}
	}
	return false
}

func (n *node) stepOf(a named) bool {
	if a.ready != nil && !a.ready() {
		return false
	}
	first := n.w.dice.IntN(len(a.list))
	for i := range a.list {
		if s := a.list[(first+i)%len(a.list)]; s.Ready() {
			n.w.take(n, a, s)
			return true
		}
	}
	return false
}

// sleep lets a node rest that has nothing to do.
func (n *node) sleep() { n.asleep, n.due = true, n.wake() }

// rouse is called when something has happened to a node.
func (n *node) rouse() {
	n.asleep = false
	n.w.stale[n] = true
}

// wake is when something of the node is due that is not due yet. What is due and
// held up by something else has its time when that has.
func (n *node) wake() time.Time {
	if !n.alive {
		return time.Time{}
	}
	var at time.Time
	for _, a := range n.actors {
		if a.wake != nil {
			at = due.First(at, a.wake())
		}
	}
	for _, u := range n.sessions {
		at = due.First(at, u.wake())
	}
	if n.shelf.slow() {
		at = due.First(at, n.shelf.until)
	}
	if !at.IsZero() && !at.After(time.Now()) {
		return time.Now().Add(time.Millisecond)
	}
	return at
}

// room reports whether a session may take a step: what it sends in one goes into
// inboxes of 64.
func (n *node) room() bool {
	return n.peers.Depth() <= 8 && n.blocks.Depth() <= 8 && n.finder.Depth() <= 8 && n.wants.Depth() <= 8
}

// Hold is part of wantmanager.Sender.
func (n *node) Hold(p peer.ID, tag string) { n.holds[hold{p, tag}]++ }

// Release is part of wantmanager.Sender.
func (n *node) Release(p peer.ID, tag string) {
	h := hold{p, tag}
	if n.holds[h]--; n.holds[h] < 0 {
		n.w.fail("%s releases %s more often than it holds it", n, p)
	}
	if n.holds[h] == 0 {
		delete(n.holds, h)
	}
}
