package tracker

import (
	"cmp"
	"slices"
	"time"

	"github.com/souk-p2p/souk/providers/record"
)

// NamespaceStat is what a tracker has of a namespace at one place.
type NamespaceStat struct {
	Namespace record.Namespace
	Narrow    bool         // the rows of one shard
	Shard     record.Shard // if Narrow
	Rows      int
	// Announcers have a row or withdrew theirs lately.
	Announcers int
	Bytes      int
	// Queries and Announces are since the place has rows, the rates those a second
	// of the last five minutes or so.
	Queries, Announces      uint64
	QueryRate, AnnounceRate float64
}

// busiest orders by what a namespace costs, then by name.
func busiest(a, b NamespaceStat) int {
	return cmp.Or(cmp.Compare(b.Rows, a.Rows), cmp.Compare(b.QueryRate, a.QueryRate),
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Shard, b.Shard))
}

// topPiece is how many places one request for the top looks at.
const topPiece = 4096

// Top returns the n places with most rows of some, and where the next begin; 0 is
// the first and the end.
func (t *Table) Top(now time.Time, from uint32, n int) (top []NamespaceStat, next uint32) {
	if n <= 0 {
		return nil, 0
	}
	seen := 0
	t.spaces.each(handle(from), func(h handle, sp *space) bool {
		if seen == topPiece {
			next = uint32(h)
			return false
		}
		seen++
		if len(top) < n || sp.rows >= top[len(top)-1].Rows {
			top = insertTop(top, sp.stat(second(now)), n)
		}
		return true
	})
	return top, next
}

// insertTop puts one in its place among the n first.
func insertTop(top []NamespaceStat, s NamespaceStat, n int) []NamespaceStat {
	at, _ := slices.BinarySearchFunc(top, s, busiest)
	top = slices.Insert(top, at, s)
	return top[:min(len(top), n)]
}

func (sp *space) stat(now uint32) NamespaceStat {
	p := placeOf(sp.name)
	return NamespaceStat{
		Namespace: record.Namespace(p.Namespace), Narrow: p.Narrow, Shard: record.Shard(p.Division),
		Rows: sp.rows, Announcers: sp.members, Bytes: sp.bytes,
		Queries: uint64(sp.queries.total), Announces: uint64(sp.announces.total),
		QueryRate: sp.queries.rate(now), AnnounceRate: sp.announces.rate(now),
	}
}
