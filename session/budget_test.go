package session

import (
	"context"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockrouter"
)

func receivedFrom(w *world, from peer.ID, k cid.Cid) blockrouter.Received {
	delete(w.registered, k)
	return blockrouter.Received{Block: w.blocks[k], From: from, At: w.now}
}

func rulesOf(r rules) rules {
	r.k, r.budget, r.score = 8, 16<<20, func(peer.ID) float64 { return 0 }
	return r
}

// What is in flight or undelivered stays within the budget.
func TestTheBudgetHoldsWhileACallerIsSlow(t *testing.T) {
	r := named("a")
	r.budget = 1 << 20
	w := newWorld(t, 1, r)
	cids := w.makeBlocks(100, 64<<10)
	w.connected("a", cids...)
	w.call(1, cids...)
	most := 0
	for range 1000 {
		w.run(time.Millisecond)
		most = max(most, w.s.held)
	}
	require.LessOrEqual(t, most, 1<<20)
	require.Greater(t, most, 1<<20-64<<10)
	require.Len(t, w.results[1], 16)
	rs, _ := w.drain(1, time.Minute)
	require.Len(t, rs, 100)
}

// A caller who leaves one call undrained and starts another must not hang.
func TestAnUndrainedCallDoesNotStopAnother(t *testing.T) {
	r := named("a")
	r.budget = 256 << 10
	w := newWorld(t, 1, r)
	cids := w.makeBlocks(40, 64<<10)
	w.connected("a", cids...)
	w.call(1, cids[:20]...)
	w.run(time.Minute)
	require.Len(t, w.results[1], 4)
	w.call(2, cids[20:]...)
	rs, _ := w.drain(2, time.Minute)
	require.Len(t, rs, 20)
	rs, _ = w.drain(1, time.Minute)
	require.Len(t, rs, 20)
}

// Nor does it stop the search of another.
func TestAnUndrainedCallDoesNotStopTheSearch(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self", budget: 1 << 10})
	cids := w.makeBlocks(20, 64<<10)
	w.here[cids[0]], w.here[cids[1]] = true, true
	w.call(1, cids[:10]...)
	w.run(time.Minute)
	require.Len(t, w.results[1], 2)
	w.connected("a", cids...)
	w.call(2, cids[10:]...)
	rs, took := w.drain(2, time.Minute)
	require.Len(t, rs, 10)
	require.Less(t, took, 3*time.Second)
	rs, _ = w.drain(1, time.Minute)
	require.Len(t, rs, 10)
}

// The same holds for blocks that are here already.
func TestLocalBlocksAreLoadedAsTheBudgetAllows(t *testing.T) {
	r := named()
	r.budget = 256 << 10
	w := newWorld(t, 1, r)
	cids := w.makeBlocks(20, 64<<10)
	for _, k := range cids {
		w.here[k] = true
	}
	w.call(1, cids...)
	w.run(time.Minute)
	require.Len(t, w.results[1], 4)
	rs, _ := w.drain(1, time.Minute)
	require.Len(t, rs, 20)
	for _, r := range rs {
		require.Empty(t, r.From)
	}
}

// A local block that cannot be read is fetched.
func TestALocalBlockThatHasGoneIsFetched(t *testing.T) {
	w := newWorld(t, 1, named("a"))
	k := w.makeBlocks(1, 100)[0]
	w.connected("a", k)
	w.here[k] = true
	w.call(1, k)
	w.run(time.Millisecond / 2)
	require.Equal(t, loading, w.s.wantFor(k).stage)
	w.s.located(nil, []cid.Cid{k})
	w.settle()
	w.registered[k] = true
	rs, _ := w.drain(1, time.Minute)
	require.NoError(t, rs[0].Err)
}

// After large blocks, small ones are not asked for a few at a time for ever.
func TestTheLargestBlockIsForgottenAfterAWhile(t *testing.T) {
	var z sizes
	require.Zero(t, z.most())
	z.add(2 << 20)
	for range sizesTurn {
		z.add(100)
		require.Equal(t, 2<<20, z.most())
	}
	for range 2 * sizesTurn {
		z.add(100)
	}
	require.Equal(t, 100, z.most())
}

// Many small blocks are asked for at once, and when large ones come instead the
// rest of them is taken back.
func TestLargeBlocksAfterSmallOnesAreShed(t *testing.T) {
	r := named("a")
	r.budget = 1 << 20
	w := newWorld(t, 1, r)
	small, large := w.makeBlocks(200, 1<<10), w.makeBlocks(100, 100<<10)
	a := w.connected("a", append(small, large...)...)
	w.s.want(w.now, 1, append(small, large...), true)
	w.s.finish(1, false)
	w.settle()
	w.until(time.Minute, func() bool { w.consume(1); return w.s.wants.Len() < 100 })
	w.run(time.Minute)
	require.LessOrEqual(t, w.s.held, 1<<20)
	require.LessOrEqual(t, len(w.results[1]), 10)
	require.LessOrEqual(t, len(a.wants), 10)
	rs, _ := w.drain(1, time.Minute)
	require.Greater(t, len(rs), 90)
}

func TestTwoCallsForTheSameBlockBothGetIt(t *testing.T) {
	w := newWorld(t, 1, named("a"))
	k := w.makeBlocks(1, 100)[0]
	a := w.connected("a", k)
	w.call(1, k, k)
	w.call(2, k)
	one, _ := w.drain(1, time.Minute)
	two, _ := w.drain(2, time.Minute)
	require.Len(t, one, 1)
	require.Len(t, two, 1)
	require.Equal(t, 1, a.blocksSent)
}

// Cancelling one of two calls keeps the want of the other.
func TestCancellingOneCallKeepsTheOther(t *testing.T) {
	for _, first := range []callID{1, 2} {
		w := newWorld(t, 1, named("a"))
		cids := w.makeBlocks(30, 20<<10)
		a := w.connected("a")
		a.mute = true
		w.call(1, cids...)
		w.call(2, cids...)
		w.run(50 * time.Millisecond)
		failed := w.s.cancel(first, context.Canceled)
		require.Len(t, failed, 30)
		w.settle()
		require.Equal(t, 30, w.s.wants.Len())
		a.mute = false
		for _, k := range cids {
			a.has[k] = true
		}
		rs, _ := w.drain(3-first, time.Minute)
		require.Len(t, rs, 30)
	}
}

func TestTheLastCancelWithdrawsEverything(t *testing.T) {
	w := newWorld(t, 1, rules{self: "self"})
	cids := w.makeBlocks(30, 20<<10)
	a, b := w.connected("a", cids[0]), w.connected("b")
	w.call(1, cids...)
	w.run(100 * time.Millisecond)
	w.s.cancel(1, context.Canceled)
	w.settle()
	require.Zero(t, w.s.wants.Len())
	require.Zero(t, w.s.held)
	require.Empty(t, a.wants)
	require.Empty(t, b.wants)
	require.Empty(t, w.registered)
	require.Empty(t, w.s.calls)
	require.True(t, w.s.wake().IsZero())
}

func TestClosingFailsWhatIsOpen(t *testing.T) {
	w := newWorld(t, 1, named("a"))
	cids := w.makeBlocks(3, 100)
	a := w.connected("a")
	a.mute = true
	w.call(1, cids...)
	w.run(time.Second)
	w.s.closing(ErrClosed)
	w.settle()
	require.Len(t, w.results[1], 3)
	for _, r := range w.results[1] {
		require.ErrorIs(t, r.Err, ErrClosed)
		require.NotErrorIs(t, r.Err, ErrNoProviders)
	}
	require.True(t, w.closed[1])
	require.True(t, w.gone[1])
	require.Empty(t, a.wants)
}

func TestAnEmptyCallEndsAtOnce(t *testing.T) {
	w := newWorld(t, 1, named("a"))
	w.call(1)
	require.True(t, w.closed[1])
	require.True(t, w.gone[1])
}

func received(b blocks.Block, from peer.ID, at time.Time) blockrouter.Received {
	return blockrouter.Received{Block: b, From: from, At: at}
}

// What was lent is given back as it comes back: in steps, and without what every
// call may have in any case.
func TestABudgetThatShrinksIsGivenBackAsBlocksAreConsumed(t *testing.T) {
	w := newWorld(t, 1, named("a"))
	w.connected("a")
	w.call(1)
	w.s.call(1).finished = false
	w.s.held, w.s.call(1).bytes, w.s.call(1).ready = 4<<20, 4<<20, 16 // undelivered
	returned := func() (held int, told bool) {
		out := w.s.take(w.now)
		return out.held, out.returned
	}
	_, told := returned()
	require.False(t, told, "nobody has asked")

	w.s.lend(1 << 20)
	held, told := returned()
	require.True(t, told)
	require.Equal(t, 4<<20-always*w.s.size(), held)
	_, told = returned()
	require.False(t, told, "nothing has changed")

	w.s.consumed(1, 8, 2<<20)
	held, told = returned()
	require.True(t, told)
	require.Equal(t, 2<<20-always*w.s.size(), held)
	w.s.consumed(1, 8, 2<<20)
	held, told = returned()
	require.True(t, told)
	require.Zero(t, held)
	w.s.lend(16 << 20)
	_, told = returned()
	require.False(t, told)
}
