package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/download/document"
)

func TestAllOfADocumentIsFetchedAFewAtATime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		begin := time.Now()
		w.sync()
		w.wait()
		w.require(100)
		require.Equal(t, 8, w.most)
		require.Equal(t, 13*time.Second, time.Since(begin), "a place is used again at once")
		st := w.m.Status(w.id)
		require.True(t, st.Syncing && st.Idle)
		require.EqualValues(t, 100, st.Done)
		require.Empty(t, st.Active)
	})
}

func TestAPolicyThatIsWidenedFetchesMoreAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.policy("nothing-except", "prefix:utf8:3/")
		w.sync()
		w.wait()
		w.require(10)
		w.policy("nothing-except", "prefix:utf8:3/", "prefix:utf8:4/")
		time.Sleep(2*time.Second + time.Millisecond)
		w.require(20)
	})
}

func TestAPolicyThatIsNarrowedEndsWhatItCoversNoMore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sync()
		synctest.Wait()
		require.Len(t, w.m.Status(w.id).Active, 8)
		require.EqualValues(t, 5, w.m.Status(w.id).Active[0].Bytes)
		w.policy("everything-except", "prefix:utf8:0/")
		time.Sleep(time.Millisecond)
		for _, e := range w.m.Status(w.id).Active {
			require.NotEqual(t, "0/", string(e.Key[:2]))
		}
		w.wait()
		w.require(90)
		require.Zero(t, w.m.Status(w.id).Failed, "what was ended has not failed")
		w.policy("everything")
		time.Sleep(time.Minute)
		w.require(100)
	})
}

// What is ended and wanted again at once is not forgotten.
func TestAPolicyThatChangesBackLosesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sync()
		for range 20 {
			w.policy("nothing")
			w.policy("everything")
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		w.require(100)
		require.True(t, w.m.Status(w.id).Idle)
	})
}

// A look may be slow, and what it has not seen may come before it ends.
func TestWhatComesWhileItIsLookedForIsNotFetchedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sync()
		synctest.Wait()
		w.looking = 2 * w.takes
		w.policy("everything-except", "prefix:utf8:9/") // another round, while eight are under way
		w.wait()
		w.require(90)
	})
}

func TestWhatFailsIsNamedAndTriedAgainAfterAPause(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		broken := errors.New("nobody has it")
		for i := range 20 {
			w.fails[fmt.Sprintf("%d/%02d", i%10, i)] = broken
		}
		w.sync()
		time.Sleep(20 * time.Second)
		w.require(80)
		st := w.m.Status(w.id)
		require.False(t, st.Idle)
		require.EqualValues(t, 20, st.Failed)
		require.Len(t, st.Failures, mostFailures)
		require.Equal(t, broken, st.Failures[0].Err)
		require.Equal(t, 13*time.Second+defaultPause-20*time.Second, time.Until(st.Next))
		w.mu.Lock()
		clear(w.fails)
		w.mu.Unlock()
		w.wait()
		w.require(100)
		require.Zero(t, w.m.Status(w.id).Failed)
	})
}

func TestAPanicIsAFailure(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var told atomic.Int64
		w.restart(Config{Panicked: func(error) { told.Add(1) }, Window: 1000, Fetch: func(context.Context, document.ID, document.Entry, func(uint64)) error {
			panic("broken")
		}})
		w.sync()
		time.Sleep(time.Second)
		require.EqualValues(t, 100, w.m.Status(w.id).Failed)
		require.ErrorContains(t, w.m.Status(w.id).Failures[0].Err, "mirror panicked: broken")
		require.EqualValues(t, 100, told.Load())
	})
}

func TestSyncingGoesOnAfterARestartAndNotAfterACancel(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sync()
		time.Sleep(3*time.Second + time.Millisecond)
		w.restart(Config{})
		w.require(24)
		require.True(t, w.m.Status(w.id).Syncing)
		time.Sleep(time.Second + time.Millisecond)
		w.require(32)
		waited := make(chan error)
		go func() { waited <- w.m.Wait(t.Context(), w.id) }()
		synctest.Wait()
		require.NoError(t, w.m.Cancel(t.Context(), w.id))
		require.ErrorIs(t, <-waited, ErrNotSynced)
		require.Zero(t, w.active)
		w.restart(Config{})
		time.Sleep(time.Minute)
		w.require(32)
		require.Equal(t, Status{}, w.m.Status(w.id))
		require.ErrorIs(t, w.m.Wait(t.Context(), w.id), ErrNotSynced)
	})
}

func TestSyncingEndsWithItsDocument(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sync()
		time.Sleep(time.Second + time.Millisecond)
		_, err := w.docs.Remove(t.Context(), w.id)
		require.NoError(t, err)
		synctest.Wait()
		require.False(t, w.m.Status(w.id).Syncing)
		require.Zero(t, w.active)
		require.ErrorAs(t, w.m.Sync(t.Context(), w.id), new(*document.NotFoundError))
	})
}

func TestAMirrorThatIsClosedTakesNoMore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.m.Close()
		require.ErrorIs(t, w.m.Sync(t.Context(), w.id), ErrClosed)
	})
}

func TestAStoreThatCannotBeLookedAtIsTriedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var broken atomic.Bool
		var looks atomic.Int64
		broken.Store(true)
		w.restart(Config{Window: 200, Look: func(ctx context.Context, c cid.Cid) (document.Presence, error) {
			if looks.Add(1); broken.Load() {
				return document.Presence{}, errors.New("disk")
			}
			return w.look(ctx, c)
		}})
		w.sync()
		time.Sleep(time.Minute - time.Second)
		require.EqualValues(t, 1, looks.Load())
		require.False(t, w.m.Status(w.id).Idle)
		broken.Store(false)
		w.wait()
		w.require(100)
	})
}
