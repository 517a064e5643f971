package pebbledb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/eventually"
)

func TestSizesAreThoseOfTheValuesBelowAPrefix(t *testing.T) {
	d, err := Open(t.TempDir())
	require.NoError(t, err)
	defer d.Close()
	want := map[string]int{}
	for i, size := range []int{0, 1, 100, apartFrom, 300 << 10} {
		key := datastore.NewKey(fmt.Sprintf("/blocks/%d", i))
		require.NoError(t, d.Put(t.Context(), key, make([]byte, size)))
		want[key.String()] = size
	}
	for _, other := range []string{"/block", "/blocks", "/blocks0/x", "/pins/x"} {
		require.NoError(t, d.Put(t.Context(), datastore.RawKey(other), []byte("x")))
	}
	for range 2 { // in memory, and in files
		got := map[string]int{}
		for e, err := range d.Sizes(t.Context(), datastore.NewKey("/blocks")) {
			require.NoError(t, err)
			require.Nil(t, e.Value)
			got[e.Key] = e.Size
		}
		require.Equal(t, want, got)
		require.NoError(t, d.DB.Flush())
	}
}

func TestSizesEndWithTheirContext(t *testing.T) {
	d, err := Open(t.TempDir())
	require.NoError(t, err)
	defer d.Close()
	for i := range 3 * looks {
		require.NoError(t, d.Put(t.Context(), datastore.NewKey(fmt.Sprintf("/blocks/%d", i)), nil))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range d.Sizes(ctx, datastore.NewKey("/blocks")) {
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
}

func TestReclaimGivesTheDiskBackWhatWasDeleted(t *testing.T) {
	d, err := OpenUnlogged(t.TempDir())
	require.NoError(t, err)
	defer d.Close()
	const each, many = 256 << 10, 100
	random := rand.NewChaCha8([32]byte{})
	key := func(i int) datastore.Key { return datastore.NewKey(fmt.Sprintf("/blocks/%d", i)) }
	for i := range many {
		value := make([]byte, each)
		random.Read(value)
		require.NoError(t, d.Put(t.Context(), key(i), value))
	}
	require.NoError(t, d.Sync(t.Context(), datastore.NewKey("/")))
	before, err := d.DiskUsage(t.Context())
	require.NoError(t, err)
	require.Greater(t, before, uint64(many*each))
	require.Less(t, before, uint64(many*each*5/4))
	for i := range many {
		require.NoError(t, d.Delete(t.Context(), key(i)))
	}
	require.NoError(t, d.Reclaim(t.Context(), datastore.NewKey("/blocks")))
	eventually.True(t, func() bool {
		after, err := d.DiskUsage(t.Context())
		return err == nil && after < many*each/10
	})
}
