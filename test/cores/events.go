//go:build simulation

package cores

import (
	"container/heap"
	"time"
)

// events are what will happen, the earliest first, and of equal times what was
// decided first.
type events struct {
	heap eventHeap
	nth  int
}

type event struct {
	at  time.Time
	nth int
	do  func()
}

func (e *events) push(at time.Time, do func()) {
	e.nth++
	heap.Push(&e.heap, event{at, e.nth, do})
}

func (e *events) pop() event { return heap.Pop(&e.heap).(event) }

func (e *events) due(now time.Time) bool { return len(e.heap) > 0 && !e.heap[0].at.After(now) }

func (e *events) next() time.Time {
	if len(e.heap) == 0 {
		return time.Time{}
	}
	return e.heap[0].at
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }

func (h eventHeap) Less(i, j int) bool {
	if c := h[i].at.Compare(h[j].at); c != 0 {
		return c < 0
	}
	return h[i].nth < h[j].nth
}

func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *eventHeap) Push(x any) { *h = append(*h, x.(event)) }

func (h *eventHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = event{}
	*h = (*h)[:last]
	return e
}
