//go:build simulation

package discovery

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/announcer"
	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// teller is the product's announcer of one peer, and what stands between that and
// the trackers. An answer takes no time: nothing depends on how long it takes.
type teller struct {
	w       *World
	who     uint32
	steps   *announcer.Steps
	list    []actor.Step
	calls   []announcer.Call
	down    map[peer.ID]time.Time
	changed chan struct{}
	due     int // the tick at which it is looked at next; 0 for none
}

// tell starts the announcer of a peer, which announces all that it holds.
func (w *World) tell(who uint32) {
	t := &teller{w: w, who: who, down: make(map[peer.ID]time.Time), changed: make(chan struct{}, 1)}
	t.changed <- struct{}{}
	t.steps = announcer.NewSteps(announcer.Config{
		Self: w.people[who].id, Key: w.keys.of(int(who)), Set: t, Seed: w.dice.Uint64(),
		Addrs: func() []multiaddr.Multiaddr { return addrs(who) },
	}, func(c announcer.Call) { t.calls = append(t.calls, c) })
	t.list = t.steps.List()
	w.tellers[who] = t
	for _, h := range w.of(who) {
		x := &w.holdings[h]
		held := announcer.Holding{Ranges: x.ranges(), Complete: x.kind != patchy, TTL: ttl}
		if err := t.steps.Hold(x.name(), held); err != nil {
			panic(err) // A holding of our own.
		}
		t.run() // Makes room.
	}
}

// C is part of announcer.Set, as Take is.
func (t *teller) C() <-chan struct{} { return t.changed }

func (t *teller) Take() []client.Tracker {
	var all []client.Tracker
	for _, s := range t.w.inOrder {
		all = append(all, client.Tracker{AddrInfo: peer.AddrInfo{ID: s.id}, DownUntil: t.down[s.id], Lost: s.lost})
	}
	return all
}

// note tells the announcer that a tracker has changed.
func (t *teller) note() {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// run lets the announcer do what it can do now.
func (t *teller) run() {
	for t.step() || t.call() {
	}
	if wake := t.steps.Wake(); !wake.IsZero() {
		t.due = t.w.wheel.after(time.Until(wake)+tick, event{who: t.who, kind: looks})
	}
}

func (t *teller) step() bool {
	for _, s := range t.list {
		if s.Ready() {
			s.Do()
			return true
		}
	}
	return false
}

// call makes one of the calls that have begun.
func (t *teller) call() bool {
	if len(t.calls) == 0 {
		return false
	}
	c := t.calls[0]
	t.calls = t.calls[1:]
	s := t.w.servers[c.Tracker]
	if !s.up {
		t.down[s.id] = time.Now().Add(down)
		t.note()
		t.steps.Ended(c.ID, nil, errSilence)
		return true
	}
	delete(t.down, s.id)
	t.steps.Ended(c.ID, t.ask(s, c), nil)
	return true
}

func (t *teller) ask(s *server, c announcer.Call) []wire.Refusal {
	now, id := time.Now(), t.w.people[t.who].id
	if c.Record != nil {
		signed, err := record.Parse(c.Record)
		if err != nil {
			panic(err) // The announcer has just signed it.
		}
		return s.announce(now, t.who, id, c.Record, rowsOf(signed.Record().Ranges))
	}
	return s.answer(now, t.who, id, &wire.Touch{ID: 1, Rows: c.Touch}).(*wire.Receipt).Refusals
}

// rowsOf is how many rows a record makes.
func rowsOf(r record.Ranges) (rows int) {
	if !r.Narrow() {
		return 1
	}
	for range r.Shards() {
		rows++
	}
	return rows
}
