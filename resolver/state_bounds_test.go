package resolver

import (
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/resolver/wire"
)

// A fetch ends by its deadline or by its number of attempts, and says so; of two orders
// the looser bounds count.
func TestAFetchEndsByItsBounds(t *testing.T) {
	soon := func(r *scene, d time.Duration) time.Time { return r.now.Add(d) }
	cases := map[string]struct {
		orders func(*scene) []order
		why    error // nil: it does not end
	}{
		"deadline":           {func(r *scene) []order { return []order{{key: "k", deadline: soon(r, time.Second)}} }, ErrDeadline},
		"attempts":           {func(*scene) []order { return []order{{key: "k", attempts: 2}} }, ErrAttempts},
		"none":               {func(*scene) []order { return []order{{key: "k"}} }, nil},
		"later deadline":     {func(r *scene) []order { return []order{{key: "k", deadline: soon(r, time.Second)}, {key: "k"}} }, nil},
		"more attempts":      {func(*scene) []order { return []order{{key: "k", attempts: 1}, {key: "k", attempts: 2}} }, ErrAttempts},
		"attempts, no bound": {func(*scene) []order { return []order{{key: "k", attempts: 1}, {key: "k"}} }, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newScene(t, Limits{}, ann, ben)
			r.order(c.orders(r)...)
			for i := 0; i < 20 && len(r.fetches) > 0; i++ {
				r.refuses(r.asked(), wire.CodeNone)
				r.pass(r.limits.Retry)
			}
			if c.why == nil {
				require.Empty(t, r.out.failures)
				return
			}
			require.Len(t, r.out.failures, 1)
			require.ErrorIs(t, r.out.failures[0].why, c.why)
			var failed *FetchError
			require.True(t, errors.As(r.out.failures[0].why, &failed))
			if c.why == ErrAttempts {
				require.Equal(t, 2, failed.Attempts)
			}
		})
	}
}

// A Consumer that panics at each value has it fetched again after ever longer pauses, up
// to a bound, until it says something. The peers are not to blame, and it is no lie.
func TestAValueAtWhichTheConsumerPanicsIsFetchedEverMoreSeldom(t *testing.T) {
	r := newScene(t, Limits{Hedge: -1}, ann)
	r.plain("k")
	performance := r.remotes[ann].performance
	var waits []time.Duration
	for range 400 {
		before := r.now
		a := r.next()
		waits = append(waits, r.now.Sub(before))
		r.panics(a)
	}
	require.Equal(t, []time.Duration{0, r.limits.Retry, 2 * r.limits.Retry, 4 * r.limits.Retry}, waits[:4])
	require.Equal(t, mostPause, waits[len(waits)-1])
	require.Equal(t, uint64(len(waits)), r.counts.Unjudged)
	require.Zero(t, r.counts.Invalid)
	require.Empty(t, r.out.blocks)
	for _, m := range r.out.measures {
		require.Zero(t, m.fault)
	}
	require.Less(t, r.remotes[ann].performance, performance, "it has answered each time")
	r.do(func() { r.setMembers(r.now, []peer.ID{ann, ben}) })
	r.lies(r.next())
	before := r.now
	r.panics(r.next())
	require.Equal(t, r.limits.Retry, r.now.Sub(before), "what was refused has nothing to do with it")
	r.next()
	require.Equal(t, 2*r.limits.Retry, r.now.Sub(before), "and the pauses begin anew")
}

// Each value at which the Consumer panics is an attempt, and so the fetch ends; one that
// was cancelled or is overdue ends at once.
func TestAFetchEndsThatTheConsumerPanicsAt(t *testing.T) {
	r := newScene(t, Limits{}, ann)
	r.order(order{key: "attempts", attempts: 3})
	for range 3 {
		r.panics(r.next())
	}
	r.plain("cancelled")
	r.says(r.next(), "v")
	r.do(func() { r.cancel(r.now, []Key{"cancelled"}) })
	r.do(func() { r.unjudged(r.now, "cancelled") })
	r.order(order{key: "overdue", deadline: r.now.Add(time.Second)})
	r.says(r.next(), "v")
	r.pass(time.Minute)
	r.do(func() { r.unjudged(r.now, "overdue") })
	require.Len(t, r.out.failures, 3)
	for i, why := range []error{ErrAttempts, ErrCancelled, ErrDeadline} {
		require.ErrorIs(t, r.out.failures[i].why, why)
	}
	require.Empty(t, r.fetches)
}

// A deadline that passes while the Consumer has the value waits for what it says.
func TestADeadlineWaitsForTheConsumer(t *testing.T) {
	for _, good := range []bool{true, false} {
		r := newScene(t, Limits{}, ann)
		r.order(order{key: "k", deadline: r.now.Add(time.Second)})
		r.says(r.asked(), "v")
		r.pass(time.Minute)
		require.Empty(t, r.out.endings)
		r.verdict("k", good)
		require.Len(t, r.out.endings, 1)
		if good {
			require.NoError(t, r.out.endings[0].why)
		} else {
			require.ErrorIs(t, r.out.endings[0].why, ErrDeadline)
		}
	}
}

// A cancel while the Consumer has the value: nobody hears of a failure when the value is
// good, and who waits in person hears at once.
func TestACancelWhileTheConsumerHasTheValue(t *testing.T) {
	for _, good := range []bool{true, false} {
		r := newScene(t, Limits{}, ann)
		r.order(order{key: "k"}, order{key: "k", caller: 7})
		r.says(r.asked(), "v")
		r.do(func() { r.cancel(r.now, []Key{"k"}) })
		require.Equal(t, []reply{{7, "k", nil, ErrCancelled}}, r.out.replies)
		require.Empty(t, r.out.failures)
		r.verdict("k", good)
		require.Empty(t, r.fetches)
		require.Equal(t, good, len(r.out.failures) == 0)
		require.Len(t, r.out.replies, 1)
	}
}

// A fetch that only callers wait for ends with the last of them.
func TestAFetchEndsWithItsLastCaller(t *testing.T) {
	r := newScene(t, Limits{}, ann)
	r.order(order{key: "k", caller: 1}, order{key: "k", caller: 2})
	r.do(func() { r.leave(r.now, 1, "k") })
	require.Len(t, r.fetches, 1)
	r.do(func() { r.leave(r.now, 2, "k") })
	require.Empty(t, r.fetches)
	require.Empty(t, r.out.replies)
	require.Empty(t, r.out.failures)
	r.says(r.asked(), "v")
	require.Empty(t, r.out.jobs, "an answer after the end is passed over")
	require.Empty(t, r.out.blocks)
}

// A second request when the first is late against the peer's own history: one, at another
// peer, and whichever answers first counts.
func TestALateRequestIsHedgedOnce(t *testing.T) {
	for _, first := range []bool{true, false} {
		r := newScene(t, Limits{Hedge: 3}, ann, ben, cat)
		r.plain("k")
		a := r.asked()
		late := 3 * r.remotes[a.to].latency
		r.pass(late - 1)
		r.nobody()
		r.pass(1)
		b := r.asked()
		require.NotEqual(t, a.to, b.to)
		r.pass(r.limits.Timeout - late - 1)
		r.nobody()
		if !first {
			a, b = b, a
		}
		r.says(a, "v")
		r.says(b, "other")
		require.Equal(t, []job{{"k", [][]byte{[]byte("v")}}}, r.out.jobs)
		require.Equal(t, uint64(1), r.counts.Hedges)
		require.Zero(t, r.penalty(r.remotes[b.to]), "it was asked")
	}
}

// While nothing waits, what a slow peer was asked for is asked of one that is clearly
// sooner.
func TestWhatASlowPeerHasIsAskedOfAnIdleOne(t *testing.T) {
	r := newScene(t, Limits{}, ann, ben)
	r.performs(ann, 10*time.Millisecond)
	r.performs(ben, time.Second)
	r.all()
	r.remotes[ann].until = r.state.now.after(time.Millisecond) // It has had enough.
	r.do(func() { r.place(r.remotes[ann]) })
	r.plain("k")
	require.Equal(t, ben, r.asked().to)
	r.pass(2 * time.Millisecond)
	require.Equal(t, ann, r.asked().to)
}

// A peer has two requests at first, as many as keep it busy after that, and never more
// than the bound.
func TestAPeerHasAsManyRequestsAsKeepItBusy(t *testing.T) {
	r := newScene(t, Limits{Outstanding: 4, Hedge: -1}, ann)
	for i := range 40 {
		r.plain(Key(rune('A' + i)))
	}
	open := r.all()
	require.Len(t, open, 2)
	for range 20 {
		r.pass(10 * time.Millisecond) // All are answered at once: it could do more.
		for _, a := range open {
			r.says(a, "v")
			r.verdict(a.key, true)
		}
		open = r.all()
	}
	require.Empty(t, r.open.Items())
	require.Equal(t, 4.0, r.remotes[ann].window)
}

// Two answers show what one takes a peer, and so how many requests keep it busy, however
// long the way is. One that is slow is not taken for far away.
func TestTwoAnswersShowThePaceOfAPeer(t *testing.T) {
	const way = 200 * time.Millisecond
	for work, window := range map[time.Duration]int{10 * time.Millisecond: 22, 100 * time.Millisecond: 4, time.Second: leastWindow} {
		r := newScene(t, Limits{Hedge: -1}, ann)
		for i := range 60 {
			r.plain(Key(rune('A' + i)))
		}
		open := r.all()
		require.Len(t, open, 2)
		r.pass(way + work)
		r.says(open[0], "v")
		r.pass(work)
		r.says(open[1], "v")
		r.nobody()
		r.verdict(open[0].key, true)
		require.Len(t, r.all(), window, "%s of work", work)
	}
}

// The pace is that of what the peer had to do. What it was asked for when it had nothing
// to do says nothing of it.
func TestAPeerThatWasIdleHasNoPace(t *testing.T) {
	r := newScene(t, Limits{Hedge: -1}, ann)
	for range 10 {
		r.plain("k")
		r.pass(10 * time.Millisecond)
		r.says(r.asked(), "v")
		r.verdict("k", true)
		r.pass(time.Second)
	}
	require.Zero(t, r.remotes[ann].paces)
}

// Penalties for what no peer should send worsen the order, block for a while from a sum
// on, and decay.
func TestPenaltiesAddUpAndDecay(t *testing.T) {
	r := newScene(t, Limits{}, ann, ben)
	r.do(func() { r.faulted(r.now, ann, message.FaultProtobuf) })
	require.InDelta(t, penaltyMalformed, r.penalty(r.remotes[ann]), 0.01)
	require.True(t, better(r.remotes[ben], r.remotes[ann]))
	for range 2 {
		r.do(func() { r.faulted(r.now, ann, message.FaultProtobuf) })
	}
	require.Len(t, r.out.blocks, 1)
	require.False(t, r.out.blocks[0].hard)
	r.aimed("k", ann)
	require.Len(t, r.fetches["k"].targets, 1, "it stays a target")
	r.pass(halfLife - time.Second)
	r.nobody()
	r.pass(time.Second)
	require.Equal(t, ann, r.asked().to)
	require.InDelta(t, 1.5*penaltyMalformed, r.penalty(r.remotes[ann]), 0.1)
}

// A response counts only when both the number and the peer are those of a request. What
// else comes is a fault, unless it comes too late.
func TestAnAnswerCountsWithItsNumberAndPeer(t *testing.T) {
	r := newScene(t, Limits{Hedge: -1}, ann, ben)
	r.plain("k")
	a := r.asked()
	other := ann
	if a.to == ann {
		other = ben
	}
	r.do(func() { r.answered(r.now, other, a.id, answer{data: []byte("v")}) })
	r.do(func() { r.answered(r.now, a.to, a.id+5, answer{data: []byte("v")}) })
	r.do(func() { r.answered(r.now, "stranger", a.id, answer{data: []byte("v")}) })
	require.Empty(t, r.out.jobs)
	require.Equal(t, uint64(3), r.counts.Strays)
	require.InDelta(t, penaltyUnasked, r.penalty(r.remotes[other]), 0.01)
	require.InDelta(t, penaltyUnasked, r.penalty(r.remotes[a.to]), 0.01)
	r.pass(r.limits.Timeout)
	before := r.penalty(r.remotes[a.to])
	r.says(a, "late")
	require.LessOrEqual(t, r.penalty(r.remotes[a.to]), before, "it owed that")
	r.says(a, "twice")
	require.Greater(t, r.penalty(r.remotes[a.to]), before)
	require.Empty(t, r.blockedPeers())
}

// Who has left and was asked nothing could send what it likes, with nothing held against
// it: its stream is cut.
func TestTheStreamOfAPeerThatIsNobodyAnyMoreIsCut(t *testing.T) {
	r := newScene(t, Limits{}, ann)
	r.plain("k")
	a := r.asked()
	r.do(func() { r.setMembers(r.now, nil) })
	r.refuses(a, wire.CodeNone)
	require.Empty(t, r.out.cuts, "it was asked")
	require.Empty(t, r.remotes)
	r.says(a, "again")
	r.do(func() { r.faulted(r.now, ann, message.FaultProtobuf) })
	require.Equal(t, []peer.ID{ann, ann}, r.out.cuts)
	require.Equal(t, uint64(1), r.counts.Strays)
	require.Equal(t, uint64(1), r.counts.Malformed)
}

// While what is asked for and what waits for the Consumer reach the bound nothing is
// asked. What comes nevertheless is dropped and asked for again, and nobody is blamed.
func TestUndeliveredBytesAreBounded(t *testing.T) {
	r := newScene(t, Limits{Undelivered: 12, MaxValue: 12, Hedge: -1}, ann, ben, cat)
	r.plain("a", "b", "c", "d")
	all := r.all()
	require.Len(t, all, 3, "each may be as large as a part")
	r.says(all[0], "1")
	r.nobody()
	r.reply(all[1], begins("12345678"))
	r.says(r.asked(), "5678")
	r.says(all[2], "3333")
	require.Equal(t, uint64(1), r.counts.Dropped, "9 bytes are with the Consumer")
	require.Empty(t, r.out.blocks)
	require.Zero(t, r.penalty(r.remotes[all[2].to]))
	r.pass(time.Minute)
	r.nobody()
	r.verdict("a", true)
	d := r.asked()
	require.Equal(t, Key("d"), d.key)
	r.says(d, "4")
	r.nobody()
	r.verdict("b", true)
	require.Equal(t, Key("c"), r.asked().key)
	require.Len(t, r.out.jobs, 3)
}

// A blocked peer is asked again when the time is over that the limits say.
func TestABlockEnds(t *testing.T) {
	r := newScene(t, Limits{BlockFor: time.Hour}, ann)
	r.plain("k")
	r.lies(r.asked())
	require.Equal(t, []block{{peer: ann, until: r.now.Add(time.Hour), hard: true, fault: r.out.blocks[0].fault}}, r.out.blocks)
	r.pass(time.Hour - time.Second)
	r.nobody()
	r.pass(time.Second)
	require.Equal(t, ann, r.asked().to)
}

// Who cannot be reached is left alone, for longer each time, until it answers.
func TestAPeerThatCannotBeReachedIsLeftAlone(t *testing.T) {
	r := newScene(t, Limits{Hedge: -1}, ann)
	r.plain("k")
	var waits []time.Duration
	for range 12 {
		before := r.now
		r.next()
		waits = append(waits, r.now.Sub(before))
		r.do(func() { r.parted(r.now, ann) })
	}
	require.IsIncreasing(t, waits[1:9])
	require.Equal(t, mostPause, waits[11])
	r.refuses(r.next(), wire.CodeNone)
	before := r.now
	r.next()
	require.Equal(t, r.limits.Retry, r.now.Sub(before), "it has answered")
	require.Empty(t, r.blockedPeers())
}
