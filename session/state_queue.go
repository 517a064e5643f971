package session

import (
	"cmp"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// queue holds wants in the order in which they are to be asked for: a binary
// heap. A want that has moved on is skipped when its turn comes.
type queue struct {
	stage stage // of those that wait
	items []queued
}

// queued is a want with its order beside it: comparing two wants of many would
// fetch both from memory.
type queued struct {
	order uint64
	want  *wanted
}

func (q *queue) push(w *wanted) {
	q.items = append(q.items, queued{})
	i := len(q.items) - 1
	for i > 0 && w.order < q.items[(i-1)/2].order {
		q.items[i] = q.items[(i-1)/2]
		i = (i - 1) / 2
	}
	q.items[i] = queued{w.order, w}
}

// pop returns the next want that still waits, or nil.
func (q *queue) pop() *wanted {
	for len(q.items) > 0 {
		w := q.items[0].want
		last := len(q.items) - 1
		item := q.items[last]
		q.items[last] = queued{}
		q.items = q.items[:last]
		if last > 0 {
			q.sink(item)
		}
		if w.stage == q.stage {
			return w
		}
	}
	q.items = nil
	return nil
}

// first returns about the next n wants that still wait, in order: few when many in
// front have moved on.
func (q *queue) first(n int) []*wanted {
	next := make([]*wanted, 0, max(n, 0))
	edge := []int{0} // places whose parents were looked at, by their order
	for looked := 0; len(edge) > 0 && len(next) < n && looked < 4*n; looked++ {
		i := edge[0]
		edge = edge[1:]
		if i >= len(q.items) {
			continue
		}
		if w := q.items[i].want; w.stage == q.stage && !slices.Contains(next, w) {
			next = append(next, w)
		}
		for child := 2*i + 1; child <= min(2*i+2, len(q.items)-1); child++ {
			at, _ := slices.BinarySearchFunc(edge, child, func(a, b int) int {
				return cmp.Compare(q.items[a].order, q.items[b].order)
			})
			edge = slices.Insert(edge, at, child)
		}
	}
	return next
}

// sink puts an item into the place that the first has left.
func (q *queue) sink(item queued) {
	i := 0
	for {
		child := 2*i + 1
		if child >= len(q.items) {
			break
		}
		if child+1 < len(q.items) && q.items[child+1].order < q.items[child].order {
			child++
		}
		if q.items[child].order >= item.order {
			break
		}
		q.items[i] = q.items[child]
		i = child
	}
	q.items[i] = item
}

// turns are the calls that have something to load or to ask for, in the order in
// which they are served, each for one block at a time.
type turns struct {
	load    []callID
	ask     []callID
	untried []callID // with wants that were not offered to the peers yet
}

// enqueue puts a want into the queue of the first call that waits for it.
func (s *state) enqueue(w *wanted, st stage) {
	s.search.left(w)
	w.stage = st
	c := s.calls[w.call]
	if st == local {
		s.enqueueLocal(c, w)
		return
	}
	for _, k := range w.known {
		if k.bits()&has != 0 {
			s.offered(w, k.peer())
		}
	}
	c.queue.push(w)
	if !c.inTurn {
		c.inTurn = true
		s.turns.ask = append(s.turns.ask, c.id)
	}
	s.offer(c)
}

// offer lets what is in a call's queue be offered to the peers, even if none has
// room, because others are left than before.
func (s *state) offer(c *callState) {
	if !c.untried {
		c.untried = true
		s.turns.untried = append(s.turns.untried, c.id)
	}
}

func (s *state) enqueueLocal(c *callState, w *wanted) {
	c.local.push(w)
	if !c.inLocal {
		c.inLocal = true
		s.turns.load = append(s.turns.load, c.id)
	}
}

// requeue puts a want into the queue of another call after the one that it
// waited in has ended.
func (s *state) requeue(w *wanted) {
	if w.stage == open || w.stage == local {
		s.enqueue(w, w.stage)
	}
}

// hash mixes a peer and a key into a number that is the same everywhere: FNV-1a
// over both, finished with splitmix64's mixer.
func hash(p peer.ID, key string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range [...]string{string(p), key} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
