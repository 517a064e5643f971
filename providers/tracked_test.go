package providers

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

const usual = 30 * time.Millisecond // what a tracker of these tests takes to answer

// trackedRig is a rig with trackers, in their order for "films".
type trackedRig struct {
	*rig
	order []peer.ID
}

func newTrackedRig(t *testing.T, n int) *trackedRig {
	r := &trackedRig{rig: newRig(t)}
	var ids []peer.ID
	for i := range n {
		ids = append(ids, peer.ID(fmt.Sprint("t", i)))
	}
	r.order = tracker.Rank(tracker.Place{Namespace: "films"}, ids)
	r.are()
	return r
}

// are says how the trackers are, with what is different about some.
func (r *trackedRig) are(others ...client.Tracker) {
	set := make(map[peer.ID]client.Tracker)
	for _, id := range r.order {
		set[id] = client.Tracker{AddrInfo: peer.AddrInfo{ID: id}, Latency: usual}
	}
	for _, t := range others {
		set[t.ID] = t
	}
	var all []client.Tracker
	for _, id := range r.order {
		all = append(all, set[id])
	}
	r.setTrackers(r.now, all)
	r.then()
}

func (r *trackedRig) down(id peer.ID) client.Tracker {
	return client.Tracker{AddrInfo: peer.AddrInfo{ID: id}, DownUntil: r.now.Add(time.Hour)}
}

// after lets time pass, and the state do at its time what it wants to do.
func (r *trackedRig) after(d time.Duration) {
	until := r.now.Add(d)
	var all effects
	for at := r.wake(); !at.IsZero() && !at.After(until); at = r.wake() {
		r.now = at
		r.tick(at)
		r.then()
		all = joined(all, r.out)
	}
	r.now, r.out = until, all
}

func joined(a, b effects) effects {
	return effects{
		told: append(a.told, b.told...), closed: append(a.closed, b.closed...),
		start: append(a.start, b.start...), stop: append(a.stop, b.stop...),
		asks: append(a.asks, b.asks...), feedback: append(a.feedback, b.feedback...),
		subscribe: append(a.subscribe, b.subscribe...), unsubscribe: append(a.unsubscribe, b.unsubscribe...),
	}
}

// asked are the trackers that the last event let be asked.
func (r *trackedRig) asked() (all []peer.ID) {
	for _, a := range r.out.asks {
		all = append(all, a.tracker)
	}
	return all
}

// reply gives the answer to the oldest ask at a tracker.
func (r *trackedRig) reply(from peer.ID, answer reply) {
	for _, a := range r.asks {
		if a.tracker == from {
			r.answered(r.now, a.id, answer)
			r.then()
			return
		}
	}
	require.FailNow(r, "was not asked", "%s", from)
}

// names answers with rows that are as they should be.
func (r *trackedRig) names(from peer.ID, names string) {
	r.reply(from, reply{rows: rowsOf(names, row{verified: true}), token: "token of " + string(from)})
}

func (r *trackedRig) fails(from peer.ID) { r.reply(from, reply{failed: true}) }

func (r *trackedRig) judge(outcome wire.Outcome, names string) {
	for _, p := range ids(names) {
		r.state.judge(r.now, "films", []wire.Judgement{{Peer: p, Outcome: outcome}})
	}
	r.then()
}

func rowsOf(names string, like row) (all []candidate) {
	for _, p := range ids(names) {
		said := like
		all = append(all, candidate{AddrInfo: peer.AddrInfo{ID: p}, row: &said})
	}
	return all
}

func TestTheFirstTrackerByRankIsAskedAlone(t *testing.T) {
	r := newTrackedRig(t, 8)
	r.find(1, 2)
	require.Equal(t, r.order[:1], r.asked())
	require.Empty(t, r.out.start, "the finders come later")
	require.Equal(t, wire.About{Namespace: "films"}, r.out.asks[0].query.About)
	require.Equal(t, 2, r.out.asks[0].query.K)
	r.names(r.order[0], "a b")
	require.Equal(t, "a b done", r.told(1))
	require.Empty(t, r.out.asks)
	require.Empty(t, r.out.start)
	require.Zero(t, r.wake())
}

func TestAnotherTrackerIsAskedWhenOneTakesLongerThanUsual(t *testing.T) {
	r := newTrackedRig(t, 8)
	r.are(client.Tracker{AddrInfo: peer.AddrInfo{ID: r.order[1]}})
	r.find(1, 2)
	r.after(2*usual + lateMargin - 1)
	require.Empty(t, r.asked())
	r.after(1)
	require.Equal(t, r.order[2:3], r.asked(), "the second has not answered yet in its life")
	r.names(r.order[2], "a")
	require.Equal(t, "a", r.told(1))
	require.Equal(t, r.order[1:2], r.asked())
	r.names(r.order[0], "b")
	require.Equal(t, "b done", r.told(1), "late, and heard")
	require.Equal(t, uint64(1), r.stat.Hedges)
}

func TestLatenessFollowsWhatIsUsualWithinBounds(t *testing.T) {
	r := newTrackedRig(t, 1)
	for latency, late := range map[time.Duration]time.Duration{
		0: lateUnknown, time.Millisecond: soonestLate, 200 * time.Millisecond: 450 * time.Millisecond,
		time.Second: latestLate, 1 << 62: latestLate, -1: lateUnknown,
	} {
		r.are(client.Tracker{AddrInfo: peer.AddrInfo{ID: r.order[0]}, Latency: latency})
		require.Equal(t, late, r.lateness(r.order[0]), latency)
	}
}

func TestTrackerWithoutAnAnswerIsFollowedByTheNextAtOnce(t *testing.T) {
	for name, answer := range map[string]reply{
		"failed": {failed: true}, "refused": {refused: true}, "empty": {}, "too few": {rows: rowsOf("a", row{verified: true})},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTrackedRig(t, 8)
			r.find(1, 2)
			r.reply(r.order[0], answer)
			require.Equal(t, r.order[1:2], r.asked())
		})
	}
}

func TestSixTrackersAreAskedAndThenTheFinders(t *testing.T) {
	r := newTrackedRig(t, 8)
	r.find(1, 8)
	for _, id := range r.order[:mostAsked] {
		require.Equal(t, []peer.ID{id}, r.asked())
		require.Empty(t, r.out.start)
		r.fails(id)
	}
	require.Empty(t, r.asked())
	require.Equal(t, []queryID{1}, r.started())
	r.found(1, "a")
	require.Equal(t, "a", r.told(1), "the failure of trackers is none of the query")
	r.ended(1)
	require.Equal(t, "done", r.told(1))
	require.Equal(t, uint64(mostAsked), r.stat.Failed)
}

func TestWithoutFindersTheLastTrackerIsTheEnd(t *testing.T) {
	r := newTrackedRig(t, 2)
	r.finders = false
	r.find(1, 8)
	r.names(r.order[0], "a")
	r.names(r.order[1], "a b")
	require.Equal(t, "b done", r.told(1))
}

func TestOnlyNamespacesAreAskedOfTrackers(t *testing.T) {
	for _, q := range []Query{
		{Most: 8, CIDs: sample("x")}, {Namespace: "two\nlines", Most: 8},
		{Namespace: "films", Most: 8, Key: make([]byte, record.MaxKey+1)},
	} {
		r := newTrackedRig(t, 2)
		r.ask(1, q)
		require.Empty(t, r.asked())
		require.Len(t, r.out.start, 1)
	}
}

// Two trackers that both levels share are asked once: they say all that they know.
func TestTheSecondLevelIsAskedWhenTheFirstKnowsTooFew(t *testing.T) {
	r := newTrackedRig(t, 20)
	x := sample("x")
	r.ask(1, Query{Namespace: "films", Most: 8, CIDs: x})
	point, ok := record.PointOf(x[0])
	require.True(t, ok)
	require.Equal(t, point, *r.out.asks[0].query.Point)
	for _, id := range r.order[:mostAsked] {
		r.names(id, "partial")
	}
	second := tracker.Rank(tracker.Place{Namespace: "films", Narrow: true, Division: uint8(point.Shard())}, r.order)
	asked := make(map[peer.ID]int)
	for range mostAsked {
		require.Len(t, r.asked(), 1)
		next := r.asked()[0]
		asked[next]++
		require.Contains(t, second[:2*mostAsked], next)
		require.NotContains(t, r.order[:mostAsked], next)
		require.Equal(t, point, *r.out.asks[0].query.Point)
		r.names(next, "narrow")
	}
	require.Len(t, asked, mostAsked)
	require.Empty(t, r.asked())
	require.Len(t, r.out.start, 1)
}

func TestWhoHasEverythingIsReasonEnoughNotToAskAtTheSecondLevel(t *testing.T) {
	r := newTrackedRig(t, 20)
	r.ask(1, Query{Namespace: "films", Most: 8, CIDs: sample("x")})
	r.reply(r.order[0], reply{rows: rowsOf("all", row{verified: true, complete: true})})
	for _, id := range r.order[1:mostAsked] {
		r.names(id, "")
	}
	require.Empty(t, r.asked())
	require.Len(t, r.out.start, 1)
	r.ended(1)

	r.ask(2, Query{Namespace: "films", Most: 8, CIDs: sample("y")})
	require.Equal(t, "all", r.told(2), "whatever else is wanted of the namespace")
	require.Empty(t, r.asked(), "and no tracker has more of them")
	r.ended(2)

	r.judge(wire.OutcomeEmpty, "all")
	r.ask(3, Query{Namespace: "films", Most: 8, CIDs: sample("z")})
	require.Empty(t, r.told(3))
	require.Len(t, r.asked(), 1, "it has not")
}

func TestTrackersThatAreDownArePassedOverUnlessNoneIsLeft(t *testing.T) {
	r := newTrackedRig(t, 3)
	r.are(r.down(r.order[0]), r.down(r.order[2]))
	r.find(1, 8)
	require.Equal(t, r.order[1:2], r.asked())
	r.cancelAll(1)
	r.are(r.down(r.order[0]), r.down(r.order[1]), r.down(r.order[2]))
	r.find(2, 9)
	require.Equal(t, r.order[:1], r.asked())
}

// Not even one that never returns holds a query up.
func TestTrackerThatDoesNotAnswerIsGivenUp(t *testing.T) {
	r := newTrackedRig(t, 1)
	r.find(1, 8)
	r.after(askTimeout - 1)
	require.Empty(t, r.out)
	r.after(1)
	require.Equal(t, []queryID{1}, r.started())
	require.Equal(t, uint64(1), r.stat.Failed)
	r.names(r.order[0], "a")
	require.Equal(t, "a", r.told(1), "what comes late is heard all the same")
	require.Equal(t, uint64(1), r.stat.Failed)
}

func TestTrackersThatHoldAllPlacesLeaveTheFinders(t *testing.T) {
	r := newTrackedRig(t, 1)
	for n := range linkID(maxAsks) {
		r.open(10 + n)
		r.rig.ask(10+n, Query{Namespace: fmt.Sprint(n), Most: 1})
	}
	require.Len(t, r.state.asks, maxAsks)
	r.find(3, 3)
	r.find(1, 1)
	r.find(2, 2)
	require.Empty(t, r.asked())
	r.cancelAll(3)
	r.names(r.order[0], "a")
	require.Equal(t, r.order, r.asked(), "the next has its place")
	require.Equal(t, 1, r.out.asks[0].query.K, "and that is who still waits")
	r.cancelAll(1)
	r.after(askTimeout)
	require.Len(t, r.started(), maxQueries)
	require.NotNil(t, r.links[2].query)
	require.True(t, r.links[2].query.lookup.over)
	require.NoError(t, r.audit())
}

func TestTrackerThatShowsWhatNobodySignedIsPassedOver(t *testing.T) {
	r := newTrackedRig(t, 2)
	r.find(1, 1)
	r.reply(r.order[0], reply{rows: rowsOf("a", row{verified: true}), lied: true})
	require.Equal(t, "a done", r.told(1), "what is signed is signed")
	require.Equal(t, uint64(1), r.stat.Lied)
	r.find(2, 2)
	require.Equal(t, r.order[1:], r.asked())
	r.reply(r.order[1], reply{lied: true})
	require.Len(t, r.out.start, 1, "nobody is left to be asked")
	r.after(distrustFor)
	r.open(4)
	r.find(4, 3)
	require.Equal(t, r.order[:1], r.asked())
}

func TestRowsOfATrackerServeTheNextForAMinute(t *testing.T) {
	r := newTrackedRig(t, 2)
	r.find(1, 2)
	first := r.out.asks[0].query.Seed
	r.names(r.order[0], "a b")
	r.ask(2, Query{Namespace: "films", Most: 2, CIDs: sample("x")})
	require.Equal(t, "a b done", r.told(2))
	r.find(1, 2)
	require.Equal(t, r.order[:1], r.asked(), "who asks again had no use for them")
	require.NotEqual(t, first, r.out.asks[0].query.Seed, "and wants others")
	r.names(r.order[0], "c d")
	r.after(cacheFor)
	r.find(3, 2)
	require.Empty(t, r.told(3))
	require.Len(t, r.asked(), 1)
}

func TestTrackersAreAskedOnceASecondForNewcomers(t *testing.T) {
	r := newTrackedRig(t, 1)
	r.finders = false
	everything := rowsOf("all", row{verified: true, complete: true})
	about := func(x string) Query { return Query{Namespace: "films", Most: 8, CIDs: sample(x), Newcomers: true} }
	r.ask(1, about("x"))
	r.reply(r.order[0], reply{rows: everything})
	r.after(newsFor)
	r.ask(1, about("y"))
	require.Equal(t, r.order, r.asked(), "somebody may have come since")
	r.reply(r.order[0], reply{rows: append(everything, rowsOf("new", row{verified: true})...)})
	require.Equal(t, "new done", r.told(1))

	r.after(newsFor - 1)
	r.ask(2, about("z"))
	require.Equal(t, "all new done", r.told(2))
	require.Empty(t, r.asked(), "one question a second serves all who want them")
	r.after(1)
	r.ask(3, Query{Namespace: "films", Most: 8, CIDs: sample("z")})
	require.Empty(t, r.asked(), "others take what was said within a minute")
}

func TestWhoHasAnnouncedAPartIsNamedAsSuch(t *testing.T) {
	r := newTrackedRig(t, 1)
	rows := append(rowsOf("all", row{verified: true, complete: true}), rowsOf("part", row{verified: true})...)
	parts := func(l linkID) (all Candidates) {
		for _, said := range r.out.told {
			require.Equal(t, l, said.link)
			all = merge(all, said.candidates)
		}
		return all
	}
	r.find(1, 2)
	r.reply(r.order[0], reply{rows: rows})
	require.Equal(t, "all part done", describe(parts(1)))
	require.Equal(t, ids("part"), parts(1).Parts)
	r.find(2, 2)
	require.Equal(t, ids("part"), parts(2).Parts, "to whom it is remembered as well")
}

func TestRowsServeThoseWhoseSampleTheyCover(t *testing.T) {
	x, y := sample("x"), sample("y")
	at, _ := record.PointOf(x[0])
	ranges, err := record.NewRanges(record.Range{From: at, To: at})
	require.NoError(t, err)
	r := newTrackedRig(t, 1)
	r.ask(1, Query{Namespace: "films", Most: 1, CIDs: x})
	r.reply(r.order[0], reply{rows: rowsOf("a", row{verified: true, ranges: ranges})})
	r.ask(2, Query{Namespace: "films", Most: 1, CIDs: y})
	require.Empty(t, r.told(2))
	r.ask(3, Query{Namespace: "films", Most: 1, CIDs: x})
	require.Equal(t, "a done", r.told(3))
}

func TestTheNewerRecordOfAProviderIsKept(t *testing.T) {
	r := newTrackedRig(t, 2)
	r.learn(r.now, topic{namespace: "films"}, rowsOf("a", row{sequence: 2, verified: true}))
	r.learn(r.now, topic{namespace: "films"}, rowsOf("a", row{sequence: 1, verified: true}))
	require.Equal(t, uint64(2), r.listed(r.now, subject{namespace: "films"})[0].row.sequence)
	for n := range 2 * mostListed {
		r.learn(r.now, topic{namespace: "films"}, rowsOf(fmt.Sprint("p", n), row{verified: true}))
	}
	require.Len(t, r.listed(r.now, subject{namespace: "films"}), mostListed)
}

func TestCandidatesAreNamedInTheOrderOfTheirWorth(t *testing.T) {
	r := newTrackedRig(t, 1)
	r.connected("connected")
	rows := rowsOf("unverified", row{score: wire.ScoreGood, own: 1})
	for _, better := range []struct {
		name string
		row  row
	}{
		{"poor", row{verified: true, score: wire.ScorePoor, own: 1}},
		{"disliked", row{verified: true, own: 0.1}},
		{"slow", row{verified: true, own: 0.5, capacity: slow - 1}},
		{"boaster", row{verified: true, own: 0.5, capacity: 1 << 31}},
		{"new", row{verified: true, own: 0.5}},
		{"fair", row{verified: true, own: 0.5, score: wire.ScoreFair}},
		{"liked", row{verified: true, own: 0.9}},
		{"good", row{verified: true, score: wire.ScoreGood, own: 0.2}},
		{"connected", row{score: wire.ScorePoor}},
	} {
		rows = append(rows, rowsOf(better.name, better.row)...)
	}
	r.find(1, 32)
	r.reply(r.order[0], reply{rows: rows})
	require.Equal(t, "connected good liked boaster new fair slow disliked poor unverified", r.told(1))
}

func TestTwoUnverifiedCandidatesAreOutAtATime(t *testing.T) {
	r := newTrackedRig(t, 1)
	r.find(1, 8)
	r.reply(r.order[0], reply{rows: rowsOf("a b c d e f", row{})})
	require.Equal(t, "a b", r.told(1))
	r.ended(1)
	require.Empty(t, r.told(1), "there are more")
	r.judge(wire.OutcomeDead, "a")
	require.Equal(t, "c", r.told(1))
	r.connected("b")
	r.then()
	require.Equal(t, "d", r.told(1))
	r.after(unverifiedFor - 1)
	require.Empty(t, r.told(1))
	r.after(1)
	require.Equal(t, "e f done", r.told(1))
	require.NoError(t, r.audit())
}

func TestUnverifiedCandidatesAreTwoForAllQueries(t *testing.T) {
	r := newTrackedRig(t, 1)
	r.find(1, 8)
	r.reply(r.order[0], reply{rows: rowsOf("a b", row{})})
	r.ask(2, Query{Namespace: "songs", Most: 8})
	r.reply(r.order[0], reply{rows: rowsOf("a c", row{})})
	require.Equal(t, "a", r.told(2), "it is being dialled")
	r.find(3, 9)
	require.Equal(t, "a b", r.told(3))
	r.judge(wire.OutcomeServed, "b")
	require.Equal(t, "c", r.told(2))
}

func TestACandidateThatAnotherTrackerHasSeenIsNamed(t *testing.T) {
	r := newTrackedRig(t, 2)
	r.find(1, 8)
	r.reply(r.order[0], reply{rows: rowsOf("a b c", row{})})
	r.names(r.order[1], "c")
	require.Equal(t, "c", r.told(1))
	require.Empty(t, r.links[1].query.held)
}

// What a tracker says costs at most ten dials, and what is connected costs none.
func TestTenCandidatesThatAreNotConnectedAreNamed(t *testing.T) {
	r := newTrackedRig(t, 1)
	r.connected("x y")
	r.find(1, 32)
	r.reply(r.order[0], reply{rows: rowsOf("a b c d e f g h x y i j k l", row{verified: true})})
	require.Equal(t, "x y a b c d e f g h i j done", r.told(1))
}

func TestWhoWasOfNoUseIsNamedWhenNobodyElseIsLeft(t *testing.T) {
	r := newTrackedRig(t, 2)
	r.judge(wire.OutcomeDead, "dead back")
	r.judge(wire.OutcomeEmpty, "empty")
	r.connected("back")
	r.find(1, 3)
	r.names(r.order[0], "dead empty back")
	require.Equal(t, "back", r.told(1), "it is not dead")
	r.names(r.order[1], "a")
	require.Equal(t, "a", r.told(1))
	r.found(1, "empty")
	require.Empty(t, r.told(1), "whoever says so")
	r.ended(1)
	require.Equal(t, "dead done", r.told(1))

	r.judge(wire.OutcomeServed, "empty")
	r.ask(2, Query{Namespace: "films", Most: 2, CIDs: sample("x")})
	require.Equal(t, "back empty done", r.told(2))
	r.after(uselessFor)
	r.find(3, 1)
	r.names(r.order[0], "dead")
	require.Equal(t, "dead done", r.told(3), "long ago")
}
