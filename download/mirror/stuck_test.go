package mirror

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/download/document"
)

// deafen lets the fetches of entries end when they are released, and not before.
func (w *world) deafen(keys ...string) (release func()) {
	deaf := make(chan struct{})
	for _, key := range keys {
		w.deaf[key] = deaf
	}
	return func() { close(deaf) }
}

// stuckAt syncs the document until the fetches of these entries are under way, which end
// when they are released, and not before.
func (w *world) stuckAt(keys ...string) (release func()) {
	release = w.deafen(keys...)
	w.sync()
	synctest.Wait()
	return release
}

func (w *world) cancelTakes(least time.Duration) error {
	w.t.Helper()
	begin := time.Now()
	err := w.m.Cancel(w.t.Context(), w.id)
	require.Equal(w.t, least, time.Since(begin))
	return err
}

func TestCancelWaitsForWhatEndsSlowly(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		release := w.stuckAt("0/00", "0/10")
		time.AfterFunc(5*time.Second, release)
		require.NoError(t, w.cancelTakes(5*time.Second))
		require.Zero(t, w.active)
	})
}

func TestCancelLeavesBehindWhatDoesNotEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		release := w.stuckAt("0/00", "0/10")
		var stuck *StuckError
		require.ErrorAs(t, w.cancelTakes(patience), &stuck)
		require.Equal(t, 2, stuck.Calls)
		require.Equal(t, 2, w.active)
		require.Equal(t, Status{}, w.m.Status(w.id))
		require.ErrorAs(t, w.cancelTakes(0), &stuck, "they have not ended since")

		w.sync()
		time.Sleep(30 * time.Second)
		w.require(98) // Nothing is fetched that is still under way.
		st := w.m.Status(w.id)
		require.EqualValues(t, 2, st.Failed)
		require.ErrorAs(t, st.Failures[0].Err, &stuck)
		require.Equal(t, "0/00", string(st.Failures[0].Entry.Key))
		release()
		w.wait()
		w.require(100)
	})
}

func TestAFetchThatDoesNotEndHoldsUpNoNewPolicy(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		release := w.stuckAt("0/00")
		w.policy("nothing-except", "prefix:utf8:1/")
		begin := time.Now()
		w.wait()
		require.Equal(t, patience, time.Since(begin))
		require.Empty(t, w.m.Status(w.id).Active)
		w.policy("nothing-except", "prefix:utf8:0/")
		time.Sleep(20 * time.Second)
		require.EqualValues(t, 1, w.m.Status(w.id).Failed)
		release()
		w.wait()
	})
}

func TestCloseLeavesBehindWhatDoesNotEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		release := w.stuckAt("0/00")
		begin := time.Now()
		require.ErrorContains(t, w.m.Close(), "mirror: 1 goroutines have not returned")
		require.Equal(t, closeTime, time.Since(begin))
		release()
		synctest.Wait()
		require.NoError(t, w.m.Close())
	})
}

// A disk that hangs holds up the documents that are looked at, and neither their end nor
// that of others.
func TestALookThatDoesNotEndIsLeftBehind(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		hang := make(chan struct{})
		w.restart(Config{Look: func(ctx context.Context, c cid.Cid) (document.Presence, error) {
			if c == cidOf("0/90") { // Only one document has it.
				<-hang
			}
			return w.look(ctx, c)
		}})
		w.sync()
		synctest.Wait()
		require.ErrorAs(t, w.cancelTakes(patience), new(*StuckError))
		w.id = w.create("other", 20)
		w.sync()
		w.wait()
		w.require(20)
		close(hang)
	})
}

// A bug of the actor ends the syncing of documents and nothing else, and leaves nobody
// waiting.
func TestAMirrorThatBreaksSaysSo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		broke := make(chan error, 1)
		w.restart(Config{Fail: func(err error) { broke <- err }})
		w.sync()
		waits := make(chan error, 1)
		go func() { waits <- w.m.Wait(t.Context(), w.id) }()
		synctest.Wait()
		w.m.reports <- fetched{fetch: 1 << 40} // There is none.
		require.ErrorContains(t, <-broke, "mirror panicked")
		require.ErrorIs(t, <-waits, ErrClosed)
		require.ErrorIs(t, w.m.Cancel(t.Context(), w.id), ErrClosed)
		require.Equal(t, Status{}, w.m.Status(w.id))
		synctest.Wait()
		require.Zero(t, w.active)
	})
}

func TestALookThatPanicsIsTriedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		panics := true
		w.restart(Config{Look: func(ctx context.Context, c cid.Cid) (document.Presence, error) {
			if panics && c == cidOf("5/05") {
				panics = false
				panic("broken")
			}
			return w.look(ctx, c)
		}})
		w.sync()
		time.Sleep(30 * time.Second)
		st := w.m.Status(w.id)
		require.ErrorContains(t, st.Err, "mirror panicked: broken")
		require.False(t, st.Next.IsZero())
		w.wait()
		w.require(100)
		require.NoError(t, w.m.Status(w.id).Err)
	})
}
