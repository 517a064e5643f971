package client

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
)

// Watch gives one follower the set of trackers and how they are.
type Watch struct {
	c       *Client
	changed chan struct{}
}

// Watch returns a new follower, whose C delivers at once. It must be called before
// [Client.Start], and panics after that.
func (c *Client) Watch() *Watch {
	if c.started {
		panic("client: Watch after Start")
	}
	w := &Watch{c: c, changed: make(chan struct{}, 1)}
	w.note()
	c.watches = append(c.watches, w)
	return w
}

// C delivers when something has changed since the last Take. It is never closed.
func (w *Watch) C() <-chan struct{} { return w.changed }

// Take returns the whole set, in the order of the ids. It belongs to the caller.
func (w *Watch) Take() []Tracker { return w.c.Trackers() }

func (w *Watch) note() {
	select {
	case w.changed <- struct{}{}:
	default: // It has not looked since the last change.
	}
}

// Trackers returns the whole set, in the order of the ids. It belongs to the
// caller. It never waits for the actor.
func (c *Client) Trackers() []Tracker {
	set := slices.Clone(*c.set.Get())
	for i := range set {
		set[i].Addrs = slices.Clone(set[i].Addrs)
	}
	return set
}

// partings is who has disconnected. libp2p waits for who notes it, so it has a place
// for each tracker, which is full or empty, and nobody waits for anybody.
type partings struct {
	places actor.Snapshot[map[peer.ID]chan struct{}] // nobody changes the map
	some   chan struct{}
}

func newPartings() *partings { return &partings{some: make(chan struct{}, 1)} }

// note notes that the last connection to a peer has closed, if it is a tracker. Any
// goroutine may call it.
func (p *partings) note(id peer.ID) {
	places := p.places.Get()
	if places == nil {
		return // Nothing was reached yet.
	}
	place := (*places)[id]
	if place == nil {
		return
	}
	for _, c := range []chan struct{}{place, p.some} {
		select {
		case c <- struct{}{}:
		default: // It was noted, and not taken yet.
		}
	}
}

// C delivers when there is something to take.
func (p *partings) C() <-chan struct{} { return p.some }

// take gives lost who has disconnected since it was last called.
func (p *partings) take(lost func(peer.ID)) {
	for id, place := range *p.places.Get() {
		select {
		case <-place:
			lost(id)
		default:
		}
	}
}

// follow has a place for each tracker of a set.
func (p *partings) follow(set []*line) {
	var had map[peer.ID]chan struct{}
	if before := p.places.Get(); before != nil {
		had = *before
	}
	places := make(map[peer.ID]chan struct{}, len(set))
	for _, l := range set {
		if places[l.info.ID] = had[l.info.ID]; places[l.info.ID] == nil {
			places[l.info.ID] = make(chan struct{}, 1)
		}
	}
	p.places.Set(&places)
}
