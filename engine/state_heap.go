package engine

// heap is a binary heap whose items know their place in it, so that any of them
// can be fixed or removed in logarithmic time. The smallest item is at 0.
type heap[T any] struct {
	items []T
	less  func(a, b T) bool
	moved func(item T, place int) // tells an item where it is; -1 when it has left
}

func (h *heap[T]) len() int { return len(h.items) }

func (h *heap[T]) top() T { return h.items[0] }

func (h *heap[T]) push(item T) {
	h.items = append(h.items, item)
	h.moved(item, len(h.items)-1)
	h.up(len(h.items) - 1)
}

func (h *heap[T]) pop() T { return h.remove(0) }

func (h *heap[T]) remove(place int) T {
	var none T
	last := len(h.items) - 1
	item := h.items[place]
	h.swap(place, last)
	h.items[last] = none
	h.items = h.items[:last]
	if place < last {
		h.fix(place)
	}
	h.moved(item, -1)
	return item
}

// fix restores the order after the item at place changed its rank.
func (h *heap[T]) fix(place int) {
	if !h.down(place) {
		h.up(place)
	}
}

func (h *heap[T]) swap(a, b int) {
	h.items[a], h.items[b] = h.items[b], h.items[a]
	h.moved(h.items[a], a)
	h.moved(h.items[b], b)
}

func (h *heap[T]) up(place int) {
	for place > 0 {
		parent := (place - 1) / 2
		if !h.less(h.items[place], h.items[parent]) {
			return
		}
		h.swap(place, parent)
		place = parent
	}
}

func (h *heap[T]) down(place int) (sank bool) {
	for {
		child := 2*place + 1
		if child >= len(h.items) {
			return sank
		}
		if right := child + 1; right < len(h.items) && h.less(h.items[right], h.items[child]) {
			child = right
		}
		if !h.less(h.items[child], h.items[place]) {
			return sank
		}
		h.swap(place, child)
		place, sank = child, true
	}
}
