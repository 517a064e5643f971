package providers

import "slices"

// recent is a map that keeps the entries that were put last.
type recent[K comparable, V any] struct {
	most    int
	entries map[K]dated[V]
	order   []put[K] // oldest first, with some that were put again or deleted
	puts    uint64
}

type dated[V any] struct {
	value V
	nth   uint64
}

type put[K comparable] struct {
	key K
	nth uint64
}

func newRecent[K comparable, V any](most int) *recent[K, V] {
	return &recent[K, V]{most: most, entries: make(map[K]dated[V])}
}

func (r *recent[K, V]) get(k K) (V, bool) {
	e, known := r.entries[k]
	return e.value, known
}

func (r *recent[K, V]) delete(k K) { delete(r.entries, k) }

// put makes the entry the latest. Beyond the most there may be, the oldest goes.
func (r *recent[K, V]) put(k K, v V) {
	r.puts++
	r.entries[k] = dated[V]{v, r.puts}
	r.order = append(r.order, put[K]{k, r.puts})
	for len(r.entries) > r.most {
		if oldest := r.order[0]; r.stands(oldest) {
			delete(r.entries, oldest.key)
		}
		r.order = r.order[1:]
	}
	if len(r.order) > 2*r.most {
		r.order = slices.DeleteFunc(r.order, func(p put[K]) bool { return !r.stands(p) })
	}
}

// stands reports whether the entry has not been put again or deleted since.
func (r *recent[K, V]) stands(p put[K]) bool {
	e, known := r.entries[p.key]
	return known && e.nth == p.nth
}
