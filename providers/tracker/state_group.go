package tracker

import "slices"

// group is the rows of one bucket that came from one prefix. Most have one row,
// which then takes no array.
type group struct {
	one    handle
	space  handle
	origin handle
	bucket uint32
	place  uint32    // in the bucket
	many   *[]handle // instead of one
}

func (g *group) size() int {
	switch {
	case g.many != nil:
		return len(*g.many)
	case g.one != 0:
		return 1
	}
	return 0
}

func (g *group) at(i int) handle {
	if g.many != nil {
		return (*g.many)[i]
	}
	return g.one
}

func (g *group) set(i int, h handle) {
	if g.many != nil {
		(*g.many)[i] = h
	} else {
		g.one = h
	}
}

// resize changes the size by one, and tells what that does to the memory.
func (g *group) resize(n int) (bytes int) {
	before := g.bytes()
	switch {
	case n <= 1 && g.many != nil:
		g.one, g.many = (*g.many)[0], nil
	case n <= 1:
		g.one = 0
	case g.many == nil:
		many := []handle{g.one, 0}
		g.one, g.many = 0, &many
	default:
		*g.many = fitted(*g.many, n)
	}
	return g.bytes() - before
}

func (g *group) bytes() int {
	if g.many == nil {
		return 0
	}
	return 24 + 4*cap(*g.many)
}

// fitted gives a slice another length. It grows by a quarter, and gives back when
// more than half is free.
func fitted(s []handle, n int) []handle {
	if n > cap(s) || 2*n < cap(s) && cap(s) > 8 {
		return append(slices.Grow([]handle(nil), max(4, n+n/4)), s[:min(n, len(s))]...)[:n]
	}
	return s[:n]
}

func (t *Table) groupHash(sp handle, bucket uint32, from handle) uint64 {
	return t.key.words(uint64(sp)<<32|uint64(bucket), uint64(from))
}

func (t *Table) groupOf(sp handle, bucket uint32, from handle) handle {
	return t.groups.find(t.groupHash(sp, bucket, from), func(g *group) bool {
		return g.space == sp && g.bucket == bucket && g.origin == from
	})
}

// group puts a row into its bucket and counts it in its namespace.
func (t *Table) group(h, from handle) {
	r := t.rows.at(h)
	sp := t.spaces.at(r.space)
	sp.rows++
	sp.bytes += rowBytes + cap(r.blob)
	t.join(h, from, bucketOf(t.hashOf(h), len(sp.buckets)))
	t.divide(r.space)
}

func (t *Table) ungroup(h handle) {
	r := t.rows.at(h)
	sp := t.spaces.at(r.space)
	sp.rows--
	sp.bytes -= rowBytes + cap(r.blob)
	t.part(h)
	t.unite(r.space)
}

// join puts a row into its group of a bucket.
func (t *Table) join(h, from handle, bucket uint32) {
	sp := t.rows.at(h).space
	b := t.spaces.at(sp).buckets[bucket]
	at := t.groupOf(sp, bucket, from)
	if at == 0 {
		at = t.groups.add(t.groupHash(sp, bucket, from), group{space: sp, bucket: bucket, origin: from})
		t.pushGroup(b, at)
	}
	g := t.groups.at(at)
	n := g.size()
	t.loose += g.resize(n + 1)
	g.set(n, h)
	t.rows.at(h).group, t.rows.at(h).place = at, uint32(n)
	t.raise(b, int(g.place))
	b.rows++
	b.changes++
}

// part takes a row out of its group, which goes with its last.
func (t *Table) part(h handle) {
	r := t.rows.at(h)
	at := r.group
	g := t.groups.at(at)
	b := t.spaces.at(g.space).buckets[g.bucket]
	last := g.size() - 1
	moved := g.at(last)
	g.set(int(r.place), moved)
	t.rows.at(moved).place = r.place
	t.loose += g.resize(last)
	t.sink(b, int(g.place))
	if last == 0 {
		t.popGroup(b, at)
		t.groups.remove(t.groupHash(g.space, g.bucket, g.origin), at)
	}
	b.rows--
	b.changes++
}
