package providers

import (
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

func (r *trackedRig) watch(l linkID) {
	r.state.watch(r.now, l, Query{Namespace: "films", Most: 3})
	r.then()
}

// subscribed are the trackers at which the last event let subscribe.
func (r *trackedRig) subscribed() (all []peer.ID) {
	for _, sub := range r.out.subscribe {
		all = append(all, sub.tracker)
	}
	return all
}

func (r *trackedRig) notice(sub subID, names string) {
	r.noticed(r.now, sub, reply{rows: rowsOf(names, row{verified: true})})
	r.then()
}

func (r *trackedRig) unsubscribed(sub subID) { r.state.unsubscribed(r.now, sub); r.then() }

func TestWatchHearsOfWhatIsAnnounced(t *testing.T) {
	r := newTrackedRig(t, 4)
	r.watch(1)
	require.Equal(t, r.order[:1], r.subscribed())
	require.Equal(t, wire.About{Namespace: "films"}, r.out.subscribe[0].about)
	for range 3 {
		r.notice(1, "a b")
		require.Equal(t, "a b", r.told(1), "as often as they say so")
	}
	r.notice(1, "c d e f")
	require.Equal(t, "c d e f", r.told(1), "without an end")
	r.watch(2)
	require.Empty(t, r.subscribed(), "one subscription for all")
	r.notice(1, "g")
	require.Equal(t, "g", r.told(1))
	require.Equal(t, "g", r.told(2))
	r.cancelAll(1)
	require.Empty(t, r.out.unsubscribe)
	r.enough(2)
	require.Equal(t, []subID{1}, r.out.unsubscribe)
	r.notice(1, "h")
	require.Empty(t, r.out)
	r.unsubscribed(1)
	require.Empty(t, r.subs)
	require.Zero(t, r.wake())
}

func TestWatchAndFindTakeEachOthersPlace(t *testing.T) {
	r := newTrackedRig(t, 1)
	r.watch(1)
	r.find(1, 2)
	require.Equal(t, []subID{1}, r.out.unsubscribe)
	require.Len(t, r.asked(), 1)
	r.watch(1)
	require.Len(t, r.subscribed(), 1)
	r.names(r.order[0], "a b")
	require.Empty(t, r.told(1))
	r.watch(1)
	require.Empty(t, r.out)
	require.NoError(t, r.audit())
}

func TestWatchMovesWhenItsTrackerGoesDown(t *testing.T) {
	r := newTrackedRig(t, 3)
	r.watch(1)
	r.are(r.down(r.order[0]))
	require.Equal(t, []subID{1}, r.out.unsubscribe)
	require.Equal(t, r.order[1:2], r.subscribed())
	r.unsubscribed(1)
	require.Empty(t, r.out, "that was the one before")
	r.notice(2, "a")
	require.Equal(t, "a", r.told(1))
	r.are(r.down(r.order[0]), r.down(r.order[1]), r.down(r.order[2]))
	require.Empty(t, r.out, "nobody is better")
	r.are()
	require.Empty(t, r.out)
}

func TestWatchOfALyingTrackerMoves(t *testing.T) {
	r := newTrackedRig(t, 2)
	r.watch(1)
	r.noticed(r.now, 1, reply{lied: true})
	r.then()
	require.Equal(t, []subID{1}, r.out.unsubscribe)
	require.Equal(t, r.order[1:], r.subscribed())
	r.noticed(r.now, 2, reply{lied: true})
	r.then()
	require.Equal(t, []subID{2}, r.out.unsubscribe)
	require.Empty(t, r.subscribed(), "no other is left")
	r.unsubscribed(2)
	r.after(distrustFor)
	require.Equal(t, r.order[:1], r.subscribed())
}

func TestSubscriptionThatEndsIsMadeAgainElsewhereAfterAPause(t *testing.T) {
	r := newTrackedRig(t, 8)
	r.watch(1)
	r.unsubscribed(1)
	require.Empty(t, r.subscribed())
	r.after(soonestRetry)
	require.Equal(t, r.order[1:2], r.subscribed())
	for n := range subID(20) {
		r.unsubscribed(2 + n)
		r.after(soonestRetry/2 - 1)
		require.Empty(t, r.subscribed())
		r.after(latestRetry)
		require.Len(t, r.subscribed(), 1)
		require.Contains(t, r.order[:tracker.Replicas], r.subscribed()[0])
	}
	r.notice(22, "a")
	r.unsubscribed(22)
	r.after(soonestRetry)
	require.Equal(t, r.order[1:2], r.subscribed(), "it was well in between: the pause is short")
}

func TestWatchBeginsWhenThereAreTrackers(t *testing.T) {
	r := newTrackedRig(t, 1)
	r.setTrackers(r.now, nil)
	r.watch(1)
	require.Empty(t, r.subscribed())
	r.are()
	require.Len(t, r.subscribed(), 1)
}

func TestSubscriptionsAreBounded(t *testing.T) {
	r := newTrackedRig(t, 1)
	for n := range linkID(maxSubscriptions + 1) {
		r.open(10 + n)
		r.state.watch(r.now, 10+n, Query{Namespace: fmt.Sprint(n)})
	}
	r.then()
	require.Len(t, r.out.subscribe, maxSubscriptions)
	r.cancelAll(10)
	require.Empty(t, r.subscribed(), "it has not ended yet")
	r.unsubscribed(1)
	require.Equal(t, record.Namespace(fmt.Sprint(maxSubscriptions)), r.out.subscribe[0].about.Namespace)
}

func TestWhatANoticeCannotTellIsAskedFor(t *testing.T) {
	r := newTrackedRig(t, 3)
	r.watch(1)
	for range 2 {
		r.noticed(r.now, 1, reply{rows: rowsOf("a", row{verified: true}), more: true})
		r.then()
	}
	require.Empty(t, r.asked(), "once")
	require.Len(t, r.asks, 1)
	require.Equal(t, r.order[0], r.asks[0].tracker)
	r.after(askTimeout - 1)
	require.Empty(t, r.out, "nobody else is asked")
	r.names(r.order[0], "a b c d")
	require.Equal(t, "a b c d", r.told(1))
	require.Zero(t, r.stat.Hedges)
}

func TestUnverifiedAnnouncersAreNamedTwoAtATime(t *testing.T) {
	r := newTrackedRig(t, 1)
	r.judge(wire.OutcomeDead, "b")
	r.watch(1)
	r.noticed(r.now, 1, reply{rows: rowsOf("a b c", row{})})
	r.then()
	require.Equal(t, "a b", r.told(1), "who announces itself is not judged by what was")
	r.after(unverifiedFor)
	require.Equal(t, "c", r.told(1))
}
