//go:build simulation

package cores

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/souk-p2p/souk/providers/client"
	signed "github.com/souk-p2p/souk/providers/record"
	proto "github.com/souk-p2p/souk/providers/wire"
)

// trackers are what a node's directory asks before the others, through the node's
// client of trackers. They are late, refuse, know nobody, do not answer at all, lie,
// cut streams, or name providers that are not there: whatever they do, no want may
// wait for them.
type trackers struct {
	n       *node
	life    int
	client  *client.Steps
	subs    map[uint64]*client.Call
	streams map[uint64]bool // that are open
	part    func(peer.ID)
}

// track gives a node the trackers of the world.
func (n *node) track() {
	t := &trackers{n: n, life: n.life, subs: make(map[uint64]*client.Call), streams: make(map[uint64]bool)}
	cfg := client.Config{Network: t, Self: n.id, Seed: n.w.seed + uint64(n.i) + 1}
	for i := range n.w.script.trackers {
		cfg.Pinned = append(cfg.Pinned, peer.AddrInfo{ID: peer.ID(fmt.Sprint("t", i))})
	}
	t.client = client.NewSteps(cfg, t)
	n.trackers = t
	n.finder.Track(t, t.client.Watch(), nil)
}

// patienceForTrackers is how long a directory waits for the answer of a tracker.
const patienceForTrackers = 2 * time.Second

// Ask is part of providers.Tracking.
func (t *trackers) Ask(id uint64, tracker peer.ID, q proto.Query) {
	t.n.w.tell("%s asks tracker %s for %d rows", t.n, string(tracker), q.K)
	call := t.client.Call(tracker, &q, nil, func(m proto.Message, err error) {
		reply, _ := m.(*proto.Reply)
		t.n.finder.Answered(id, reply)
	}, nil)
	t.leaves(call)
}

// leaves has a call given up when it takes too long.
func (t *trackers) leaves(call *client.Call) {
	t.n.w.after(patienceForTrackers, func() { t.tell(func() { call.Leave(true, context.DeadlineExceeded) }) })
}

// Feedback is part of providers.Tracking.
func (t *trackers) Feedback(tracker peer.ID, f proto.Feedback) {
	t.n.w.tell("%s tells tracker %s of %d peers", t.n, string(tracker), len(f.Peers))
	t.leaves(t.client.Call(tracker, &f, nil, func(proto.Message, error) {}, nil))
}

// Subscribe is part of providers.Tracking.
func (t *trackers) Subscribe(id uint64, tracker peer.ID, about proto.About) {
	t.subs[id] = t.client.Call(tracker, &proto.Subscribe{About: about}, nil, func(proto.Message, error) {
		delete(t.subs, id)
		t.n.finder.Unsubscribed(id)
	}, func(n proto.Notify) { t.n.finder.Noticed(id, n) })
}

// Unsubscribe is part of providers.Tracking.
func (t *trackers) Unsubscribe(id uint64) {
	if call := t.subs[id]; call != nil {
		call.Leave(false, context.Canceled)
	}
}

// OnDisconnect is part of client.Network.
func (t *trackers) OnDisconnect(f func(peer.ID)) { t.part = f }

// Hold is part of client.Network.
func (t *trackers) Hold(p peer.ID, tag string) { t.n.Hold(p, tag) }

// Release is part of client.Network.
func (t *trackers) Release(p peer.ID, tag string) { t.n.Release(p, tag) }

// OpenDuplex is part of client.Network, of which a client without goroutines asks
// only the rest.
func (t *trackers) OpenDuplex(context.Context, peer.AddrInfo, protocol.ID) (client.Stream, error) {
	return nil, errCut
}

var errCut = errors.New("the stream was cut")

// Open is part of client.Streams.
func (t *trackers) Open(id uint64, to peer.AddrInfo) {
	w := t.n.w
	var err error
	if w.some(6) {
		err = errCut
	}
	w.after(t.slow(time.Second), func() {
		t.tell(func() {
			t.streams[id] = err == nil
			t.client.Opened(id, err)
			if err == nil && w.some(3) {
				t.cuts(id, to.ID)
			}
		})
	})
}

// slow is how long something takes that takes no more than usual, as a rule, and
// sometimes longer than anybody waits.
func (t *trackers) slow(usual time.Duration) time.Duration {
	if t.n.w.some(4) {
		usual = 2 * patienceForTrackers
	}
	return t.n.w.between(0, usual)
}

// cuts has a stream end some time, with its connection or without.
func (t *trackers) cuts(id uint64, tracker peer.ID) {
	w := t.n.w
	cause, parts := pick(w, []error{client.ErrEnded, errCut}), w.some(2)
	w.after(w.between(0, 20*time.Second), func() {
		t.tell(func() {
			if t.streams[id] {
				t.client.Cut(id, cause)
			}
			if parts {
				t.part(tracker)
			}
		})
	})
}

// Write is part of client.Streams.
func (t *trackers) Write(id uint64, frames []byte) {
	w := t.n.w
	w.after(t.slow(10*time.Millisecond), func() { t.says(id, func() { t.client.Wrote(id) }) })
	for in := proto.NewReader(bytes.NewReader(frames), proto.Client); ; {
		m, err := in.Next()
		if err != nil {
			return // That was all of them.
		}
		t.hear(id, m)
	}
}

// hear is a tracker that gets a request.
func (t *trackers) hear(id uint64, m proto.Message) {
	w := t.n.w
	switch m := m.(type) {
	case *proto.Query:
		answer, delay := t.answer(*m), w.between(0, time.Second)
		if answer == nil {
			return
		}
		if answer.ID = m.ID; w.some(30) {
			answer.ID++
		}
		w.after(delay, func() { t.says(id, func() { t.client.Heard(id, answer) }) })
	case *proto.Subscribe:
		receipt := &proto.Receipt{ID: m.ID}
		if w.some(4) {
			receipt.Refusals = []proto.Refusal{{Code: proto.CodeRate}}
		}
		w.after(w.between(0, time.Second), func() { t.says(id, func() { t.client.Heard(id, receipt) }) })
		for range w.dice.IntN(4) {
			rows := []proto.Row{gone(byte(w.dice.IntN(32)), m.Namespace)}
			w.after(w.between(time.Second, time.Minute), func() {
				t.says(id, func() { t.client.Heard(id, &proto.Notify{ID: m.ID, Rows: rows}) })
			})
		}
	}
}

// Rest is part of client.Streams.
func (t *trackers) Rest(id uint64) {
	w := t.n.w
	if !w.some(4) {
		w.after(w.between(0, 10*time.Second), func() { t.says(id, func() { t.client.Cut(id, client.ErrEnded) }) })
	}
}

// End is part of client.Streams.
func (t *trackers) End(id uint64) { delete(t.streams, id) }

// says lets the client hear something of a stream, if that is still open.
func (t *trackers) says(id uint64, what func()) {
	t.tell(func() {
		if t.streams[id] {
			what()
		}
	})
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

// tell lets the node hear something, if it still lives.
func (t *trackers) tell(what func()) {
	if t.n.alive && t.n.life == t.life {
		what()
	}
}
