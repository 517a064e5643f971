package pebbledb_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/pebbledb"
	"github.com/souk-p2p/souk/test/eventually"
)

// openOn opens the database on a disk, which may lose its power.
func openOn(t *testing.T, disk vfs.FS, unlogged bool) *pebbledb.Datastore {
	t.Helper()
	o := pebbledb.Options(disk)
	if unlogged {
		o = pebbledb.Unlogged(o)
	}
	d, err := pebbledb.OpenWith("blocks", o)
	require.NoError(t, err)
	return d
}

// A command without a log and a node with one take turns on a database, and each
// loses its power before it is closed.
func TestWhatWasSyncedIsThereWithAndWithoutALog(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var keys []datastore.Key
	for i, unlogged := range []bool{false, true, true, false, true, false} {
		d := openOn(t, disk, unlogged)
		for _, k := range keys {
			got, err := d.Get(t.Context(), k)
			require.NoError(t, err)
			require.Equal(t, k.String(), string(got))
		}
		k := key(uint64(i))
		require.NoError(t, d.Put(t.Context(), k, []byte(k.String())))
		require.NoError(t, d.Sync(t.Context(), datastore.NewKey("/")))
		keys = append(keys, k)
		left := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0})
		require.NoError(t, d.Close())
		disk = left
	}
}

func TestWithoutALogAClosedDatabaseKeepsWhatWasNotSynced(t *testing.T) {
	disk := vfs.NewMem()
	d := openOn(t, disk, true)
	require.NoError(t, d.Put(t.Context(), key(1), []byte("one")))
	require.NoError(t, d.Close())
	d = openOn(t, disk, false)
	defer d.Close()
	got, err := d.Get(t.Context(), key(1))
	require.NoError(t, err)
	require.Equal(t, "one", string(got))
}

// Pebble would try for ever.
func TestWithoutALogASyncSaysThatTheDiskFails(t *testing.T) {
	broken := errors.New("disk on fire")
	var fails atomic.Bool
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fails.Load() && op.Kind == errorfs.OpFileSync {
			return broken
		}
		return nil
	}))
	d := openOn(t, disk, true)
	require.NoError(t, d.Put(t.Context(), key(1), []byte("one")))
	fails.Store(true)
	require.ErrorIs(t, d.Sync(t.Context(), datastore.NewKey("/")), broken)

	fails.Store(false) // The last failure may still be on its way to the next Sync.
	eventually.True(t, func() bool {
		return d.Sync(t.Context(), datastore.NewKey("/")) == nil
	})
	require.NoError(t, d.Close())
}
