package tracker

import (
	"math/bits"
	"unsafe"

	"github.com/libp2p/go-libp2p/core/peer"
)

// bucket is a part of the rows of a namespace, by the hash of the provider.
type bucket struct {
	groups  []handle // a heap, the largest first
	rows    int
	changes int // since the elders were chosen
	elders  elders
}

func (b *bucket) bytes() int {
	return int(unsafe.Sizeof(*b)) + 4*(cap(b.groups)+cap(b.elders.rows)+cap(b.elders.starts))
}

func (t *Table) hashOf(h handle) uint64 {
	return t.key.text(t.announcers.at(t.rows.at(h).announcer).text)
}

// bucketOf is linear hashing: with one bucket more, the rows of one are divided
// and the others stay.
func bucketOf(hash uint64, buckets int) uint32 {
	mask := uint32(1)<<bits.Len(uint(buckets-1)) - 1
	at := uint32(hash>>32) & mask
	if int(at) >= buckets {
		at &= mask >> 1
	}
	return at
}

// buddy is the bucket that the last of so many was divided from.
func buddy(buckets int) uint32 {
	last := uint(buckets - 1)
	return uint32(last) &^ (1 << (bits.Len(last) - 1))
}

// divide makes one bucket more when there are too many rows for those there are.
func (t *Table) divide(at handle) {
	sp := t.spaces.at(at)
	n := len(sp.buckets)
	if sp.rows <= n*t.limits.BucketRows || t.used()+divideCost > t.budget() {
		return
	}
	t.addBucket(sp)
	for _, h := range t.rowsIn(sp.buckets[buddy(n+1)]) {
		if bucketOf(t.hashOf(h), n+1) == uint32(n) {
			t.rejoin(h, uint32(n))
		}
	}
}

// unite gives the last bucket back when the others have room for its rows.
func (t *Table) unite(at handle) {
	sp := t.spaces.at(at)
	n := len(sp.buckets)
	if n == 1 || sp.rows >= (n-1)*t.limits.BucketRows/2 {
		return
	}
	for _, h := range t.rowsIn(sp.buckets[n-1]) {
		t.rejoin(h, buddy(n))
	}
	t.loose -= sp.buckets[n-1].bytes()
	sp.buckets[n-1] = nil
	sp.buckets = sp.buckets[:n-1]
}

func (t *Table) rejoin(h handle, bucket uint32) {
	from := t.groups.at(t.rows.at(h).group).origin
	t.part(h)
	t.join(h, from, bucket)
}

func (t *Table) rowsIn(b *bucket) []handle {
	all := make([]handle, 0, b.rows)
	for _, at := range b.groups {
		g := t.groups.at(at)
		for i := range g.size() {
			all = append(all, g.at(i))
		}
	}
	return all
}

// victimIn is the row that goes when a namespace is full: of its largest group
// the newest that has not proved itself, or none when the newcomer's own is as
// large.
func (t *Table) victimIn(at handle, id peer.ID, p prefix) handle {
	sp := t.spaces.at(at)
	own := 1
	bucket := bucketOf(t.key.text(identityOf(id).text), len(sp.buckets))
	if g := t.groupOf(at, bucket, t.originOf(p)); g != 0 {
		own += t.groups.at(g).size()
	}
	var largest *group
	for _, b := range sp.buckets {
		if len(b.groups) > 0 && (largest == nil || t.groups.at(b.groups[0]).size() > largest.size()) {
			largest = t.groups.at(b.groups[0])
		}
	}
	if largest == nil || largest.size() <= own {
		return 0
	}
	return t.leastProven(largest)
}

// leastProven looks at a part of a group: at what joined last, mostly.
func (t *Table) leastProven(g *group) handle {
	n := g.size()
	least := g.at(n - 1)
	for i := n - 1; i >= max(0, n-2*watchedPast); i-- {
		r, l := t.rows.at(g.at(i)), t.rows.at(least)
		if provenLess(r, l) {
			least = g.at(i)
		}
	}
	return least
}

// provenLess puts what has no good score before what has, then the newer first.
func provenLess(a, b *row) bool {
	if (a.score > 0) != (b.score > 0) {
		return b.score > 0
	}
	return a.born > b.born
}

func (t *Table) pushGroup(b *bucket, at handle) {
	n := len(b.groups)
	t.setGroups(b, n+1)
	b.groups[n] = at
	t.groups.at(at).place = uint32(n)
}

// popGroup removes an empty group, which has sunk to a leaf of the heap. The last
// group takes its place, and may be larger than what is above it there.
func (t *Table) popGroup(b *bucket, at handle) {
	last := len(b.groups) - 1
	place := int(t.groups.at(at).place)
	t.swapGroups(b, place, last)
	t.setGroups(b, last)
	if place < last {
		t.raise(b, place)
	}
}

func (t *Table) setGroups(b *bucket, n int) {
	before := cap(b.groups)
	b.groups = fitted(b.groups, n)
	t.loose += 4 * (cap(b.groups) - before)
}

func (t *Table) groupSize(b *bucket, i int) int { return t.groups.at(b.groups[i]).size() }

func (t *Table) swapGroups(b *bucket, i, j int) {
	b.groups[i], b.groups[j] = b.groups[j], b.groups[i]
	t.groups.at(b.groups[i]).place = uint32(i)
	t.groups.at(b.groups[j]).place = uint32(j)
}

func (t *Table) raise(b *bucket, i int) {
	for i > 0 && t.groupSize(b, (i-1)/2) < t.groupSize(b, i) {
		t.swapGroups(b, i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (t *Table) sink(b *bucket, i int) {
	for child := 2*i + 1; child < len(b.groups); child = 2*i + 1 {
		if child+1 < len(b.groups) && t.groupSize(b, child+1) > t.groupSize(b, child) {
			child++
		}
		if t.groupSize(b, child) <= t.groupSize(b, i) {
			return
		}
		t.swapGroups(b, i, child)
		i = child
	}
}
