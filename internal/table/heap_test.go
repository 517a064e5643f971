package table

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type ranked struct{ rank, place int }

func TestAHeapHasTheSmallestOnTopAndItemsKnowTheirPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := NewHeap(func(a, b *ranked) bool { return a.rank < b.rank }, func(r *ranked, place int) { r.place = place })
		var all []*ranked
		take := func(r *ranked) {
			require.Equal(t, -1, r.place, "it has left")
			all = slices.DeleteFunc(all, func(o *ranked) bool { return o == r })
		}
		rank := rapid.IntRange(0, 20)
		some := func(do func(*rapid.T, *ranked)) func(*rapid.T) {
			return func(t *rapid.T) {
				if len(all) > 0 {
					do(t, rapid.SampledFrom(all).Draw(t, "one"))
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"push":   func(t *rapid.T) { all = append(all, &ranked{rank: rank.Draw(t, "rank")}); h.Push(all[len(all)-1]) },
			"pop":    some(func(*rapid.T, *ranked) { take(h.Pop()) }),
			"remove": some(func(t *rapid.T, r *ranked) { require.Same(t, r, h.Remove(r.place)); take(r) }),
			"fix":    some(func(t *rapid.T, r *ranked) { r.rank = rank.Draw(t, "new rank"); h.Fix(r.place) }),
			"": func(t *rapid.T) {
				require.Equal(t, len(all), h.Len())
				for i, r := range h.Items() {
					require.Equal(t, i, r.place)
					require.GreaterOrEqual(t, r.rank, h.Top().rank)
				}
			},
		})
	})
}
