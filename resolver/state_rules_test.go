package resolver

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/resolver/wire"
)

// "One key is one fetch in flight with at most one outstanding request. A duplicate Fetch
// merges targets or subscribers."
func TestADuplicateJoinsTheFetch(t *testing.T) {
	r := newScene(t, Limits{}, ann, ben)
	r.order(order{key: "k", caller: 1})
	a := r.asked()
	r.order(order{key: "k", caller: 2})
	r.plain("k")
	r.nobody()
	r.says(a, "v")
	require.Empty(t, r.out.replies, "the Consumer says first whether it is good")
	r.plain("k")
	r.verdict("k", true)
	require.Equal(t, []reply{{1, "k", [][]byte{[]byte("v")}, nil}, {2, "k", [][]byte{[]byte("v")}, nil}}, r.out.replies)
	require.Empty(t, r.out.failures)
	require.Empty(t, r.fetches)
}

// "For a new key, or one that has targets, FetchTargeted adds to the set. On a key that is
// being fetched from all, it changes nothing: that fetch stays unrestricted. Plain Fetch
// clears all targets."
func TestTargetsAddUpAndAPlainFetchClearsThem(t *testing.T) {
	r := newScene(t, Limits{}, cat)
	r.aimed("k", ann)
	r.aimed("k", ben)
	r.nobody()
	require.Len(t, r.fetches["k"].targets, 2)
	r.plain("k")
	require.Equal(t, cat, r.asked().to)
	r.aimed("k", ann)
	require.Empty(t, r.fetches["k"].targets)
	require.False(t, r.fetches["k"].targeted)
}

// "Only targets are tried; there is no fallback. Targets outlive transient failures
// (timeout, no data, failed send)."
func TestTargetsOutliveTransientFailures(t *testing.T) {
	fails := map[string]func(*scene, ask){
		"timeout":     func(r *scene, _ ask) { r.pass(r.limits.Timeout) },
		"no data":     func(r *scene, a ask) { r.refuses(a, wire.CodeNone) },
		"refused":     func(r *scene, a ask) { r.refuses(a, wire.CodeRefused) },
		"busy":        func(r *scene, a ask) { r.refuses(a, wire.CodeBusy) },
		"failed send": func(r *scene, a ask) { r.do(func() { r.unsent(r.now, a.id) }) },
		"gone":        func(r *scene, a ask) { r.do(func() { r.parted(r.now, a.to) }) },
		"malformed":   func(r *scene, a ask) { r.reply(a, answer{size: 3}) },
		"oversize":    func(r *scene, a ask) { r.says(a, "too large") },
	}
	for name, fail := range fails {
		t.Run(name, func(t *testing.T) {
			r := newScene(t, Limits{}, ann, ben, cat)
			r.aimed("k", ann)
			for range 3 {
				a := r.next()
				require.Equal(t, ann, a.to)
				fail(r, a)
			}
			require.Equal(t, Key("k"), r.next().key)
		})
	}
}

// "They end with the fetch: success, cancel, clear."
func TestTargetsEndWithTheFetch(t *testing.T) {
	ends := map[string]func(*scene, ask){
		"success": func(r *scene, a ask) { r.says(a, "v"); r.verdict("k", true) },
		"cancel":  func(r *scene, _ ask) { r.do(func() { r.cancel(r.now, []Key{"k"}) }) },
		"clear":   func(r *scene, _ ask) { r.do(func() { r.clear(r.now) }) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			r := newScene(t, Limits{}, ann, ben)
			r.aimed("k", ann)
			end(r, r.asked())
			require.Empty(t, r.remotes[ann].targets)
			r.performs(ben, time.Millisecond)
			r.plain("k")
			require.Equal(t, ben, r.asked().to)
		})
	}
}

// "A blocked peer (invalid data) leaves every target set. A set that becomes empty so stays
// empty: the fetch waits for new targets and never falls back to everyone."
func TestAFetchWhoseTargetsAreBlockedWaitsForNewOnes(t *testing.T) {
	r := newScene(t, Limits{}, ann, ben, cat)
	r.aimed("k", ann)
	r.aimed("other", ann, ben)
	all := r.all()
	require.Len(t, all, 2)
	r.lies(all[0])
	require.Equal(t, []peer.ID{ann}, r.blockedPeers())
	require.Empty(t, r.fetches["k"].targets)
	require.Len(t, r.fetches["other"].targets, 1)
	r.pass(time.Hour)
	for _, a := range r.all() {
		require.Equal(t, Key("other"), a.key)
		require.Equal(t, ben, a.to)
	}
	r.aimed("k", ann)
	require.Empty(t, r.fetches["k"].targets, "a blocked peer is no target")
	r.do(func() { r.unblock(r.now, ann) })
	require.Empty(t, r.fetches["k"].targets, "it does not come back by itself")
	r.aimed("k", cat)
	require.Equal(t, cat, r.asked().to)
}

// "Eligible = current peer set, minus self, minus blocked, intersected with targets."
// "Targets outside the peer set are remembered and ignored until they come back."
func TestOnlyMembersAreAsked(t *testing.T) {
	r := newScene(t, Limits{}, self)
	r.plain("k")
	r.aimed("aimed", ann, self)
	r.pass(time.Hour)
	r.nobody()
	r.do(func() { r.setMembers(r.now, []peer.ID{ben}) })
	require.Equal(t, Key("k"), r.asked().key)
	r.do(func() { r.setMembers(r.now, []peer.ID{ann, ben}) })
	a := r.asked()
	require.Equal(t, Key("aimed"), a.key)
	require.Equal(t, ann, a.to)
	r.do(func() { r.setMembers(r.now, nil) })
	r.refuses(a, wire.CodeNone)
	r.pass(time.Hour)
	r.nobody()
	require.Len(t, r.fetches["aimed"].targets, 1)
}

// "Order: best performance first; a retry is shuffled."
func TestTheBestPeerIsAskedFirstAndRetriesAreShuffled(t *testing.T) {
	r := newScene(t, Limits{Hedge: -1}, ann, ben, cat)
	r.performs(ann, 90*time.Millisecond)
	r.performs(ben, 10*time.Millisecond)
	r.performs(cat, 50*time.Millisecond)
	for _, key := range []Key{"a", "b", "c"} {
		r.order(order{key: key, targeted: key == "c", targets: []peer.ID{cat, ben}})
		a := r.asked()
		require.Equal(t, ben, a.to)
		r.now = r.now.Add(10 * time.Millisecond)
		r.says(a, "v")
	}
	r.plain("k")
	seen := make(map[peer.ID]int)
	for range 60 {
		a := r.asked()
		seen[a.to]++
		r.refuses(a, wire.CodeNone)
		r.pass(r.limits.Retry)
	}
	for _, p := range []peer.ID{ann, ben, cat} {
		require.Greater(t, seen[p], 10, "%s is asked by chance", p)
	}
}

// "Invalid data: exclude it, retry elsewhere", and so with all that failed: a retry does
// not go to who has just failed when there is another.
func TestARetryGoesElsewhere(t *testing.T) {
	r := newScene(t, Limits{Hedge: -1}, ann, ben)
	r.plain("k")
	last := peer.ID("")
	for range 40 {
		a := r.next()
		require.NotEqual(t, last, a.to)
		last = a.to
		r.refuses(a, wire.CodeNone)
	}
}

// "Performance = (past + elapsed) / 2; a new peer starts at the initial estimate; timeout,
// no data and failed send all score as the timeout. It is reset when the peer leaves."
func TestPerformanceIsHalfPastAndHalfLast(t *testing.T) {
	const ms = time.Millisecond
	last := func(r *scene) time.Duration { return r.out.measures[len(r.out.measures)-1].performance }
	r := newScene(t, Limits{Latency: 100 * ms, Timeout: 1000 * ms, Hedge: -1}, ann)
	require.Equal(t, 100*ms, r.remotes[ann].performance)
	r.plain("k")
	r.now = r.now.Add(60 * ms)
	r.says(r.asked(), "v")
	require.Equal(t, 80*ms, last(r))
	r.plain("l")
	r.refuses(r.asked(), wire.CodeNone)
	require.Equal(t, 540*ms, last(r))
	r.pass(100 * ms)
	r.asked()
	r.pass(1000 * ms)
	require.Equal(t, 770*ms, last(r), "a timeout")
	r.pass(100 * ms)
	a := r.asked()
	r.do(func() { r.unsent(r.now, a.id) })
	require.Equal(t, 885*ms, last(r), "a failed send")
	r.do(func() { r.setMembers(r.now, nil) })
	r.do(func() { r.setMembers(r.now, []peer.ID{ann}) })
	require.Equal(t, 100*ms, r.remotes[ann].performance)
}

// "Fresh keys before retries, then by time." "Retries come after the retry timeout."
func TestFreshKeysGoBeforeRetries(t *testing.T) {
	r := newScene(t, Limits{Outstanding: 1}, ann)
	r.plain("old")
	r.refuses(r.asked(), wire.CodeNone)
	r.pass(r.limits.Retry - 1)
	r.nobody()
	r.plain("first")
	a := r.asked()
	r.plain("second")
	r.pass(r.limits.Retry) // old is due now
	r.plain("third")
	for _, key := range []Key{"second", "third", "old"} {
		r.says(a, "v")
		r.verdict(a.key, true)
		a = r.asked()
		require.Equal(t, key, a.key)
	}
}

// "A key with no eligible peer does not block others."
func TestAKeyThatNobodyMayBeAskedForStandsInNobodysWay(t *testing.T) {
	r := newScene(t, Limits{}, ann)
	r.aimed("absent", ben)
	r.aimed("none")
	r.plain("k")
	require.Equal(t, Key("k"), r.asked().key)
}

// "A rate-limited peer is skipped (the next one gets it) and the earliest refill wakes the
// fetcher."
func TestAPeerThatHadEnoughIsSkippedUntilItsRefill(t *testing.T) {
	r := newScene(t, Limits{Rate: 1, Burst: 1, Timeout: time.Minute, Hedge: -1}, ann, ben)
	r.plain("a", "b", "c")
	all := r.all()
	require.Len(t, all, 2)
	require.NotEqual(t, all[0].to, all[1].to)
	require.WithinDuration(t, r.now.Add(time.Second), r.wake(r.now), time.Millisecond)
	r.pass(999 * time.Millisecond)
	r.nobody()
	r.pass(2 * time.Millisecond)
	require.Equal(t, Key("c"), r.asked().key)
}

// "At most one due send per turn of the loop, so that a flood of events cannot starve
// sending."
func TestATurnSendsOneRequest(t *testing.T) {
	r := newScene(t, Limits{}, ann, ben)
	r.fetch(r.now, []order{{key: "a"}, {key: "b"}})
	require.Empty(t, r.take().asks)
	for range 2 {
		require.Equal(t, r.now, r.wake(r.now))
		r.turn(r.now)
		require.Len(t, r.take().asks, 1)
	}
}

// "Invalid data: block the peer, exclude it, retry elsewhere. Invalid data that arrives
// after cancel or retain does not block."
func TestInvalidDataBlocksUnlessTheFetchWasCancelled(t *testing.T) {
	between := map[string]func(*scene){
		"nothing": func(*scene) {},
		"cancel":  func(r *scene) { r.cancel(r.now, []Key{"k"}) },
		"retain":  func(r *scene) { r.retain(r.now, func(k Key) bool { return k != "k" }) },
		"renewed": func(r *scene) { r.clear(r.now); r.fetch(r.now, []order{{key: "k"}}) },
	}
	for name, happens := range between {
		t.Run(name, func(t *testing.T) {
			r := newScene(t, Limits{}, ann, ben)
			r.plain("k")
			a := r.asked()
			r.says(a, "lie")
			r.do(func() { happens(r) })
			r.verdict("k", false)
			if name == "nothing" {
				require.Equal(t, []peer.ID{a.to}, r.blockedPeers())
			} else {
				require.Empty(t, r.blockedPeers())
			}
			if name == "cancel" || name == "retain" {
				require.Equal(t, []failure{{"k", ErrCancelled}}, r.out.failures)
				return
			}
			require.Empty(t, r.out.failures)
			r.pass(r.limits.Retry)
			require.NotEqual(t, a.to, r.asked().to)
		})
	}
}
