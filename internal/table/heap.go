package table

// Heap is a binary heap whose items know their place in it, so that any of them
// can be fixed or removed in logarithmic time. The smallest item is at 0. Make it with
// [NewHeap]. It belongs to one goroutine.
type Heap[T any] struct {
	items []T
	less  func(a, b T) bool
	moved func(item T, place int)
}

// NewHeap returns an empty heap in the order of less, which tells each item its place
// whenever that changes; -1 when it has left.
func NewHeap[T any](less func(a, b T) bool, moved func(item T, place int)) Heap[T] {
	return Heap[T]{less: less, moved: moved}
}

// Len is how many items there are.
func (h *Heap[T]) Len() int { return len(h.items) }

// Items are all of them, each at its place. They are the heap's.
func (h *Heap[T]) Items() []T { return h.items }

// Top is the smallest item. There must be one.
func (h *Heap[T]) Top() T { return h.items[0] }

// Push adds an item.
func (h *Heap[T]) Push(item T) {
	h.items = append(h.items, item)
	h.moved(item, len(h.items)-1)
	h.up(len(h.items) - 1)
}

// Pop takes the smallest item out. There must be one.
func (h *Heap[T]) Pop() T { return h.Remove(0) }

// Remove takes the item at a place out, and returns it.
func (h *Heap[T]) Remove(place int) T {
	var none T
	last := len(h.items) - 1
	item := h.items[place]
	h.swap(place, last)
	h.items[last] = none
	h.items = h.items[:last]
	if place < last {
		h.Fix(place)
	}
	h.moved(item, -1)
	return item
}

// Fix restores the order after the item at place changed its rank.
func (h *Heap[T]) Fix(place int) {
	if !h.down(place) {
		h.up(place)
	}
}

func (h *Heap[T]) swap(a, b int) {
	h.items[a], h.items[b] = h.items[b], h.items[a]
	h.moved(h.items[a], a)
	h.moved(h.items[b], b)
}

func (h *Heap[T]) up(place int) {
	for place > 0 {
		parent := (place - 1) / 2
		if !h.less(h.items[place], h.items[parent]) {
			return
		}
		h.swap(place, parent)
		place = parent
	}
}

func (h *Heap[T]) down(place int) (sank bool) {
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
