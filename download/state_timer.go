package download

import (
	"cmp"
	"container/heap"
	"time"
)

// timed is what waits for a time.
type timed interface {
	timer() *timing
	// rang is told when the time has come. It may set another.
	rang(s *state, now time.Time)
}

// timing is the time that something waits for.
type timing struct {
	in   *timers // nil when none is set
	slot int     // there
	at   time.Time
	nth  uint64 // of all that were set: equal times ring in the order in which they were set
}

// timers are times that are waited for.
type timers struct {
	waiting timerHeap
	nth     uint64
}

// set has something ring at a time, in place of any other.
func (t *timers) set(w timed, at time.Time) {
	own := w.timer()
	t.nth++
	if own.in == t {
		own.at, own.nth = at, t.nth
		heap.Fix(&t.waiting, own.slot)
		return
	}
	stop(w)
	own.in, own.at, own.nth = t, at, t.nth
	heap.Push(&t.waiting, w)
}

// stop takes away the timer of something, if there is one.
func stop(w timed) {
	if own := w.timer(); own.in != nil {
		heap.Remove(&own.in.waiting, own.slot)
		own.in = nil
	}
}

// first is what rings first, or nil.
func (t *timers) first() timed {
	if len(t.waiting) == 0 {
		return nil
	}
	return t.waiting[0]
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

// timerHeap is ordered by time.
type timerHeap []timed

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	a, b := h[i].timer(), h[j].timer()
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.nth, b.nth)) < 0
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].timer().slot, h[j].timer().slot = i, j
}

func (h *timerHeap) Push(w any) {
	t := w.(timed)
	t.timer().slot = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	w := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return w
}
