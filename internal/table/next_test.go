package table_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/table"
)

func cidsOf(t *testing.T, n int) (all []cid.Cid) {
	for i := range n {
		c, err := cid.V1Builder{Codec: cid.Raw, MhType: 0x12}.Sum(fmt.Append(nil, i))
		require.NoError(t, err)
		all = append(all, c)
	}
	return all
}

func TestNextPagesThroughAllOnceAndInOrder(t *testing.T) {
	all := cidsOf(t, 300)
	for _, most := range []int{1, 7, 299, 300, 5_000} {
		var got []cid.Cid
		for after := cid.Undef; ; after = got[len(got)-1] {
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			page := table.Next(slices.Values(all), after, most)
			require.LessOrEqual(t, len(page), most)
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		require.Len(t, got, len(all))
		require.True(t, slices.IsSortedFunc(got, func(a, b cid.Cid) int {
			if a.KeyString() < b.KeyString() {
				return -1
			}
			return 1
		}))
	}
}
