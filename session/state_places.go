package session

import (
	"slices"
	"time"
)

// pausing is a want for whose answers the search waits.
type pausing struct {
	want  *wanted
	round uint32 // it is over when the want is in a later one
	until time.Time
}

func newSearch() search {
	return search{fresh: &places{name: fresh}, owed: &places{name: owed}, spent: &places{name: spent}}
}

func (f *search) waiting() int { return f.fresh.live + f.owed.live + f.spent.live }

// left notes that a want is no longer sought.
func (f *search) left(w *wanted) {
	if w.stage != seeking {
		return
	}
	f.list(w.place).remove(w)
	if f.waiting() == 0 {
		f.rotateAt, f.settleAt = time.Time{}, time.Time{}
	}
}

func (f *search) move(w *wanted, to *places) {
	f.list(w.place).remove(w)
	to.add(w)
}

func (f *search) list(name list) *places {
	return [...]*places{fresh: f.fresh, owed: f.owed, spent: f.spent}[name]
}

// renew lets wants be asked about again because there is somebody new to ask.
func (f *search) renew() {
	for _, w := range f.spent.all() {
		f.move(w, f.fresh)
	}
}

func (f *search) beginRound(w *wanted) {
	if !w.inRound {
		w.inRound = true
		f.rounds++
	}
}

func (f *search) endRound(w *wanted) {
	if w.inRound {
		w.inRound = false
		f.rounds--
	}
}

func (f *search) probe(w *wanted) {
	if !w.probed {
		w.probed = true
		f.probes++
	}
}

func (f *search) forget(w *wanted) {
	f.left(w)
	f.endRound(w)
	if w.probed {
		w.probed = false
		f.probes--
	}
}

// await arms the deadline for the answers about w.
func (f *search) await(w *wanted, until time.Time) {
	w.round++
	f.pauses = append(f.pauses, pausing{w, w.round, until})
}

// list names one of the lists of the search.
type list uint8

const (
	nowhere list = iota
	fresh        // to be asked about
	owed         // about which a peer still owes an answer
	spent        // about which everybody in use was asked
)

// places is a list of wants that are sought, in the order in which they came.
// Wants leave it lazily.
type places struct {
	name  list
	items []place
	live  int
}

type place struct {
	want   *wanted
	ticket uint32
}

func (l *places) add(w *wanted) {
	if len(l.items) > 64 && len(l.items) > 2*l.live {
		l.items = slices.DeleteFunc(l.items, func(p place) bool { return !l.holds(p) })
	}
	w.place = l.name
	w.ticket++
	l.items = append(l.items, place{w, w.ticket})
	l.live++
}

func (l *places) remove(w *wanted) {
	w.place = nowhere
	if l.live--; l.live == 0 {
		l.items = nil // A slice keeps all that was ever in front of it.
	}
}

func (l *places) holds(p place) bool { return p.want.place == l.name && p.want.ticket == p.ticket }

// first returns the want that came first, or nil.
func (l *places) first() *wanted {
	for len(l.items) > 0 {
		if p := l.items[0]; l.holds(p) {
			return p.want
		}
		l.items[0] = place{}
		l.items = l.items[1:]
	}
	return nil
}

// all returns the wants in order, in a slice of their own.
func (l *places) all() []*wanted {
	ws := make([]*wanted, 0, l.live)
	for _, p := range l.items {
		if l.holds(p) {
			ws = append(ws, p.want)
		}
	}
	return ws
}
