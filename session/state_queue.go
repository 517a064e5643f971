package session

import (
	"container/heap"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// queue holds wants in the order in which they are to be asked for. A want that
// has moved on is skipped when its turn comes.
type queue struct {
	items queueItems
}

type queueItem struct {
	want  *wanted
	stage stage // that it was queued in
	order uint64
}

func (q *queue) push(w *wanted, st stage) {
	heap.Push(&q.items, queueItem{w, st, w.order})
}

// pop returns the next want that still waits, or nil.
func (q *queue) pop() *wanted {
	for len(q.items) > 0 {
		it := heap.Pop(&q.items).(queueItem)
		if it.want.stage == it.stage {
			return it.want
		}
	}
	q.items = nil
	return nil
}

type queueItems []queueItem

func (q queueItems) Len() int           { return len(q) }
func (q queueItems) Less(i, j int) bool { return q[i].order < q[j].order }
func (q queueItems) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queueItems) Push(x any)        { *q = append(*q, x.(queueItem)) }

func (q *queueItems) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = queueItem{}
	*q = old[:len(old)-1]
	return last
}

// hash mixes a peer and a CID into a number that is the same everywhere: FNV-1a
// over both, finished with splitmix64's mixer.
func hash(p peer.ID, c cid.Cid) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range [...]string{string(p), c.KeyString()} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
