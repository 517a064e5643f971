package download

import (
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

func TestTenIntentsMakeOneTransferAndEndWithIt(t *testing.T) {
	r := newRig(t, Limits{})
	r.connectedMembers(0)
	var all []IntentID
	for id := IntentID(1); id <= 10; id++ {
		all = append(all, id)
		r.wantFor(id, 1, 0, ResourceHints{Groups: []Group{dataset}})
		require.Equal(t, id == 1, len(r.out.start) == 1)
	}
	r.done(2)
	require.Equal(t, []Outcome{{CID: resourceCID(1), Intents: all}}, r.out.finished)
	require.Empty(t, r.s.intents)
}

func TestTheLastIntentToLeaveCancelsTheTransfer(t *testing.T) {
	r := newRig(t, Limits{})
	r.connectedMembers(0)
	for id := IntentID(1); id <= 3; id++ {
		r.wantFor(id, 1, 0, ResourceHints{Groups: []Group{dataset}})
	}
	r.cancel(1)
	r.cancel(3)
	require.Empty(t, r.out.cancel)
	r.cancel(2)
	require.Equal(t, []TransferID{2}, r.out.cancel)
	require.Empty(t, r.out.finished)
	r.done(2)
	require.Empty(t, r.out.finished, "what a cancelled transfer still says counts for nothing")
	r.failed(2, 0, HasNot)

	r.want(1)
	require.Equal(t, [][2]int{{1, 0}}, r.starts(), "a cancelled transfer says nothing of its node")
}

func TestLimitsHoldInTotalAndForEachNode(t *testing.T) {
	r := newRig(t, Limits{Transfers: 5, PerNode: 2, Connections: 4})
	r.connectedMembers(0, 1, 2, 3)
	for n := 1; n <= 20; n++ {
		r.want(n)
	}
	require.Equal(t, 5, r.s.seats)
	for _, n := range r.s.linked {
		require.LessOrEqual(t, len(n.seats), 2)
	}
	r.done(r.s.running[0].id)
	require.Len(t, r.out.start, 1, "a place that is free is taken at once")
}

func TestWorkIsSpreadBeforeAnyNodeHasMore(t *testing.T) {
	r := newRig(t, Limits{Transfers: 6})
	r.connectedMembers(0, 1, 2)
	for n := 1; n <= 6; n++ {
		r.want(n)
	}
	for _, n := range r.s.linked {
		require.Len(t, n.seats, 2)
	}
}

func TestWhatANodeHasComesBeforeWhatItsGroupsWaitFor(t *testing.T) {
	r := newRig(t, Limits{PerNode: 1})
	r.members(0)
	r.want(1)
	r.want(2)
	r.node(0, NodeHints{Has: []cid.Cid{resourceCID(2)}})
	r.connected(0)
	require.Equal(t, [][2]int{{2, 0}}, r.starts())
}

func TestGroupsOfANodeAreServedInTurn(t *testing.T) {
	r := newRig(t, Limits{PerNode: 1})
	r.node(0, NodeHints{Groups: []Group{"a", "b"}})
	for n := 1; n <= 4; n++ {
		r.wantFor(IntentID(n), n, 0, ResourceHints{Groups: []Group{map[bool]Group{true: "a", false: "b"}[n <= 2]}})
	}
	r.connected(0)
	var order []int
	for range 4 {
		order = append(order, r.starts()[0][0])
		r.done(r.out.start[0].ID)
	}
	require.Equal(t, []int{1, 3, 2, 4}, order)
}

func TestWhoAsksLateIsToldHowFarItIs(t *testing.T) {
	r := newRig(t, Limits{})
	r.connectedMembers(0)
	r.want(1)
	r.progress(2, 40)
	require.Equal(t, []Event{{Kind: Progress, CID: resourceCID(1), Node: nodeID(0), Bytes: 40, Size: 100}}, r.out.events)
	told := r.out.events
	r.wantFor(7, 1, 0, ResourceHints{})
	require.Equal(t, told, r.out.events)
}

func TestAHundredResourcesOverThreeNodesWithTwoConnections(t *testing.T) {
	r := newRig(t, Limits{Connections: 2})
	has := map[int][]cid.Cid{}
	for n := 1; n <= 100; n++ {
		has[n%3] = append(has[n%3], resourceCID(n))
	}
	for n := range 3 {
		r.node(n, NodeHints{Has: has[n]})
	}
	var running []Start
	var dialled []int
	finished, served := 0, map[int]int{}
	note := func() {
		running = append(running, r.out.start...)
		for _, at := range r.starts() {
			served[at[1]]++
		}
		dialled = append(dialled, r.connects()...)
		finished += len(r.out.finished)
	}
	for n := 1; n <= 100; n++ {
		r.want(n)
		note()
	}
	for finished < 100 {
		switch {
		case len(dialled) > 0:
			n := dialled[0]
			dialled = dialled[1:]
			r.connected(n)
		case len(running) > 0:
			id := running[0].ID
			running = running[1:]
			r.done(id)
		default:
			require.FailNow(t, "nothing goes on", "%d are finished", finished)
		}
		note()
	}
	require.Equal(t, map[int]int{0: 33, 1: 34, 2: 33}, served)
}

func TestARetryGoesToAnotherNode(t *testing.T) {
	for _, why := range []Reason{HasNot, Broken, Stalled} {
		r := newRig(t, Limits{})
		r.connectedMembers(0, 1)
		r.want(1)
		require.Equal(t, [][2]int{{1, 0}}, r.starts(), "the nearest")
		r.failed(r.out.start[0].ID, 0, why)
		require.Equal(t, [][2]int{{1, 1}}, r.starts(), "after: %s", why)
		require.Equal(t, Event{Kind: Retry, CID: resourceCID(1), Node: nodeID(0), Reason: why, Err: errUnplugged}, r.out.events[0])
	}
}

func TestATransferOfANodeThatIsGoneGoesToAnother(t *testing.T) {
	r := newRig(t, Limits{})
	r.connectedMembers(0, 1)
	r.want(1)
	first := r.out.start[0].ID
	r.gone(0)
	require.Equal(t, []TransferID{first}, r.out.cancel)
	require.Equal(t, [][2]int{{1, 1}}, r.starts())
}

func TestATransferThatBringsNothingIsGivenUp(t *testing.T) {
	r := newRig(t, Limits{Stall: 30 * time.Second, Idle: time.Hour})
	r.connectedMembers(0, 1)
	r.want(1)
	first := r.out.start[0].ID
	r.now = r.now.Add(20 * time.Second)
	r.progress(first, 1)
	all := r.pass(30 * time.Second)
	last := all[len(all)-1]
	require.Equal(t, 30*time.Second, last.after)
	require.Equal(t, []TransferID{first}, last.cancel)
	require.Equal(t, nodeID(1), last.start[0].Node)
}

// Each retry comes after twice the pause, and after the last the intent fails.
// What comes at a trickle is had from a node that has nothing to do.
func TestATransferThatIsSlowGoesToAnIdleNode(t *testing.T) {
	const slow = 64 << 10
	for name, c := range map[string]struct {
		rate  uint64 // bytes a second
		nodes []int
		ready func(r *rig)
		moves bool
	}{
		"slow":                 {slow - 1, []int{0, 1}, func(*rig) {}, true},
		"not slow":             {slow, []int{0, 1}, func(*rig) {}, false},
		"nobody else":          {slow - 1, []int{0}, func(*rig) {}, false},
		"all has come":         {slow - 1, []int{0, 1}, func(r *rig) { r.s.complete(r.out.start[0].ID) }, false},
		"the other is busy":    {slow - 1, []int{0, 1}, func(r *rig) { r.want(2) }, false},
		"the other has not it": {slow - 1, []int{0, 1}, func(r *rig) { r.node(1, NodeHints{HasNot: []cid.Cid{resourceCID(1)}}) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Limits{SlowBytes: slow})
			r.connectedMembers(c.nodes...)
			r.want(1)
			require.Equal(t, [][2]int{{1, 0}}, r.starts())
			id := r.out.start[0].ID
			c.ready(r)
			for at := range uint64(3) {
				require.Empty(t, r.out.cancel)
				r.pass(10 * time.Second)
				r.progress(id+1, (at+1)<<30) // of the other, if there is one
				r.progress(id, (at+1)*10*c.rate)
			}
			if !c.moves {
				require.Empty(t, r.out.cancel)
				return
			}
			require.Equal(t, []TransferID{id}, r.out.cancel)
			require.Equal(t, Event{Kind: Retry, CID: resourceCID(1), Node: nodeID(0), Reason: Stalled}, r.out.events[1])
			require.Equal(t, []int{1}, r.connects(), "it was let go of meanwhile")
			r.connected(1)
			require.Equal(t, [][2]int{{1, 1}}, r.starts())
		})
	}
}

func TestRetriesAreCountedAndPausesDouble(t *testing.T) {
	r := newRig(t, Limits{Retries: 4, RetryFirst: time.Second, RetryMost: 4 * time.Second, Idle: time.Hour, Stall: time.Hour})
	r.connectedMembers(0)
	r.want(1)
	began := r.now
	var at []time.Duration
	for range 4 {
		r.failed(r.out.start[0].ID, 0, Broken)
		require.Empty(t, r.out.start)
		require.Empty(t, r.out.finished)
		for len(r.out.start) == 0 {
			r.now = r.s.wake()
			r.after(func() { r.s.tick(r.now) })
		}
		at = append(at, r.now.Sub(began))
	}
	require.Equal(t, []time.Duration{1 * time.Second, 3 * time.Second, 7 * time.Second, 11 * time.Second}, at)
	r.failed(r.out.start[0].ID, 0, Broken)
	require.Len(t, r.out.finished, 1)
	err := r.out.finished[0].Err
	require.ErrorIs(t, err, ErrBroken)
	require.ErrorIs(t, err, errUnplugged)
	require.Equal(t, &FailedError{
		CID: resourceCID(1), Retries: 4, Nodes: []NodeFailure{{nodeID(0), Broken}}, Err: errUnplugged, kind: ErrBroken,
	}, err)
}

func TestWhatNobodyHasFailsAfterItsRetries(t *testing.T) {
	for _, c := range []struct {
		name    string
		members []int
		why     error
	}{
		{"no node is known", nil, ErrNoNodes},
		{"the node has not got it", []int{0}, ErrNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Limits{Retries: 3})
			r.connectedMembers(c.members...)
			r.want(1)
			if len(c.members) > 0 {
				r.failed(r.out.start[0].ID, 0, HasNot)
			}
			all := r.pass(time.Minute)
			var ends []happened
			for _, h := range all {
				require.Empty(t, h.start, "it said no less than ten minutes ago")
				if len(h.finished) > 0 {
					ends = append(ends, h)
				}
			}
			require.Len(t, ends, 1)
			require.Equal(t, 7*time.Second, ends[0].after, "1 + 2 + 4")
			require.ErrorIs(t, ends[0].finished[0].Err, c.why)
		})
	}
}

func TestWhoCannotBeReachedIsDialledAgainAndThenGivenUp(t *testing.T) {
	r := newRig(t, Limits{Retries: 2})
	r.members(0)
	r.want(1)
	dials := 0
	for len(r.out.finished) == 0 {
		if len(r.out.connect) > 0 {
			dials++
			r.unreachable(0)
			continue
		}
		r.now = r.s.wake()
		r.after(func() { r.s.tick(r.now) })
	}
	require.Equal(t, 3, dials)
	require.Equal(t, 3*time.Second, r.now.Sub(gameBegins), "1 + 2")
	require.ErrorIs(t, r.out.finished[0].Err, ErrUnreachable)
	require.ErrorIs(t, r.out.finished[0].Err, errUnplugged)
}

func TestAnIntentMayHaveRetriesWithoutEnd(t *testing.T) {
	r := newRig(t, Limits{Retries: 1})
	r.wantFor(1, 1, -1, ResourceHints{})
	for _, h := range r.pass(24 * time.Hour) {
		require.Empty(t, h.finished)
	}
	r.node(0, NodeHints{Has: []cid.Cid{resourceCID(1)}})
	require.Equal(t, []int{0}, r.connects())
}

func TestWhatComesCountsRetriesAnew(t *testing.T) {
	r := newRig(t, Limits{Retries: 1, Idle: time.Hour})
	r.connectedMembers(0)
	r.want(1)
	for bytes := uint64(1); bytes < 20; bytes++ {
		id := r.out.start[0].ID
		r.progress(id, bytes)
		r.failed(id, 0, Broken)
		require.Empty(t, r.out.finished)
		for len(r.out.start) == 0 {
			r.now = r.s.wake()
			r.after(func() { r.s.tick(r.now) })
		}
	}
}

// A disk that keeps nothing must not have the same fetched for ever.
func TestWhatComesAgainIsNothingNew(t *testing.T) {
	r := newRig(t, Limits{Retries: 2, Idle: time.Hour})
	r.connectedMembers(0)
	r.want(1)
	for tries := 1; ; tries++ {
		require.LessOrEqual(t, tries, 3)
		id := r.out.start[0].ID
		r.progress(id, 10)
		r.progress(id, 50)
		r.after(func() { r.s.failed(r.now, id, "", Local, errUnplugged) })
		if len(r.out.finished) > 0 {
			break
		}
		for len(r.out.start) == 0 {
			r.now = r.s.wake()
			r.after(func() { r.s.tick(r.now) })
		}
	}
}

func TestAFailureHereBlamesNoNode(t *testing.T) {
	r := newRig(t, Limits{Retries: 1})
	r.connectedMembers(0)
	r.want(1)
	r.after(func() { r.s.failed(r.now, 2, "", Local, errUnplugged) })
	require.Empty(t, r.out.start, "the disk may have room in a second")
	r.pass(time.Second - 1)
	r.now = r.now.Add(1)
	r.after(func() { r.s.tick(r.now) })
	require.Equal(t, [][2]int{{1, 0}}, r.starts())
	r.after(func() { r.s.failed(r.now, 3, "", Local, errUnplugged) })
	require.ErrorIs(t, r.out.finished[0].Err, ErrLocal)
	require.ErrorIs(t, r.out.finished[0].Err, errUnplugged)
}

func TestAContentThatAppearsLaterOnAThirdNodeIsFetchedAtOnce(t *testing.T) {
	r := newRig(t, Limits{})
	r.connectedMembers(0, 1)
	r.want(1)
	r.failed(2+1, 0, HasNot)
	require.Equal(t, [][2]int{{1, 1}}, r.starts())
	r.failed(r.out.start[0].ID, 1, HasNot)
	require.Equal(t, parked, r.s.resources[resourceCID(1)].phase)
	r.pass(500 * time.Millisecond)
	r.members(2)
	require.Equal(t, []int{2}, r.connects())
	r.connected(2)
	require.Equal(t, [][2]int{{1, 2}}, r.starts())
}

func TestANodeThatIsNamedDuringATransferIsTheNextToBeAsked(t *testing.T) {
	r := newRig(t, Limits{})
	r.node(0, NodeHints{Has: []cid.Cid{resourceCID(1)}})
	r.wantFor(1, 1, 0, ResourceHints{})
	r.connected(0)
	r.wantFor(0, 1, 0, ResourceHints{From: []peer.ID{nodeID(1)}})
	require.Empty(t, r.connects(), "nothing waits for it")
	r.pass(time.Second)
	r.failed(1, 0, Broken)
	require.Equal(t, []int{1}, r.connects())
}

func TestWhatIsWantedIsListedPageByPage(t *testing.T) {
	r := newRig(t, Limits{})
	r.wantFor(0, 1, 0, ResourceHints{Groups: []Group{dataset}})
	for n := 2; n <= 12; n++ {
		r.want(n)
	}
	r.cancel(12)
	var all []int
	after := cid.Undef
	for page := r.s.wanted(after, 4); len(page) > 0; page = r.s.wanted(after, 4) {
		for _, after = range page {
			all = append(all, resourceNumber(after))
		}
	}
	require.ElementsMatch(t, []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, all)
}

func TestAStatusSaysWhyAResourceWaits(t *testing.T) {
	r := newRig(t, Limits{})
	of := func(n int) Status { return r.s.statuses(r.now, []cid.Cid{resourceCID(n)})[0] }
	require.Equal(t, Status{CID: resourceCID(1), State: "unknown"}, of(1))
	r.want(1)
	require.Equal(t, "paused", of(1).State)
	require.Equal(t, r.now.Add(time.Second), of(1).Next)
	require.ErrorIs(t, of(1).Err, ErrNoNodes)
	r.members(0)
	require.Equal(t, []int{0}, r.connects())
	require.NoError(t, of(1).Err)
	r.unreachable(0)
	r.want(2)
	away := []NodeFailure{{nodeID(0), Unreachable}}
	require.Equal(t, away, of(1).Failed)
	require.Equal(t, away, of(2).Failed, "the node rests, and is asked for nothing")
	r.pass(time.Second)
	r.connected(0)
	require.Equal(t, "active", of(2).State)
	require.Equal(t, []peer.ID{nodeID(0)}, of(2).Nodes)
	require.Empty(t, of(2).Failed)
	r.failed(r.s.resources[resourceCID(1)].transfer.id, 0, Stalled)
	r.failed(r.s.resources[resourceCID(2)].transfer.id, 0, Stalled)
	r.want(3)
	require.Equal(t, []NodeFailure{{nodeID(0), Stalled}}, of(3).Failed)
}
