package pebbledb_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/pebbledb"
)

func open(t *testing.T) *pebbledb.Datastore {
	d, err := pebbledb.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// Sizes are those of values in memory and on the disk, beside their keys and apart
// from them.
func TestTheSizeOfAValueIsKnownWhereverItIs(t *testing.T) {
	d := open(t)
	sizes := []int{0, 1, 1000, 1024, 1025, 256 << 10, 2 << 20}
	for _, size := range sizes {
		require.NoError(t, d.Put(t.Context(), keyOfSize(size), bytes.Repeat([]byte{7}, size)))
	}
	for range 2 {
		for _, size := range sizes {
			got, err := d.GetSize(t.Context(), keyOfSize(size))
			require.NoError(t, err)
			require.Equal(t, size, got)
			has, err := d.Has(t.Context(), keyOfSize(size))
			require.NoError(t, err)
			require.True(t, has)
		}
		require.NoError(t, d.DB.Flush())
	}
	for _, absent := range []string{"/", "/size", "/size/10", "/size/10245", "/zzz"} {
		_, err := d.GetSize(t.Context(), datastore.NewKey(absent))
		require.ErrorIs(t, err, datastore.ErrNotFound, absent)
		has, err := d.Has(t.Context(), datastore.NewKey(absent))
		require.NoError(t, err)
		require.False(t, has, absent)
	}
}

func keyOfSize(size int) datastore.Key { return datastore.NewKey(fmt.Sprintf("/size/%d", size)) }

// The batch is larger than what Pebble is given at a time.
func TestABatchIsThereOnceItIsCommitted(t *testing.T) {
	d, ctx := open(t), t.Context()
	require.NoError(t, d.Put(ctx, datastore.NewKey("/old"), []byte("old")))
	b, err := d.Batch(ctx)
	require.NoError(t, err)
	require.NoError(t, b.Commit(ctx), "of nothing")
	values := make(map[datastore.Key][]byte)
	for i, size := range []int{10, 0, 600 << 10, 300 << 10, 300 << 10, 2 << 20, 1} {
		k := datastore.NewKey(fmt.Sprint("/new/", i))
		values[k] = bytes.Repeat([]byte{byte(i)}, size)
		require.NoError(t, b.Put(ctx, k, values[k]))
	}
	require.NoError(t, b.Delete(ctx, datastore.NewKey("/old")))
	has, err := d.Has(ctx, datastore.NewKey("/new/0"))
	require.NoError(t, err)
	require.False(t, has)

	require.NoError(t, b.Commit(ctx))
	for k, want := range values {
		got, err := d.Get(ctx, k)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "%s", k)
	}
	has, err = d.Has(ctx, datastore.NewKey("/old"))
	require.NoError(t, err)
	require.False(t, has)
}

func TestTheLastChangeOfAKeyInABatchCounts(t *testing.T) {
	d, ctx := open(t), t.Context()
	kept, gone := datastore.NewKey("/kept"), datastore.NewKey("/gone")
	b, err := d.Batch(ctx)
	require.NoError(t, err)
	require.NoError(t, b.Put(ctx, gone, []byte("x")))
	require.NoError(t, b.Delete(ctx, kept))
	require.NoError(t, b.Put(ctx, datastore.NewKey("/large"), make([]byte, 1<<20)))
	require.NoError(t, b.Put(ctx, kept, []byte("first")))
	require.NoError(t, b.Put(ctx, kept, []byte("last")))
	require.NoError(t, b.Delete(ctx, gone))
	require.NoError(t, b.Commit(ctx))
	got, err := d.Get(ctx, kept)
	require.NoError(t, err)
	require.Equal(t, "last", string(got))
	_, err = d.Get(ctx, gone)
	require.ErrorIs(t, err, datastore.ErrNotFound)

	require.NoError(t, d.Delete(ctx, kept))
	require.NoError(t, b.Commit(ctx), "again, of nothing")
	_, err = d.Get(ctx, kept)
	require.ErrorIs(t, err, datastore.ErrNotFound)
}

func TestWhatCanBeCompressedIs(t *testing.T) {
	dir := t.TempDir()
	d, err := pebbledb.Open(dir)
	require.NoError(t, err)
	value := bytes.Repeat([]byte("compressible "), 20_000)
	for i := range uint64(100) {
		require.NoError(t, d.Put(t.Context(), key(i), value))
	}
	require.NoError(t, d.Close())
	d, err = pebbledb.Open(dir)
	require.NoError(t, err)
	defer d.Close()
	used, err := d.DiskUsage(t.Context())
	require.NoError(t, err)
	require.Less(t, used, uint64(100*len(value)/2))
	got, err := d.Get(t.Context(), key(7))
	require.NoError(t, err)
	require.True(t, bytes.Equal(value, got))
}
