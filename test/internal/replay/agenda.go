package replay

import (
	"container/heap"
	"time"
)

// Agenda is what will happen, the earliest first, and of equal times what was decided
// first. The zero Agenda is empty.
type Agenda struct {
	heap agendaHeap
	nth  int
}

type event struct {
	at  time.Time
	nth int
	do  func()
}

// Push has something happen at a time.
func (a *Agenda) Push(at time.Time, do func()) {
	a.nth++
	heap.Push(&a.heap, event{at, a.nth, do})
}

// Pop takes out what happens next. There must be something.
func (a *Agenda) Pop() (do func()) { return heap.Pop(&a.heap).(event).do }

// Due reports whether something is to happen by now.
func (a *Agenda) Due(now time.Time) bool { return len(a.heap) > 0 && !a.heap[0].at.After(now) }

// Next is when something happens next, or the zero time.
func (a *Agenda) Next() time.Time {
	if len(a.heap) == 0 {
		return time.Time{}
	}
	return a.heap[0].at
}

type agendaHeap []event

func (h agendaHeap) Len() int { return len(h) }

func (h agendaHeap) Less(i, j int) bool {
	if c := h[i].at.Compare(h[j].at); c != 0 {
		return c < 0
	}
	return h[i].nth < h[j].nth
}

func (h agendaHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *agendaHeap) Push(x any) { *h = append(*h, x.(event)) }

func (h *agendaHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = event{}
	*h = (*h)[:last]
	return e
}
