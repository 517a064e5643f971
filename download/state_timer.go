package download

import (
	"cmp"
	"time"

	"github.com/souk-p2p/souk/internal/table"
)

// timed is what waits for a time.
type timed interface {
	timer() *timing
	// rang is told when the time has come. It may set another.
	rang(s *state, now time.Time)
}

// timing is the time that something waits for.
type timing struct {
	in    *timers // nil when none is set
	place int     // there
	at    time.Time
	nth   uint64 // of all that were set: equal times ring in the order in which they were set
}

// timers are times that are waited for. Make them with [newTimers].
type timers struct {
	waiting table.Heap[timed]
	nth     uint64
}

func newTimers() *timers {
	return &timers{waiting: table.NewHeap(
		func(a, b timed) bool { return a.timer().before(b.timer()) },
		func(w timed, place int) { w.timer().place = place },
	)}
}

func (t *timing) before(o *timing) bool {
	return cmp.Or(t.at.Compare(o.at), cmp.Compare(t.nth, o.nth)) < 0
}

// set has something ring at a time, in place of any other.
func (t *timers) set(w timed, at time.Time) {
	own := w.timer()
	if own.in != t {
		stop(w)
	}
	t.nth++
	own.at, own.nth = at, t.nth
	if own.in == t {
		t.waiting.Fix(own.place)
		return
	}
	own.in = t
	t.waiting.Push(w)
}

// stop takes away the timer of something, if there is one.
func stop(w timed) {
	if own := w.timer(); own.in != nil {
		own.in.waiting.Remove(own.place)
		own.in = nil
	}
}

// first is what rings first, or nil.
func (t *timers) first() timed {
	if t.waiting.Len() == 0 {
		return nil
	}
	return t.waiting.Top()
}

// next is when something rings, or the zero time.
func (t *timers) next() time.Time {
	if w := t.first(); w != nil {
		return w.timer().at
	}
	return time.Time{}
}

// ring lets ring what is due.
func (t *timers) ring(s *state, now time.Time) {
	for w := t.first(); w != nil && !w.timer().at.After(now); w = t.first() {
		stop(w)
		w.rang(s, now)
	}
}
