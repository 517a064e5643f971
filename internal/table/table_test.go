package table

import (
	"fmt"
	"maps"
	"runtime"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type entry struct {
	cid   cid.Cid
	value int
}

func newEntries() Table[*entry] { return New(func(e *entry) cid.Cid { return e.cid }) }

func cidOf(n int) cid.Cid {
	sum, err := multihash.Sum(fmt.Append(nil, n), multihash.SHA2_256, -1)
	if err != nil {
		panic(err)
	}
	return cid.NewCidV1(cid.Raw, sum)
}

// audit looks whether everything that is in the table can be found, and the counts.
func audit(t require.TestingT, tb *Table[*entry]) {
	live, used := 0, 0
	for i, tag := range tb.tags {
		if tag != empty {
			used++
		}
		if tag > removed {
			live++
			require.Equal(t, i, tb.find(tb.items[i].cid, hash(tb.items[i].cid)))
		} else {
			require.Nil(t, tb.items[i], "nothing is kept of what is gone")
		}
	}
	require.Equal(t, live, tb.live)
	require.Equal(t, used, tb.used)
	require.LessOrEqual(t, used*of, len(tb.tags)*most)
}

func TestATableIsAMap(t *testing.T) {
	cids := make([]cid.Cid, 200)
	for i := range cids {
		cids[i] = cidOf(i)
	}
	rapid.Check(t, func(t *rapid.T) {
		tb, m := newEntries(), make(map[cid.Cid]*entry)
		some := func(t *rapid.T) []cid.Cid {
			from := rapid.IntRange(0, len(cids)-1).Draw(t, "from")
			return cids[from:min(from+rapid.IntRange(1, 50).Draw(t, "count"), len(cids))]
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				for _, c := range some(t) {
					m[c] = &entry{c, len(m)}
					tb.Put(m[c])
				}
			},
			"remove": func(t *rapid.T) {
				for _, c := range some(t) {
					got, found := tb.Remove(c)
					require.Equal(t, m[c], got)
					require.Equal(t, m[c] != nil, found)
					delete(m, c)
				}
			},
			"reserve": func(t *rapid.T) { tb.Reserve(rapid.IntRange(0, 100).Draw(t, "room")) },
			"": func(t *rapid.T) {
				audit(t, &tb)
				require.Equal(t, len(m), tb.Len())
				for _, c := range cids {
					if got, found := tb.Get(c); got != m[c] || found != (m[c] != nil) {
						t.Fatalf("%s: found %v %t, want %v", c, got, found, m[c])
					}
				}
				all := make(map[cid.Cid]*entry)
				for e := range tb.All() {
					if all[e.cid] != nil {
						t.Fatalf("%s is yielded twice", e.cid)
					}
					all[e.cid] = e
				}
				require.True(t, maps.Equal(m, all))
			},
		})
	})
}

// A place costs 9 bytes, and there are never twice as many as items. What is empty
// again holds nothing.
func TestATableIsNoLargerThanItHasToBe(t *testing.T) {
	const n = 50_000
	tb := newEntries()
	entries := make([]*entry, n)
	for i := range entries {
		entries[i] = &entry{cid: cidOf(i)}
	}
	for i, e := range entries {
		tb.Put(e)
		require.Less(t, len(tb.tags), max(2*(i+1), smallest+1))
	}
	for i, e := range entries {
		tb.Remove(e.cid)
		require.LessOrEqual(t, len(tb.tags), max(4*(n-i), smallest))
	}
	require.Len(t, tb.tags, smallest)
	tb.Reserve(n)
	require.Less(t, len(tb.tags), n*13/10)
	runtime.KeepAlive(entries)
}

// Wants that come and go in a small table cost no memory.
func TestComingAndGoingDoesNotGrowATable(t *testing.T) {
	tb := newEntries()
	for i := range 100_000 {
		tb.Put(&entry{cid: cidOf(i)})
		if i >= 100 {
			tb.Remove(cidOf(i - 100))
		}
	}
	require.Less(t, len(tb.tags), 256)
	audit(t, &tb)
}

func BenchmarkTable(b *testing.B) {
	const n = 20_000
	entries := make([]*entry, n)
	for i := range entries {
		entries[i] = &entry{cid: cidOf(i)}
	}
	b.Run("table", func(b *testing.B) {
		for b.Loop() {
			tb := newEntries()
			for _, e := range entries {
				tb.Put(e)
			}
			for _, e := range entries {
				tb.Get(e.cid)
				tb.Remove(e.cid)
			}
		}
	})
	b.Run("map", func(b *testing.B) {
		for b.Loop() {
			m := make(map[cid.Cid]*entry)
			for _, e := range entries {
				m[e.cid] = e
			}
			for _, e := range entries {
				_ = m[e.cid]
				delete(m, e.cid)
			}
		}
	})
}
