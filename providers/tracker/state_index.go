package tracker

import (
	"slices"
	"unsafe"
)

// handle names an item of an index. Zero is none.
type handle uint32

// pageItems is how many make pages that the allocator's sizes fit, for the items
// that there are most of.
const pageItems = 94

// index keeps items in pages and finds them by hash. Its chains start in an
// array that is made once and never grows, and a page without items is given
// back: what it takes is known to the byte, and no growth is a jump.
type index[T any] struct {
	heads   []handle // nil: items are only known by their handles
	pages   []*page[T]
	room    []uint32 // pages with a free place, and maybe some without
	vacant  []uint32 // page numbers without a page
	items   int
	present int // pages
	page    int // bytes of one, as the allocator rounds them
}

type page[T any] struct {
	items  [pageItems]T
	next   [pageItems]handle // in the chain, or free
	free   handle            // the first free place, counted from 1
	used   uint16
	listed bool // in room
}

// newIndex returns an index with about so many chains, none for 0.
func newIndex[T any](chains int) index[T] {
	const header = 8 // that the allocator puts before what has pointers
	x := index[T]{page: cap(slices.Grow([]byte(nil), header+int(unsafe.Sizeof(page[T]{}))))}
	if chains > 0 {
		x.heads = make([]handle, powerOfTwo(chains))
	}
	return x
}

// powerOfTwo is the largest that is not above n.
func powerOfTwo(n int) int {
	p := 1
	for 2*p <= n {
		p *= 2
	}
	return p
}

func (x *index[T]) at(h handle) *T { return &x.pages[(h-1)/pageItems].items[(h-1)%pageItems] }

func (x *index[T]) next(h handle) *handle { return &x.pages[(h-1)/pageItems].next[(h-1)%pageItems] }

func (x *index[T]) head(hash uint64) *handle { return &x.heads[hash&uint64(len(x.heads)-1)] }

// find returns the item with the hash that is the one, or 0.
func (x *index[T]) find(hash uint64, is func(*T) bool) handle {
	for h := *x.head(hash); h != 0; h = *x.next(h) {
		if is(x.at(h)) {
			return h
		}
	}
	return 0
}

// add makes a place for an item and puts it into the chain of its hash, if there
// are chains.
func (x *index[T]) add(hash uint64, item T) handle {
	n := x.pageWithRoom()
	p := x.pages[n]
	place := p.free
	h := handle(n*pageItems) + place
	p.free, p.used = p.next[place-1], p.used+1
	p.items[place-1], p.next[place-1] = item, 0
	if x.heads != nil {
		head := x.head(hash)
		p.next[place-1], *head = *head, h
	}
	x.items++
	return h
}

// remove frees the place of an item.
func (x *index[T]) remove(hash uint64, h handle) {
	if x.heads != nil {
		x.unlink(hash, h)
	}
	n := uint32(h-1) / pageItems
	p := x.pages[n]
	place := (h-1)%pageItems + 1
	var none T
	p.items[place-1], p.next[place-1] = none, p.free
	p.free, p.used = place, p.used-1
	x.items--
	switch {
	case p.used == 0:
		x.pages[n] = nil
		x.present--
		x.vacant = append(x.vacant, n)
	case !p.listed:
		p.listed = true
		x.room = append(x.room, n)
	}
}

func (x *index[T]) unlink(hash uint64, h handle) {
	at := x.head(hash)
	for *at != h {
		at = x.next(*at)
	}
	*at = *x.next(h)
}

func (x *index[T]) pageWithRoom() uint32 {
	for len(x.room) > 0 {
		n := x.room[len(x.room)-1]
		if p := x.pages[n]; p != nil && p.free != 0 {
			return n
		} else if p != nil {
			p.listed = false
		}
		x.room = x.room[:len(x.room)-1]
	}
	return x.newPage()
}

func (x *index[T]) newPage() uint32 {
	n := uint32(len(x.pages))
	if last := len(x.vacant) - 1; last >= 0 {
		n, x.vacant = x.vacant[last], x.vacant[:last]
	} else {
		x.pages = append(x.pages, nil)
	}
	p := &page[T]{free: 1, listed: true}
	for i := range pageItems - 1 {
		p.next[i] = handle(i + 2)
	}
	x.pages[n] = p
	x.present++
	x.room = append(x.room, n)
	return n
}

// bytes is the memory that the index takes. A page has at most two entries in
// room, and a page number one in vacant.
func (x *index[T]) bytes() int {
	return 4*len(x.heads) + x.present*x.page + 8*cap(x.pages) + 4*(cap(x.room)+cap(x.vacant))
}

// each visits the items from a handle on, until visit says no.
func (x *index[T]) each(from handle, visit func(handle, *T) bool) {
	for n := int(max(from, 1)-1) / pageItems; n < len(x.pages); n++ {
		if x.pages[n] == nil {
			continue
		}
		free := x.pages[n].freePlaces()
		for i := range pageItems {
			h := handle(n*pageItems + i + 1)
			if h >= from && !free[i] && !visit(h, x.at(h)) {
				return
			}
		}
	}
}

func (p *page[T]) freePlaces() (free [pageItems]bool) {
	for at := p.free; at != 0; at = p.next[at-1] {
		free[at-1] = true
	}
	return free
}

// has tells whether there is a page for a handle. What was freed on it is zero.
func (x *index[T]) has(h handle) bool {
	n := int(h-1) / pageItems
	return h != 0 && n < len(x.pages) && x.pages[n] != nil
}
