package table_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/table"
)

func TestKeysAreSortedWhateverTheOrderOfTheMap(t *testing.T) {
	inOrder := table.Next(slices.Values(cidsOf(t, 100)), cid.Undef, 100)
	require.Len(t, inOrder, 100)
	for range 10 {
		m := make(map[cid.Cid]bool)
		for _, i := range rand.Perm(len(inOrder)) {
			m[inOrder[i]] = true
		}
		require.Equal(t, inOrder, table.Sorted(m))
	}
	require.Nil(t, table.Sorted(map[cid.Cid]int{}))
	require.Zero(t, table.Compare(inOrder[0], inOrder[0]))
}
