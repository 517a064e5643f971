package mirror

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatIsDeletedOfAnIdleDocumentIsFetchedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sync()
		w.wait()
		w.delete("3/13", "4/24")
		require.False(t, w.m.Status(w.id).Idle, "it is heard at once")
		begin := time.Now()
		w.wait()
		require.Equal(t, deletionPause+w.takes, time.Since(begin))
		w.require(100)
		require.EqualValues(t, 102, w.m.Status(w.id).Done)
	})
}

func TestWhatIsDeletedWhileADocumentIsGoneThroughIsFetchedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sync()
		time.Sleep(3*time.Second + time.Millisecond)
		w.delete("0/00")
		w.wait()
		w.require(100)
	})
}

// A command that deletes blocks one by one is no reason to go through everything as often.
func TestManyDeletionsCostARoundInASecond(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.sync()
		w.wait()
		before := w.looks
		for range 100 {
			w.delete()
			time.Sleep(deletionPause / 50)
		}
		synctest.Wait()
		require.LessOrEqual(t, w.looks-before, 2*100, "of two seconds")
		w.wait()
		w.require(100)
	})
}
