package mirror

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/internal/heaptest"
)

var documents = flag.Int("documents", 500, "how many documents are synced at once where many are")

// peak counts what is under way, and the most that was.
type peak struct{ now, most atomic.Int64 }

func (p *peak) enter() {
	now := p.now.Add(1)
	for most := p.most.Load(); now > most && !p.most.CompareAndSwap(most, now); most = p.most.Load() {
	}
}

func (p *peak) leave() { p.now.Add(-1) }

// createMany makes documents of a few entries each.
func (w *world) createMany(n int) (all []document.ID) {
	for i := range n {
		all = append(all, w.create(fmt.Sprint("one of many ", i), 3))
	}
	return all
}

// workers is how many goroutines work for actors. The count of the runtime is not exact while
// some end.
func workers() int {
	stacks := make([]byte, 8<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "actor.(*Crew).member(")
}

func TestManyDocumentsThatAreIdleHaveNoGoroutinesAndLittleMemory(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var looks, fetches peak
		w.restart(Config{
			Look: func(ctx context.Context, c cid.Cid) (document.Presence, error) {
				looks.enter()
				defer looks.leave()
				time.Sleep(time.Millisecond)
				return w.look(ctx, c)
			},
			Fetch: func(ctx context.Context, _ document.ID, e document.Entry, progress func(uint64)) error {
				fetches.enter()
				defer fetches.leave()
				time.Sleep(time.Second)
				w.mu.Lock()
				defer w.mu.Unlock()
				w.here[e.CID] = true
				return nil
			},
			Window: 1024,
		})
		all := w.createMany(*documents)
		memory := heaptest.Held()
		for _, id := range all {
			require.NoError(t, w.docs.SetSyncing(t.Context(), id, true))
		}
		require.NoError(t, w.m.Resume(t.Context()))
		synctest.Wait()
		require.Positive(t, workers())
		for _, id := range all {
			require.NoError(t, w.m.Wait(t.Context(), id))
		}
		time.Sleep(time.Minute)
		require.Zero(t, workers())
		grown := heaptest.Held() - memory
		t.Logf("%d bytes for %d documents, %d fetches and %d looks at a time", grown, len(all), fetches.most.Load(), looks.most.Load())
		require.Less(t, grown, 4<<20+1024*len(all), "beside what is kept of most that were under way")
		require.LessOrEqual(t, looks.most.Load(), int64(mostScans))
		require.LessOrEqual(t, fetches.most.Load(), int64(defaultFetches))
	})
}

// However many documents there are, so many entries are under way at a time, and each
// document has its turn: also while what one lacks cannot be had.
func TestDocumentsShareThePlacesOfAllFetches(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var fetches peak
		w.restart(Config{Fetches: 24, Fetch: func(ctx context.Context, of document.ID, e document.Entry, _ func(uint64)) error {
			fetches.enter()
			defer fetches.leave()
			if of == w.id {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			time.Sleep(time.Second)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.fetched = append(w.fetched, fmt.Sprint(of, string(e.Key)))
			return nil
		}})
		w.sync()
		for _, id := range w.createMany(64) {
			require.NoError(t, w.m.Sync(t.Context(), id))
		}
		time.Sleep(30 * time.Second)
		w.require(3 * 64)
		require.LessOrEqual(t, fetches.most.Load(), int64(24))
		require.Greater(t, fetches.most.Load(), int64(8+8), "the others use what is left")
		require.Len(t, w.m.Status(w.id).Active, 8)
	})
}

// A document that lacks much leaves the scans to others when there is no room for it.
func TestADocumentThatLacksMuchHoldsUpNoOther(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.restart(Config{Fetch: func(ctx context.Context, of document.ID, e document.Entry, _ func(uint64)) error {
			if of != w.id {
				<-ctx.Done()
			}
			return context.Cause(ctx)
		}})
		for i := range 2 * mostScans {
			require.NoError(t, w.m.Sync(t.Context(), w.create(fmt.Sprint("large ", i), 50)))
		}
		synctest.Wait()
		w.id = w.create("small", 3)
		w.sync()
		w.wait()
		require.EqualValues(t, 3, w.m.Status(w.id).Done)
	})
}
