package blockstore_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/mount"
	pebbleds "github.com/ipfs/go-ds-pebble"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockstore"
)

// An acknowledged Put is readable after a crash, and what was not synced is
// what the crash takes: else the test would prove nothing.
func TestPutSurvivesACrash(t *testing.T) {
	bs := someBlocks(60)
	disk := vfs.NewCrashableMem()
	s, _ := openOn(t, disk)
	for _, b := range bs[:20] {
		require.NoError(t, s.Put(t.Context(), b))
	}
	require.NoError(t, s.PutMany(t.Context(), bs[20:40]))
	crashed := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0})
	require.NoError(t, s.PutFetched(t.Context(), bs[40:]))
	unsynced := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0})

	for _, after := range []*vfs.MemFS{crashed, unsynced} {
		reopened, _ := openOn(t, after)
		requireStored(t, reopened, bs[:40])
		requireMissing(t, reopened, bs[50].Cid())
	}
}

func TestConcurrentPutsSurviveACrashAtAnyMoment(t *testing.T) {
	bs := someBlocks(200)
	disk := vfs.NewCrashableMem()
	s, _ := openOn(t, disk)
	acknowledged := make(chan blocks.Block, len(bs))
	var writers sync.WaitGroup
	for part := range 8 {
		writers.Go(func() {
			for i := part; i < len(bs); i += 8 {
				if s.Put(t.Context(), bs[i]) == nil {
					acknowledged <- bs[i]
				}
			}
		})
	}
	var before []blocks.Block
	for range len(bs) / 2 {
		before = append(before, <-acknowledged)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	crashed := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
	writers.Wait()
	require.Len(t, acknowledged, len(bs)-len(before))

	reopened, _ := openOn(t, crashed)
	requireStored(t, reopened, before)
}

// Sixteen puts of which the first is being synced need one more sync, not
// fifteen.
func TestConcurrentPutsShareASync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := &slowSync{Batching: newMap()}
		s := blockstore.New(data)
		var puts sync.WaitGroup
		for i, b := range someBlocks(16) {
			puts.Go(func() { assert.NoError(t, s.Put(t.Context(), b)) })
			if i == 0 {
				synctest.Wait()
			}
		}
		puts.Wait()
		require.Equal(t, 2, data.syncs)
	})
}

// A sync that runs already says nothing about a write that comes after.
func TestPutIsNotAcknowledgedByASyncThatBeganBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := &slowSync{Batching: newMap()}
		s := blockstore.New(data)
		bs := someBlocks(2)
		go func() { _ = s.Put(t.Context(), bs[0]) }()
		time.Sleep(syncTime / 2)
		start := time.Now()
		require.NoError(t, s.Put(t.Context(), bs[1]))
		require.Equal(t, syncTime/2+syncTime, time.Since(start))
	})
}

// The one whose context ends leaves; the sync goes on for the others, even
// when he runs it.
func TestCancelledPutDoesNotFailTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := &slowSync{Batching: newMap()}
		s := blockstore.New(data)
		bs := someBlocks(3)
		ctx, cancel := context.WithCancel(t.Context())
		var puts sync.WaitGroup
		puts.Go(func() { assert.NoError(t, s.Put(ctx, bs[0]), "it runs the sync to its end") })
		synctest.Wait()
		puts.Go(func() { assert.ErrorIs(t, s.Put(ctx, bs[1]), context.Canceled) })
		synctest.Wait()
		puts.Go(func() { assert.NoError(t, s.Put(t.Context(), bs[2])) })
		synctest.Wait()
		cancel()
		puts.Wait()
		require.Equal(t, 2, data.syncs)
	})
}

// Somebody recovers the panic of a datastore; those who waited for it must
// neither hang nor believe that they are safe.
func TestPanickingSyncFailsWhoWaitsAndFreesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data := &slowSync{Batching: newMap(), broken: 2}
		s := blockstore.New(data)
		bs := someBlocks(4)
		var puts sync.WaitGroup
		puts.Go(func() { assert.NoError(t, s.Put(t.Context(), bs[0])) })
		synctest.Wait()
		failed := 0
		var mu sync.Mutex
		for _, b := range bs[1:3] {
			puts.Go(func() {
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					if recover() != nil {
						failed++
					}
				}()
				if s.Put(t.Context(), b) != nil {
					mu.Lock()
					failed++
					mu.Unlock()
				}
			})
		}
		puts.Wait()
		require.Equal(t, 2, failed)
		require.NoError(t, s.Put(t.Context(), bs[3]))
	})
}

const syncTime = 10 * time.Millisecond

// slowSync is a datastore whose Sync takes syncTime.
type slowSync struct {
	datastore.Batching
	syncs  int // never two at a time: unsynchronised on purpose, for the race detector
	broken int // the sync with this number panics
}

func (s *slowSync) Sync(context.Context, datastore.Key) error {
	s.syncs++
	time.Sleep(syncTime)
	if s.syncs == s.broken {
		panic("sync")
	}
	return nil
}

func openOn(t testing.TB, disk vfs.FS) (blockstore.Blockstore, *pebbleds.Datastore) {
	t.Helper()
	d, err := pebbleds.NewDatastore("db", pebbleds.WithPebbleOpts(&pebble.Options{FS: disk, Logger: quiet{}}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return blockstore.New(d), d
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(format)
}

func mountAtBlocks(d datastore.Datastore) datastore.Batching {
	return mount.New([]mount.Mount{{Prefix: datastore.NewKey("/blocks"), Datastore: d}})
}
