package client

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stuck is a network that does not return from Hold.
type stuck struct {
	*world
	until chan struct{}
}

func (s stuck) Hold(p peer.ID, tag string) {
	<-s.until
	s.world.Hold(p, tag)
}

func TestNobodyWaitsLongForAClientThatHangs(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		until := make(chan struct{})
		w.Client.cfg.Network = stuck{w, until}
		w.runs(first, honest())
		announced := make(chan error)
		go func() {
			_, err := w.Announce(context.Background(), first, recordOf(t, 1, "photos").Bytes())
			announced <- err
		}()
		synctest.Wait() // It hangs.
		var calls sync.WaitGroup
		for range 2 * inboxDepth {
			calls.Go(func() {
				start := time.Now()
				_, err := w.asks(second, time.Second)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.LessOrEqual(t, time.Since(start), time.Second+verdictTime)
			})
		}
		calls.Wait()
		require.Len(t, w.Trackers(), 2)
		for range 100 {
			w.Client.parted.note(first) // as libp2p does, which does not wait
		}
		close(until)
		require.NoError(t, <-announced)
	})
}

func TestWhoDisconnectsIsNotedOnceUntilItIsTaken(t *testing.T) {
	p := newPartings()
	p.note(first) // There is no set yet.
	p.follow(newRig(t).order)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				p.note(first)
				p.note(self) // no tracker
			}
		})
	}
	all.Wait()
	require.Len(t, p.C(), 1)
	<-p.C()
	lost := 0
	p.take(func(id peer.ID) {
		require.Equal(t, first, id)
		lost++
	})
	require.Equal(t, 1, lost)
	p.note(first)
	p.follow(newRig(t).order)
	p.take(func(peer.ID) { lost++ })
	require.Equal(t, 2, lost, "a tracker that stays keeps its place")
}
