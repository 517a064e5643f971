// Package table has a hash table for what an actor has very many of: things that are
// found by a CID which they hold themselves. Beside it are a set of hashes, and a heap
// whose items can be taken out from anywhere.
//
// A map from CIDs takes 25 bytes a place beside what it points to, because it keeps the
// CID once more, has up to 2.3 places for each entry, and never shrinks. A table takes
// the size of a pointer and one byte a place, has at most 1.8 places for each entry, and
// shrinks.
package table

import (
	"hash/maphash"
	"iter"
	"math/bits"

	"github.com/ipfs/go-cid"
)

// Table holds at most one item for each CID. Make it with [New]. It belongs to one
// goroutine.
type Table[T any] struct {
	cidOf func(T) cid.Cid
	tags  []uint8 // of each place: empty, removed, or a part of the item's hash
	items []T
	live  int // items
	used  int // places that are not empty
}

// What the tag of a place without an item says. The tags of items are higher.
const (
	empty   = 0
	removed = 1 // look further for what came after it
)

// Places are looked at one after the other, so that not all may be in use: at 4/5 a
// search for what is not there looks at 13 of them, a byte each, and at 9/10 at 50.
const most, of = 4, 5

// smallest is how many places a table has that is not empty.
const smallest = 8

var seed = maphash.MakeSeed() // so that nobody can choose CIDs that collide

// New returns an empty table of items whose CIDs the function tells.
func New[T any](cidOf func(T) cid.Cid) Table[T] { return Table[T]{cidOf: cidOf} }

// Len is how many items there are.
func (t *Table[T]) Len() int { return t.live }

// Get returns the item for a CID, and whether there is one.
func (t *Table[T]) Get(c cid.Cid) (item T, found bool) {
	if i := t.find(c, hash(c)); i >= 0 {
		return t.items[i], true
	}
	return item, false
}

// Put adds an item, in place of another with the same CID.
func (t *Table[T]) Put(item T) {
	c := t.cidOf(item)
	h := hash(c)
	if i := t.find(c, h); i >= 0 {
		t.items[i] = item
		return
	}
	if (t.used+1)*of > len(t.tags)*most {
		t.resize(max(smallest, t.live*7/4)) // Filled to 4/7: it has to grow again when it holds 1.4 times as much.
	}
	t.live++
	t.place(item, h)
}

// Reserve makes room for n more items, and wastes less than if they came one by one.
func (t *Table[T]) Reserve(n int) {
	if (t.used+n)*of > len(t.tags)*most && n > t.live/2 {
		t.resize(max(smallest, (t.live+n)*of/most+1))
	}
}

// Remove takes out the item for a CID, and returns it and whether there was one.
func (t *Table[T]) Remove(c cid.Cid) (item T, found bool) {
	i := t.find(c, hash(c))
	if i < 0 {
		return item, false
	}
	item, t.items[i] = t.items[i], item
	t.tags[i] = removed
	t.live--
	switch {
	case len(t.tags) > smallest && t.live*4 < len(t.tags):
		t.resize(max(smallest, t.live*7/4))
	case t.tags[t.next(i)] == empty:
		t.sweep(i)
	}
	return item, true
}

// sweep makes removed places empty behind which nothing is to be found, from i back.
func (t *Table[T]) sweep(i int) {
	for t.tags[i] == removed {
		t.tags[i] = empty
		t.used--
		if i--; i < 0 {
			i = len(t.tags) - 1
		}
	}
}

// All are the items, in no order. The table must not be changed meanwhile.
func (t *Table[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i, tag := range t.tags {
			if tag > removed && !yield(t.items[i]) {
				return
			}
		}
	}
}

func hash(c cid.Cid) uint64 { return maphash.String(seed, c.KeyString()) }

func tagOf(h uint64) uint8 { return uint8(h) | 0x80 }

// first is where an item with the hash is looked for first.
func (t *Table[T]) first(h uint64) int {
	i, _ := bits.Mul64(h, uint64(len(t.tags)))
	return int(i)
}

func (t *Table[T]) next(i int) int {
	if i++; i < len(t.tags) {
		return i
	}
	return 0
}

// find returns the place of the item for a CID, or -1.
func (t *Table[T]) find(c cid.Cid, h uint64) int {
	if t.live == 0 {
		return -1
	}
	tag := tagOf(h)
	for i := t.first(h); t.tags[i] != empty; i = t.next(i) {
		if t.tags[i] == tag && t.cidOf(t.items[i]) == c {
			return i
		}
	}
	return -1
}

// place puts an item into the first place that is free for its hash.
func (t *Table[T]) place(item T, h uint64) {
	i := t.first(h)
	for t.tags[i] > removed {
		i = t.next(i)
	}
	if t.tags[i] == empty {
		t.used++
	}
	t.tags[i], t.items[i] = tagOf(h), item
}

func (t *Table[T]) resize(places int) {
	old := *t
	t.tags, t.items, t.used = make([]uint8, places), make([]T, places), 0
	for item := range old.All() {
		t.place(item, hash(t.cidOf(item)))
	}
}
