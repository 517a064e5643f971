//go:build simulation

package cores

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/client"
	signed "github.com/souk-p2p/souk/providers/record"
	proto "github.com/souk-p2p/souk/providers/wire"
)

// trackers are what a node's directory asks before the others. They are late, refuse,
// know nobody, do not answer at all, or name providers that are not there: whatever
// they do, no want may wait for them.
type trackers struct {
	n    *node
	life int
	subs map[uint64]bool
	news chan struct{}
}

// track gives a node the trackers of the world.
func (n *node) track() {
	t := &trackers{n: n, life: n.life, subs: make(map[uint64]bool), news: make(chan struct{}, 1)}
	t.news <- struct{}{}
	n.finder.Track(t, t, nil)
}

// C is part of providers.Trackers.
func (t *trackers) C() <-chan struct{} { return t.news }

// Take is part of providers.Trackers.
func (t *trackers) Take() (all []client.Tracker) {
	w := t.n.w
	for i := range w.script.trackers {
		c := client.Tracker{AddrInfo: peer.AddrInfo{ID: peer.ID(fmt.Sprint("t", i))}, Latency: w.between(0, time.Second)}
		if w.some(4) {
			c.DownUntil = time.Now().Add(time.Minute)
		}
		all = append(all, c)
	}
	return all
}

// Ask is part of providers.Tracking.
func (t *trackers) Ask(id uint64, tracker peer.ID, q proto.Query) {
	w := t.n.w
	w.tell("%s asks tracker %s for %d rows", t.n, string(tracker), q.K)
	answer, delay := t.answer(q), w.between(0, time.Second)
	if answer == nil {
		delay = w.between(0, 10*time.Second)
	}
	w.after(delay, func() { t.tell(func() { t.n.finder.Answered(id, answer) }) })
}

// answer is what a tracker says, or nil.
func (t *trackers) answer(q proto.Query) *proto.Reply {
	w := t.n.w
	switch w.dice.IntN(5) {
	case 0:
		return nil
	case 1:
		return &proto.Reply{Refusal: &proto.Refusal{Code: proto.CodeRate, RetryAfter: w.between(0, time.Minute)}}
	case 2:
		return &proto.Reply{}
	case 3:
		return &proto.Reply{Rows: []proto.Row{{Record: []byte("anything")}}}
	}
	r := &proto.Reply{Token: []byte(t.n.id)}
	for range min(q.K, 1+w.dice.IntN(8)) {
		r.Rows = append(r.Rows, gone(byte(w.dice.IntN(32)), q.Namespace))
	}
	return r
}

// gone is what one of the providers has signed that are not there any more.
func gone(which byte, namespace signed.Namespace) proto.Row {
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(append(make([]byte, 31), which)))
	if err != nil {
		panic(err) // The key is ours, and so is the record.
	}
	signed, err := signed.Sign(key, signed.Record{
		Namespace: namespace, Issued: time.Now(), TTL: time.Hour, Sequence: 1, Complete: which%2 == 0,
	})
	if err != nil {
		panic(err)
	}
	return proto.Row{Record: signed.Bytes(), Score: proto.Score(which % 4)}
}

// Feedback is part of providers.Tracking.
func (t *trackers) Feedback(tracker peer.ID, f proto.Feedback) {
	t.n.w.tell("%s tells tracker %s of %d peers", t.n, string(tracker), len(f.Peers))
}

// Subscribe is part of providers.Tracking.
func (t *trackers) Subscribe(id uint64, _ peer.ID, _ proto.About) {
	t.subs[id] = true
	t.n.w.after(t.n.w.between(0, 10*time.Second), func() { t.end(id) })
}

// Unsubscribe is part of providers.Tracking.
func (t *trackers) Unsubscribe(id uint64) {
	t.n.w.after(time.Millisecond, func() { t.end(id) })
}

func (t *trackers) end(id uint64) {
	if t.subs[id] {
		delete(t.subs, id)
		t.tell(func() { t.n.finder.Unsubscribed(id) })
	}
}

// tell lets the node hear something, if it still lives.
func (t *trackers) tell(what func()) {
	if t.n.alive && t.n.life == t.life {
		what()
	}
}
