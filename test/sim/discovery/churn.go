//go:build simulation

package discovery

import (
	"maps"
	"slices"
	"time"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
)

// happen lets an event happen, unless what it is for has left meanwhile.
func (w *World) happen(e event) {
	switch e.kind {
	case trackerEnds:
		w.lose(w.inOrder[e.who])
	case trackerRestarts:
		w.restart(w.inOrder[e.who])
	case comesBack:
		w.comeBack(e.who)
	case endsForEver:
		w.leave(e.who)
	case starts:
		if p := &w.people[e.who]; p.up && p.life == e.life {
			w.tell(e.who)
		}
	case looks:
		if t := w.tellers[e.who]; t != nil && t.due == w.wheel.now {
			t.run()
		}
	default:
		if p := &w.people[w.holdings[e.who].peer]; p.up && p.life == e.life {
			w.refresh(e)
		}
	}
}

// refresh tells trackers of a holding.
func (w *World) refresh(e event) {
	switch e.kind {
	case announces:
		w.announce(e.who)
		w.touchLater(e.who, w.below(ttl/2)) // As if it had been announced at any time before.
	case touches:
		w.touch(e.who)
		w.touchLater(e.who, ttl*4/10+w.below(ttl/10))
	case repeats:
		w.announce(e.who)
	}
}

// churn lets as many peers leave as do in a tick.
func (w *World) churn() {
	w.leaving += churn * float64(w.up) * tick.Minutes()
	for ; w.leaving >= 1; w.leaving-- {
		who := uint32(w.dice.IntN(len(w.people)))
		for !w.people[who].up {
			who = uint32(w.dice.IntN(len(w.people)))
		}
		if w.fetches.busy(who) {
			continue
		}
		w.leave(who)
		if !w.people[who].ends {
			w.wheel.after(time.Duration(w.dice.ExpFloat64()*float64(away)), event{who: who, kind: comesBack})
		}
	}
}

// leave ends a peer without a word to anybody.
func (w *World) leave(who uint32) {
	p := &w.people[who]
	if !p.up {
		return
	}
	p.up = false
	p.life++
	delete(w.tellers, who)
	w.up--
	for _, f := range w.fetches {
		f.world.Leave(p.id)
	}
	if p.ends {
		w.teachLiars(who)
	}
}

// teachLiars gives liars what they show: records of somebody who is gone for ever.
func (w *World) teachLiars(who uint32) {
	for h := w.people[who].first; h >= 0; h = w.holdings[h].next {
		x := &w.holdings[h]
		for _, t := range w.inOrder {
			if t.liar && x.kind == whole {
				t.lies[x.name()] = append(t.lies[x.name()], w.sign(x, time.Now()))
			}
		}
	}
}

// comeBack starts a peer again, which announces what it has.
func (w *World) comeBack(who uint32) {
	p := &w.people[who]
	p.up = true
	w.up++
	w.announceAll(who, time.Second)
}

// announceAll lets a peer announce what it has, some time soon.
func (w *World) announceAll(who uint32, within time.Duration) {
	p := &w.people[who]
	if w.Announcers && p.first >= 0 {
		w.wheel.after(w.below(within), event{who, p.life, starts})
		return
	}
	for h := p.first; h >= 0; h = w.holdings[h].next {
		w.wheel.after(w.below(within), event{uint32(h), p.life, announces})
	}
}

// lose ends a tracker. Who has announced to it notices that the connection is
// lost.
func (w *World) lose(t *server) {
	homeless := w.announcersTo(t)
	t.up = false
	w.repeat(t, homeless)
}

// restart ends a tracker that is back at once, with nothing.
func (w *World) restart(t *server) {
	t.steps = w.newTracker()
	t.records, t.rows = 0, 0
	w.repeat(t, w.announcersTo(t))
}

// announcersTo are the holdings of peers that are up for which a tracker is one of
// those that they are announced to.
func (w *World) announcersTo(t *server) []uint32 {
	var all []uint32
	for space, holdings := range w.spaces {
		wide := slices.Contains(w.top(tracker.Place{Namespace: string(spaceName(space))}), t)
		for _, h := range holdings {
			x := &w.holdings[h]
			if w.people[x.peer].up && (x.kind == narrow && slices.Contains(w.homes(x), t) || x.kind != narrow && wide) {
				all = append(all, h)
			}
		}
	}
	return all
}

// repeat lets holdings be announced again because a tracker was lost, in half a
// minute so that it is not overrun. The product's announcers see to it themselves.
func (w *World) repeat(t *server, holdings []uint32) {
	t.lost++
	if w.Announcers {
		for _, who := range slices.Sorted(maps.Keys(w.tellers)) {
			w.tellers[who].note()
			w.tellers[who].run()
		}
		return
	}
	for _, h := range holdings {
		w.wheel.after(w.below(30*time.Second), event{h, w.people[w.holdings[h].peer].life, repeats})
	}
}

func (x *holding) name() record.Namespace { return spaceName(int(x.space)) }
