package wantmanager

import (
	"slices"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What is remembered is what a plain list of everything says, as far as the ring
// goes back; what it may have forgotten, it may have had.
func TestRecentIsAListThatForgetsTheOldest(t *testing.T) {
	cids := cidsOf(0, 2*maxRecent)
	rapid.Check(t, func(t *rapid.T) {
		var r recent
		var order []cid.Cid // in which they were first added
		at, now := make(map[cid.Cid]time.Time), time.Unix(1, 0)
		var lost time.Time
		add := func(c cid.Cid) {
			if _, known := at[c]; !known {
				if order = append(order, c); len(order) > maxRecent {
					lost = at[order[0]]
					delete(at, order[0])
					order = order[1:]
				}
			}
			at[c] = now
			r.add(now, c)
		}
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			from := rapid.IntRange(0, len(cids)-1).Draw(t, "from")
			for _, c := range cids[from:min(from+rapid.IntRange(1, maxRecent).Draw(t, "count"), len(cids))] {
				add(c)
			}
			since := now.Add(-time.Duration(rapid.IntRange(0, 3).Draw(t, "since")) * time.Second)
			young := slices.DeleteFunc(slices.Clone(order), func(c cid.Cid) bool { return at[c].Before(since) })
			require.Equal(t, young, r.since(since))
			for _, c := range cids[from : from+1] {
				when, known := at[c]
				require.Equal(t, known && !when.Before(since) || lost.After(since), r.has(c, since))
			}
			now = now.Add(time.Second)
		}
	})
}

// The links behind a want are what a set of them says, in order.
func TestAskersAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a askers
		set := []linkID{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			l := linkID(rapid.IntRange(1, 5).Draw(t, "link"))
			had := slices.Contains(set, l)
			require.Equal(t, had, a.has(l))
			if rapid.Bool().Draw(t, "add") {
				require.Equal(t, !had, a.add(l))
				if !had {
					set = append(set, l)
				}
			} else {
				require.Equal(t, had, a.remove(l))
				set = slices.DeleteFunc(set, func(o linkID) bool { return o == l })
			}
			slices.Sort(set)
			require.Equal(t, set, append([]linkID{}, slices.Collect(a.all)...))
			require.Equal(t, len(set) == 0, a.none())
			require.Equal(t, len(set) > 1, a.many != nil)
		}
	})
}
