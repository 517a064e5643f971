//go:build simulation

package discovery

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/wire"
)

// asker is between the directory of a node and the trackers, as the product's
// client is: it knows which are up, and how long they take.
type asker struct {
	f         *fetch
	directory *providers.Steps
	known     map[peer.ID]*client.Tracker
	changed   chan struct{}
	last      wire.RequestID
}

// track lets the directory of the node that fetches ask trackers.
func (a *asker) track(p peer.ID, d *providers.Steps) {
	if p != a.f.id {
		return
	}
	a.directory, a.known, a.changed = d, make(map[peer.ID]*client.Tracker), make(chan struct{}, 1)
	for _, id := range a.f.w.trackers {
		a.known[id] = &client.Tracker{AddrInfo: peer.AddrInfo{ID: id}}
	}
	a.changed <- struct{}{}
	d.Track(a, a, a.f.w.keys.verify)
}

// C is part of providers.Trackers, as Take is.
func (a *asker) C() <-chan struct{} { return a.changed }

func (a *asker) Take() []client.Tracker {
	var all []client.Tracker
	for _, id := range a.f.w.trackers {
		all = append(all, *a.known[id])
	}
	return all
}

func (a *asker) note() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// giveUp is how long the directory lets the client wait for an answer, and down
// how long a tracker that did not answer is not asked.
const giveUp, down = 2 * time.Second, time.Second

// Ask is part of providers.Tracking, as the others are. The first contact takes a
// round trip more, for the connection.
func (a *asker) Ask(id uint64, tracker peer.ID, q wire.Query) {
	f, t := a.f, a.f.w.servers[tracker]
	f.Queries++
	f.tell("asks tracker %d for %d", t.who, q.K)
	a.last++
	q.ID = a.last
	way := f.w.latency(f.who, t.who)
	there := way
	if a.known[tracker].Latency == 0 {
		there = 3 * way
	}
	f.world.After(there, f.id, func() {
		if !t.up {
			f.world.After(t.silence(way), f.id, func() { a.failed(id, tracker) })
			return
		}
		reply := t.answer(time.Now(), f.who, f.id, &q).(*wire.Reply)
		f.world.After(way, f.id, func() { a.answered(id, tracker, 2*way, reply) })
	})
}

// silence is how long it takes to see that a tracker is gone: half of them have a
// machine that says so.
func (t *server) silence(way time.Duration) time.Duration {
	if t.who%2 == 0 {
		return way
	}
	return giveUp
}

func (a *asker) answered(id uint64, tracker peer.ID, took time.Duration, reply *wire.Reply) {
	a.f.tell("tracker %d names %d", a.f.w.servers[tracker].who, len(reply.Rows))
	if len(reply.Rows) > 0 {
		a.f.named()
	}
	a.known[tracker].Latency = took
	a.note()
	a.directory.Answered(id, reply)
}

func (a *asker) failed(id uint64, tracker peer.ID) {
	a.known[tracker].DownUntil = time.Now().Add(down)
	a.note()
	a.directory.Answered(id, nil)
}

func (a *asker) Feedback(tracker peer.ID, m wire.Feedback) {
	a.f.tell("judges %v", m.Peers)
	f, t := a.f, a.f.w.servers[tracker]
	f.world.After(f.w.latency(f.who, t.who), f.id, func() {
		if t.up {
			t.answer(time.Now(), f.who, f.id, &m)
		}
	})
}

// Subscribe is never called: a fetch does not watch.
func (a *asker) Subscribe(uint64, peer.ID, wire.About) { panic("a fetch watches") }

// Unsubscribe is never called either.
func (a *asker) Unsubscribe(uint64) { panic("a fetch watches") }
