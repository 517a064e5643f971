package blockrouter

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/network"
)

// run runs a test with a router in a bubble.
func run(t *testing.T, cfg Config, test func(t *testing.T, r *Router)) {
	synctest.Test(t, func(t *testing.T) {
		r := New(cfg)
		r.Start()
		defer func() { require.NoError(t, r.Stop(context.Background())) }()
		test(t, r)
	})
}

func open(t *testing.T, r *Router) *Link {
	l, err := r.Open(t.Context())
	require.NoError(t, err)
	return l
}

func wanting(t *testing.T, r *Router, names string) *Link {
	l := open(t, r)
	require.NoError(t, l.Want(t.Context(), cids(names)))
	return l
}

// heard is all that a link was told until nothing happens any more.
func heard(l *Link) string {
	synctest.Wait()
	select {
	case i, open := <-l.C():
		if !open {
			return "closed"
		}
		return describe(i)
	default:
		return ""
	}
}

// answer lets a peer send blocks, once what links have asked is known.
func answer(t *testing.T, r *Router, names string) {
	synctest.Wait()
	require.NoError(t, r.ReceiveAnswers(t.Context(), network.Answers{From: "peer", Blocks: blocksOf(names)}))
}

func TestBlocksFlowFromPeersToSessionsAndTheStore(t *testing.T) {
	store := newStore("a")
	var available []blocks.Block
	var recorded []ledger.Delta
	run(t, Config{
		Store:     store,
		Available: func(bs []blocks.Block) { available = append(available, bs...) },
		Record:    func(ds ...ledger.Delta) { recorded = append(recorded, ds...) },
	}, func(t *testing.T, r *Router) {
		l := wanting(t, r, "a b")
		require.Equal(t, "local a, missing b", heard(l))
		require.NoError(t, l.Load(t.Context(), cids("a")))
		require.Equal(t, "block a", heard(l))

		answer(t, r, "b x")
		require.Equal(t, "block b peer", heard(l))
		require.True(t, store.holds("b"))
		require.False(t, store.holds("x"), "nobody asked for it")
		require.Equal(t, blocksOf("b"), available)
		require.Equal(t, []ledger.Delta{{Peer: "peer", Counters: ledger.Counters{
			BytesReceived: 2, BlocksReceived: 2, Duplicates: 1, DuplicateBytes: 1,
		}}}, recorded)
		require.Equal(t, Stat{BlocksReceived: 2, DataReceived: 2, DupBlksReceived: 1, DupDataReceived: 1}, r.Stat())
	})
}

func TestPutReachesSessions(t *testing.T) {
	run(t, Config{Store: newStore("")}, func(t *testing.T, r *Router) {
		l := wanting(t, r, "a b")
		require.Equal(t, "missing a b", heard(l))
		require.NoError(t, r.Put(t.Context(), blocksOf("a")))
		require.Equal(t, "block a", heard(l))
		require.NoError(t, l.Cancel(t.Context(), cids("b")))
		require.NoError(t, r.Put(t.Context(), blocksOf("b")))
		require.Empty(t, heard(l))
	})
}

// fakeStage notes what is on the stage.
type fakeStage map[cid.Cid]bool

func (s fakeStage) Stage(bs []blocks.Block) {
	for _, b := range bs {
		s[b.Cid()] = true
	}
}

func (s fakeStage) Unstage(bs []blocks.Block) {
	for _, b := range bs {
		delete(s, b.Cid())
	}
}

func TestBlocksAreStagedWhileTheStoreTakesItsTime(t *testing.T) {
	store, stage := newStore(""), make(fakeStage)
	run(t, Config{Store: store, Stage: stage}, func(t *testing.T, r *Router) {
		let := store.block("put", true)
		l := wanting(t, r, "a")
		answer(t, r, "a")
		require.Contains(t, heard(l), "block a peer")
		require.Equal(t, fakeStage{block("a").Cid(): true}, stage)
		let()
		synctest.Wait()
		require.Empty(t, stage)
		require.True(t, store.holds("a"))
	})
}

func TestLinkDrainsUntilClosed(t *testing.T) {
	run(t, Config{Store: newStore("")}, func(t *testing.T, r *Router) {
		l := wanting(t, r, "a b")
		answer(t, r, "a")
		synctest.Wait()
		require.NoError(t, l.CancelAll(t.Context()))
		require.NoError(t, l.Want(t.Context(), cids("b")), "too late, and heard by nobody")
		answer(t, r, "b")
		synctest.Wait()
		i, open := <-l.C()
		require.True(t, open, "what was told before is still there")
		require.Len(t, i.Blocks, 1)
		require.Equal(t, "closed", heard(l))
	})
}

func TestStuckReadDoesNotHoldUpOtherBlocks(t *testing.T) {
	store := newStore("")
	run(t, Config{Store: store}, func(t *testing.T, r *Router) {
		let := store.block("has", true)
		l := wanting(t, r, "a b")
		answer(t, r, "a")
		require.Equal(t, "block a peer", heard(l))
		require.True(t, store.holds("a"))
		let()
		require.Equal(t, "missing b", heard(l))
	})
}

func TestStuckWriteDoesNotHoldUpDeliveryButEndsTheReading(t *testing.T) {
	store := newStore("z")
	run(t, Config{Store: store, StoreBytes: 2}, func(t *testing.T, r *Router) {
		let := store.block("put", true)
		l := wanting(t, r, "a b c z")
		require.Equal(t, "local z, missing a b c", heard(l))
		answer(t, r, "a")
		answer(t, r, "b")
		require.Equal(t, "block a peer, block b peer", heard(l))

		answer(t, r, "c")
		require.Empty(t, heard(l), "it waits with its reader")
		require.Equal(t, 1, r.Depth())
		require.NoError(t, r.Put(t.Context(), blocksOf("z")))
		require.Equal(t, "block z", heard(l), "requests are not behind it")
		let()
		require.Equal(t, "block c peer", heard(l))
		require.True(t, store.holds("a b c"))
	})
}

func TestFailingStoreIsAnErrorAndNotTheEnd(t *testing.T) {
	for name, call := range map[string]func(context.Context, string) error{
		"fails":  func(context.Context, string) error { return errDisk },
		"panics": func(context.Context, string) error { panic("nil map") },
	} {
		t.Run(name, func(t *testing.T) {
			core, logged := observer.New(zap.InfoLevel)
			store := newStore("a")
			store.before = call
			var available int
			cfg := Config{Store: store, Logger: zap.New(core), Available: func(bs []blocks.Block) { available += len(bs) }}
			run(t, cfg, func(t *testing.T, r *Router) {
				l := wanting(t, r, "a")
				require.Equal(t, "failed a", heard(l))
				require.NoError(t, l.Load(t.Context(), cids("a")))
				require.Equal(t, "failed a", heard(l))
				answer(t, r, "a")
				require.Equal(t, "block a peer", heard(l), "peers have it")
				require.NoError(t, l.Want(t.Context(), cids("b")))
				answer(t, r, "b")
				synctest.Wait()
				require.EqualValues(t, 2, r.Stat().StoreErrors)
				require.Zero(t, available)
				require.Len(t, logged.All(), 1, "once, however long it goes on")

				store.refuse("", nil)
				require.NoError(t, l.Want(t.Context(), cids("c")))
				answer(t, r, "c")
				synctest.Wait()
				require.Equal(t, 1, available)
				require.Len(t, logged.All(), 2, "and when it is over")
			})
		})
	}
}

// A store that answers with another block must not leave the want without an
// answer.
func TestStoreThatGivesAnotherBlockHasFailed(t *testing.T) {
	store := newStore("a")
	store.held[block("a").Cid()] = block("b")
	run(t, Config{Store: store}, func(t *testing.T, r *Router) {
		l := wanting(t, r, "a")
		require.Equal(t, "local a", heard(l))
		require.NoError(t, l.Load(t.Context(), cids("a")))
		require.Equal(t, "failed a", heard(l))
	})
}

func TestStopStoresWhatWasReceived(t *testing.T) {
	store := newStore("")
	synctest.Test(t, func(t *testing.T) {
		let := store.block("put", true)
		r := New(Config{Store: store, StoreBytes: 1})
		r.Start()
		l := wanting(t, r, "a b c")
		answer(t, r, "a")
		synctest.Wait()
		answer(t, r, "b") // Not read: too much is not stored yet.
		answer(t, r, "c")
		stopped := make(chan error, 1)
		go func() { stopped <- r.Stop(t.Context()) }()
		synctest.Wait()
		require.Empty(t, stopped, "it waits for the store")
		require.Equal(t, "missing a b c", describe(Info{Missing: (<-l.C()).Missing}))
		require.Equal(t, "closed", heard(l), "sessions do not")
		let()
		require.NoError(t, <-stopped)
		require.True(t, store.holds("a b c"))
	})
}

func TestStopWithAStuckStoreIsBounded(t *testing.T) {
	for _, stubborn := range []bool{false, true} {
		for _, call := range []string{"put", "has"} {
			t.Run(fmt.Sprintf("%s, stubborn %t", call, stubborn), func(t *testing.T) {
				store := newStore("")
				synctest.Test(t, func(t *testing.T) {
					let := store.block(call, stubborn)
					r := New(Config{Store: store})
					r.Start()
					l := wanting(t, r, "a")
					answer(t, r, "a")
					synctest.Wait()
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					defer cancel()
					began := time.Now()
					err := r.Stop(ctx)
					require.LessOrEqual(t, time.Since(began), 5*time.Second+returnTime)
					if stubborn || call == "put" {
						require.ErrorIs(t, err, context.DeadlineExceeded)
					} else {
						require.NoError(t, err, "nobody needs the answer of a lookup any more")
					}
					for range l.C() { // Closed, or this waits for ever.
					}
					if stubborn {
						let()
					}
					require.NoError(t, r.Stop(t.Context()), "it has ended since")
				})
			})
		}
	}
}

func TestNothingIsTakenAfterStop(t *testing.T) {
	r := New(Config{Store: newStore("")})
	r.Start()
	l := open(t, r)
	require.NoError(t, r.Stop(t.Context()))
	_, err := r.Open(t.Context())
	require.ErrorIs(t, err, actor.ErrClosed)
	require.ErrorIs(t, l.Want(t.Context(), cids("a")), actor.ErrClosed)
	require.ErrorIs(t, l.Load(t.Context(), cids("a")), actor.ErrClosed)
	require.ErrorIs(t, l.Cancel(t.Context(), cids("a")), actor.ErrClosed)
	require.ErrorIs(t, l.CancelAll(t.Context()), actor.ErrClosed)
	require.ErrorIs(t, r.Put(t.Context(), blocksOf("a")), actor.ErrClosed)
	require.ErrorIs(t, r.ReceiveAnswers(t.Context(), network.Answers{}), actor.ErrClosed)
}

// Whoever got a link and took leave of it without an error sees its channel
// closed, however the end of the router falls in between.
func TestStopUnderLoadLeavesNobodyWaiting(t *testing.T) {
	for range 300 {
		r := New(Config{Store: newStore("a b c")})
		r.Start()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { useLink(r) })
			wg.Go(func() {
				for r.ReceiveAnswers(context.Background(), network.Answers{From: "peer", Blocks: blocksOf("d e")}) == nil {
				}
			})
		}
		require.NoError(t, r.Stop(t.Context()))
		wg.Wait()
	}
}

// A request that was in the inbox when the end came is not left there.
func TestLinkOpenedAtTheLastMomentIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // The loop may yet take some of what waits.
			r := New(Config{Store: newStore("")})
			l := open(t, r)
			require.NoError(t, l.CancelAll(t.Context()))
			r.loop.End()
			r.Start()
			for range l.C() { // Closed, or this waits for ever.
			}
			require.NoError(t, r.Stop(t.Context()))
		}
	})
}

// useLink opens links and wants on them until the router has ended.
func useLink(r *Router) {
	ctx := context.Background()
	for {
		l, err := r.Open(ctx)
		if err != nil {
			return
		}
		_ = l.Want(ctx, cids("a b c d e")) // The router may have ended: CancelAll tells.
		if l.CancelAll(ctx) != nil {
			return
		}
		for range l.C() {
		}
	}
}

func TestRouterThatBreaksEndsAndLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := make(chan error, 1)
		r := New(Config{
			Store: newStore(""), Fail: func(err error) { broken <- err },
			Available: func([]blocks.Block) { panic("a broken engine") },
		})
		r.Start()
		l := wanting(t, r, "a b")
		answer(t, r, "a")
		require.ErrorContains(t, <-broken, "a broken engine")
		for range l.C() { // Closed, or this waits for ever.
		}
		require.ErrorIs(t, l.Want(t.Context(), cids("a")), actor.ErrClosed)
		require.NoError(t, r.Stop(t.Context()))
	})
}

func TestRouterThatNeverStartedStops(t *testing.T) {
	r := New(Config{Store: newStore("")})
	require.NoError(t, r.Stop(t.Context()))
	r.Start()
	_, err := r.Open(t.Context())
	require.ErrorIs(t, err, actor.ErrClosed)
}

// A sender whose request finds no room is not held beyond its context.
func TestCallersAreNotHeldBeyondTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Config{Store: newStore("")}) // Not started: nobody reads.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var err error
		for err == nil {
			err = r.Put(ctx, nil)
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, r.Stop(t.Context()))
	})
}
