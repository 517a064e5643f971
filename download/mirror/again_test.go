package mirror

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/download/policy"
)

func TestWaitHearsOfAPolicyThatWasSetBefore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.policy("nothing")
		w.sync()
		w.wait()
		w.require(0)
		w.policy("nothing-except", "prefix:utf8:7/")
		w.wait()
		w.require(10)
		require.NoError(t, w.docs.SetSyncing(t.Context(), w.id, false))
		require.ErrorIs(t, w.m.Wait(t.Context(), w.id), ErrNotSynced, "the store says so")
	})
}

func TestAChangeOfOneDocumentLeavesTheOthersAlone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.fails["0/00"] = errors.New("nobody has it")
		w.sync()
		time.Sleep(20 * time.Second)
		looks, next := w.looks, w.m.Status(w.id).Next
		require.False(t, next.IsZero())
		other := w.create("other", 3)
		require.NoError(t, w.docs.SetPolicy(t.Context(), other, policy.Nothing()))
		synctest.Wait()
		require.Equal(t, looks, w.looks)
		require.Equal(t, next, w.m.Status(w.id).Next)
		delete(w.fails, "0/00")
		w.sync()
		time.Sleep(w.takes + time.Millisecond)
		w.require(100) // Who asks for it does not wait for the pause.
	})
}

func TestADocumentThatIsSyncedWhileItIsCancelledBeginsAnew(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		release := w.deafen("0/00")
		w.sync()
		time.Sleep(w.takes + time.Millisecond)
		cancelled := make(chan error)
		go func() { cancelled <- w.m.Cancel(t.Context(), w.id) }()
		synctest.Wait()
		w.sync()
		require.True(t, w.m.Status(w.id).Syncing)
		release()
		require.NoError(t, <-cancelled)
		w.wait()
		w.require(100)
	})
}

func TestWhoWaitsNoLongerIsForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		release := w.stuckAt("0/00")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.m.Wait(ctx, w.id), context.DeadlineExceeded)
		require.ErrorIs(t, w.m.Cancel(ctx, w.id), context.DeadlineExceeded)
		require.NoError(t, w.docs.SetSyncing(t.Context(), w.id, false))
		release()
		synctest.Wait()
		require.Equal(t, Status{}, w.m.Status(w.id), "it ends all the same")
	})
}
