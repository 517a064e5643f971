package announcer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

// place is where a wide namespace lives.
func (w *world) place(ns record.Namespace) []*station {
	var all []*station
	for _, id := range tracker.Rank(tracker.Place{Namespace: string(ns)}, w.ids()) {
		all = append(all, w.station(id))
	}
	return all
}

// at are the trackers that list a namespace, in the order of their ids.
func (w *world) at(ns record.Namespace) []peer.ID {
	var all []peer.ID
	for _, t := range w.trackers {
		if _, listed := w.lists(t, ns); listed {
			all = append(all, t.id)
		}
	}
	return all
}

func idsOf(stations ...*station) []peer.ID {
	var all []peer.ID
	for _, t := range stations {
		all = append(all, t.id)
	}
	slices.Sort(all)
	return all
}

// taken announces a namespace and waits until all its trackers have it.
func (w *world) taken(ns record.Namespace, h Holding) {
	waiter := w.announce(ns, h)
	w.run(20 * time.Second)
	require.Contains(w.t, w.answers, waiter)
	require.NoError(w.t, w.answers[waiter])
	w.requireHome(ns)
}

// fails announces a namespace and returns what each tracker said.
func (w *world) fails(ns record.Namespace) error {
	waiter := w.announce(ns, Holding{})
	w.run(time.Minute)
	require.Contains(w.t, w.answers, waiter)
	return w.answers[waiter]
}

func TestAWideNamespaceGoesToTheFirstThreeOfItsRankTheFirstAtOnce(t *testing.T) {
	w := newWorld(t, 9, 1)
	waiter := w.announce("n", Holding{})
	require.Len(t, w.told, 1)
	require.Equal(t, w.place("n")[0].id, w.told[0].tracker)
	w.run(2 * w.latency)
	require.NoError(t, w.answers[waiter])
	require.Contains(t, w.answers, waiter)
	w.run(time.Second)
	require.Equal(t, idsOf(w.place("n")[:3]...), w.at("n"))
	require.Len(t, w.told, 3)
}

func TestANarrowNamespaceGoesToThreeTrackersForEachOfItsShards(t *testing.T) {
	w := newWorld(t, 40, 1)
	w.taken("n", Holding{Ranges: narrow(8)})
	c := w.s.claims["n"]
	require.Len(t, c.places, 8)
	require.Equal(t, idsOf(w.homes(c)...), w.at("n"))
	require.Len(t, w.told, len(w.at("n")), "a tracker of several shards is told once")
	require.Greater(t, len(w.told), 12)
}

func TestAnnouncementsGrowWithNamespacesAndTheirTrackersAlone(t *testing.T) {
	for _, trackers := range []int{3, 10, 64} {
		w := newWorld(t, trackers, 1)
		for n := range 64 {
			w.announce(record.Namespace(fmt.Sprint("n", n)), Holding{})
		}
		w.run(10 * time.Second)
		require.Len(t, w.told, 64*3, "%d trackers", trackers)
		for range 100 {
			w.announce("n7", Holding{})
		}
		w.run(10 * time.Second)
		require.Len(t, w.told, 64*3, "what is as it was costs nothing")
		require.Len(t, w.answers, 64+100)
	}
}

// A day without faults. The figures are what the documentation of the package
// says.
func TestADayCostsFewMessages(t *testing.T) {
	for _, namespaces := range []int{1, 64} {
		w := newWorld(t, 5, 1)
		for n := range namespaces {
			w.announce(record.Namespace(fmt.Sprint("n", n)), Holding{})
		}
		w.run(time.Minute)
		since := w.now
		w.run(24 * time.Hour)
		touches, announcements := w.count("touch", since), w.count("announce", since)
		t.Logf("%d namespaces: %.1f touches and %.2f announcements for a namespace and TTL", namespaces,
			float64(touches)/24/float64(namespaces), float64(announcements)/24/float64(namespaces))
		require.LessOrEqual(t, touches, 5*24*5/2, "two and a half for each tracker and TTL, whatever the number of namespaces")
		require.GreaterOrEqual(t, announcements, namespaces*3, "each is signed again at least once a day")
		require.LessOrEqual(t, announcements, namespaces*3*2)
		for n := range namespaces {
			w.requireHome(record.Namespace(fmt.Sprint("n", n)))
		}
	}
}

func TestRowsAreTouchedTogetherWithinHalfOfTheirTTL(t *testing.T) {
	w := newWorld(t, 3, 1)
	for n := range 64 {
		w.taken(record.Namespace(fmt.Sprint("n", n)), Holding{})
	}
	since := w.now
	for w.now.Sub(since) < 12*time.Hour {
		w.run(time.Minute)
		for _, s := range w.trackers {
			for ns := range s.rows {
				_, listed := w.lists(s, ns)
				require.True(t, listed)
			}
		}
	}
	whole := 0
	for _, m := range w.told {
		if m.kind == "touch" && len(m.namespaces) == 64 {
			whole++
		}
	}
	require.Greater(t, whole, w.count("touch", since)/2, "most touches are for everything")
}

func TestADeadTrackerIsReplacedAndTakenBack(t *testing.T) {
	w := newWorld(t, 6, 1)
	w.taken("n", Holding{})
	rank := w.place("n")
	rank[1].unreachable, rank[1].downUntil = true, w.now.Add(10*time.Minute)
	w.know()
	w.run(20 * time.Second)
	require.Contains(t, w.at("n"), rank[3].id)

	rank[1].unreachable = false
	rank[1].rows = make(map[record.Namespace]stored)
	w.run(10 * time.Minute)
	rank[1].downUntil = time.Time{}
	rank[1].lost++
	w.know()
	w.run(time.Minute)
	require.Contains(t, w.at("n"), rank[1].id)
	w.run(2 * time.Hour)
	require.Equal(t, idsOf(rank[:3]...), w.at("n"), "the fourth is not told any more")
}

func TestOneLostMessageIsRepeatedAndNobodyReplaced(t *testing.T) {
	w := newWorld(t, 6, 1)
	w.taken("n", Holding{})
	rank := w.place("n")
	rank[0].loses = 1
	for w.s.stat.Failures == 0 {
		w.run(time.Second)
	}
	rank[0].loses = 0
	since := w.now
	w.run(5 * time.Second)
	require.Equal(t, 1, w.count("touch", since))
	require.Equal(t, idsOf(rank[:3]...), w.at("n"))
}

func TestAPauseIsShortAfterTheTrackerHasAnswered(t *testing.T) {
	w := newWorld(t, 1, 1)
	for n := range 20 {
		w.trackers[0].loses = 1
		w.announce(record.Namespace(fmt.Sprint("n", n)), Holding{})
		w.run(2 * w.latency)
		w.trackers[0].loses = 0
		w.run(2 * time.Second)
		require.Len(t, w.trackers[0].rows, n+1)
	}
}

func TestATouchTakesAlongOnlyWhatIsDueSoon(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.taken("short", Holding{TTL: time.Minute})
	w.taken("long", Holding{TTL: 2 * time.Hour})
	since := w.now
	w.run(2 * time.Hour)
	long := 0
	for _, m := range w.told {
		if slices.Contains(m.namespaces, "long") {
			long++
		}
	}
	require.Greater(t, w.count("touch", since), 2*60*2)
	require.LessOrEqual(t, long, 1+5)
}

func TestATouchThatCameTooSoonIsRepeatedWhenItIsRight(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.taken("n", Holding{})
	w.trackers[0].refuses = &wire.Refusal{Code: wire.CodeRate, RetryAfter: time.Minute}
	for w.s.stat.Touches == 0 {
		w.run(time.Second)
	}
	since := w.now
	w.trackers[0].refuses = nil
	w.run(58 * time.Second)
	require.Zero(t, w.count("", since.Add(time.Second)))
	w.run(6 * time.Second)
	require.Equal(t, 1, w.count("touch", since.Add(time.Second)))
}

func TestATrackerThatIsQuietIsNotToldOfAnotherNamespace(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.taken("n", Holding{})
	w.trackers[0].refuses = &wire.Refusal{Code: wire.CodeRate, RetryAfter: time.Minute}
	var refused *RefusedError
	require.ErrorAs(t, w.fails("more"), &refused)
	told := len(w.told)
	var said *Error
	waiter := w.announce("third", Holding{})
	require.ErrorAs(t, w.answers[waiter], &said)
	require.ErrorIs(t, said, ErrQuiet)
	require.Len(t, w.told, told)
	require.ErrorIs(t, w.answers[w.withdraw("n")], ErrQuiet)
	w.announce("n", Holding{})

	w.trackers[0].refuses.RetryAfter = time.Hour
	w.run(2 * time.Minute)
	w.trackers[0].refuses = nil
	w.restart(w.trackers[0]) // It knows nothing of that any more.
	w.run(time.Minute)
	require.Len(t, w.trackers[0].rows, 3)
}

func TestATrackerThatRestartsAgainAndAgainIsToldEachTime(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.taken("n", Holding{})
	for range 10 {
		w.restart(w.trackers[0])
		w.run(time.Minute)
		w.requireHome("n")
	}
}

func TestWhenAllRefuseAsManyAreToldAsClientsAsk(t *testing.T) {
	w := newWorld(t, 64, 1)
	for _, s := range w.trackers {
		s.refuses = &wire.Refusal{Code: wire.CodeFull}
	}
	require.Error(t, w.fails("n"))
	w.run(time.Hour)
	told := make(map[peer.ID]bool)
	for _, m := range w.told {
		told[m.tracker] = true
	}
	require.Len(t, told, 2*tracker.Replicas)
}

func TestATrackerThatForgotIsToldAgainWithinAMinute(t *testing.T) {
	w := newWorld(t, 3, 1)
	for n := range 20 {
		w.taken(record.Namespace(fmt.Sprint("n", n)), Holding{})
	}
	since := w.now
	w.restart(w.trackers[0])
	w.run(time.Minute)
	require.Len(t, w.trackers[0].rows, 20)
	require.Equal(t, 1, w.count("touch", since))
	require.Equal(t, 20, w.count("announce", since))
}

func TestALostConnectionWithoutARestartCostsOneTouchAndLessOften(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.taken("n", Holding{})
	since := w.now
	w.trackers[0].lost++
	w.know()
	w.run(checkWithin + time.Second)
	require.Equal(t, 1, w.count("touch", since))
	require.Zero(t, w.count("announce", since))

	since = w.now
	for range 60 { // A tracker that has too many connections.
		w.trackers[0].lost++
		w.know()
		w.run(time.Minute)
	}
	require.Less(t, w.count("touch", since), 25)
}

func TestAChangedHoldingIsSignedAnewAtMostEveryFewSeconds(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.taken("n", Holding{})
	since := w.now
	w.announce("n", Holding{Capacity: 1})
	require.NotZero(t, w.count("announce", since), "at once")
	last := waiterID(0)
	for n := range 100 {
		last = w.announce("n", Holding{Capacity: uint32(n + 2)})
		w.run(100 * time.Millisecond)
	}
	w.run(changePause + time.Second)
	require.Equal(t, uint32(101), w.s.claims["n"].holding.Capacity)
	require.NoError(t, w.answers[last])
	w.requireHome("n")
	require.LessOrEqual(t, w.count("announce", since), 3*4, "ten seconds of changes")
	require.Len(t, w.answers, int(w.asked))
}

func TestWhereAHoldingIsNotKeptAnyMoreItIsWithdrawn(t *testing.T) {
	w := newWorld(t, 40, 1)
	w.taken("n", Holding{Ranges: narrow(8)})
	w.run(time.Minute)
	w.taken("n", Holding{Ranges: narrow(1)})
	require.Equal(t, idsOf(w.homes(w.s.claims["n"])...), w.at("n"))
}

func TestNewAddressesAreSignedOnceTheyHaveSettled(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.taken("n", Holding{})
	since := w.now
	for _, addrs := range []string{"there", "elsewhere", "here", "there"} {
		w.s.addresses(w.now, []string{addrs})
		w.settle()
		w.run(time.Second)
	}
	require.Zero(t, w.count("", since))
	w.run(5 * time.Second)
	require.Equal(t, 3, w.count("announce", since))
	w.requireHome("n")

	since = w.now
	w.s.addresses(w.now, []string{"elsewhere"})
	w.s.addresses(w.now, []string{"there"})
	w.run(10 * time.Second)
	require.Zero(t, w.count("", since), "they are what they were")
}

func TestARefusalLetsTheNextRankHaveTheRow(t *testing.T) {
	for _, is := range []struct {
		code  wire.Code
		again time.Duration // the first of the rank is asked again within this
		loud  bool
	}{
		{wire.CodeFull, time.Minute, false},
		{wire.CodeQuota, time.Minute, false},
		{wire.CodeUnavailable, time.Minute, false},
		{wire.CodeRate, time.Minute, false},
		{wire.CodeOther, time.Minute, false},
		{wire.CodeNotServed, time.Minute, false},
		{wire.CodeUnknownRow, time.Minute, false},
		{wire.CodeSignature, 6 * time.Minute, true},
		{wire.CodeInvalid, 6 * time.Minute, true},
		{wire.CodeSender, 6 * time.Minute, true},
		{wire.CodeSkew, 6 * time.Minute, true},
	} {
		t.Run(is.code.String(), func(t *testing.T) {
			w := newWorld(t, 6, 1)
			rank := w.place("n")
			rank[0].refuses = &wire.Refusal{Code: is.code, RetryAfter: 10 * time.Second}
			waiter := w.announce("n", Holding{})
			w.run(time.Second)
			require.NoError(t, w.answers[waiter])
			w.run(8 * time.Second)
			require.Equal(t, 1, w.countAt(rank[0]), "not before it is right")
			w.run(12 * time.Second)
			require.Contains(t, w.at("n"), rank[3].id)
			rank[0].refuses = nil
			w.run(is.again)
			require.Contains(t, w.at("n"), rank[0].id)
			require.Equal(t, is.loud, len(w.warned) == 1)
		})
	}
}

func (w *world) countAt(t *station) int {
	n := 0
	for _, m := range w.told {
		if m.tracker == t.id {
			n++
		}
	}
	return n
}

func TestATrackerThatRefusesForEverIsAskedEverLessAndWarnedOfOnce(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.trackers[0].refuses = &wire.Refusal{Code: wire.CodeSkew}
	require.Error(t, w.fails("n"))
	w.run(24 * time.Hour)
	require.Less(t, len(w.told), 24*2+10)
	require.Len(t, w.warned, 1)
}

// No honest tracker asks for more than an hour.
func TestARetryAfterIsBelievedForAnHour(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.trackers[0].refuses = &wire.Refusal{Code: wire.CodeFull, RetryAfter: 1 << 62}
	require.Error(t, w.fails("n"))
	w.trackers[0].refuses = nil
	w.run(2 * time.Hour)
	w.requireHome("n")
}

func TestAnnouncementsGoOnFromTheSequenceThatIsStored(t *testing.T) {
	w := newWorld(t, 3, 1)
	for _, s := range w.trackers { // Our clock was ahead once.
		s.rows["n"] = stored{sequence: uint64(w.now.Add(5 * time.Hour).UnixMilli()), until: w.now.Add(time.Hour)}
	}
	w.taken("n", Holding{})
	require.LessOrEqual(t, len(w.told), 3*2)
}

func TestASequenceThatNobodyCanHaveIsNotBelieved(t *testing.T) {
	w := newWorld(t, 4, 1)
	liar := w.place("n")[0]
	liar.refuses = &wire.Refusal{Code: wire.CodeSequence, Stored: 1 << 63}
	w.announce("n", Holding{})
	w.run(time.Hour)
	require.Less(t, w.countAt(liar), 20)
	for _, s := range w.place("n")[1:] {
		require.Contains(t, w.at("n"), s.id)
	}
}

// One that lies must not take us back behind what others have.
func TestALieAboutSequencesDoesNotMakeOursSmaller(t *testing.T) {
	w := newWorld(t, 3, 1)
	ahead := uint64(w.now.Add(5 * time.Hour).UnixMilli())
	for _, s := range w.trackers {
		s.rows["n"] = stored{sequence: ahead, until: w.now.Add(time.Hour)}
	}
	w.taken("n", Holding{})
	liar := w.place("m")[0]
	liar.refuses = &wire.Refusal{Code: wire.CodeSequence, Stored: 1 << 63}
	w.announce("m", Holding{})
	w.run(time.Second)
	liar.refuses = nil
	since := w.now
	w.announce("n", Holding{Capacity: 1})
	w.run(10 * time.Second)
	w.requireHome("n")
	require.LessOrEqual(t, w.count("announce", since), 3+1)
}

func TestAnnouncingSaysWhyNoTrackerTookIt(t *testing.T) {
	w := newWorld(t, 0, 1)
	require.ErrorIs(t, w.fails("n"), ErrNoTrackers)

	w = newWorld(t, 3, 1)
	w.trackers[0].unreachable = true
	w.trackers[1].refuses = &wire.Refusal{Code: wire.CodeFull}
	w.trackers[2].downUntil = w.now.Add(time.Hour)
	w.know()
	var said *Error
	require.ErrorAs(t, w.fails("n"), &said)
	require.Len(t, said.Trackers, 3)
	require.ErrorIs(t, said.Trackers[0], errLost)
	var refused *RefusedError
	require.ErrorAs(t, said.Trackers[1], &refused)
	require.Equal(t, wire.CodeFull, refused.Code)
	require.ErrorIs(t, said.Trackers[2], ErrDown)

	for _, s := range w.trackers { // The announcer goes on.
		*s = station{id: s.id, rows: s.rows}
	}
	w.know()
	w.run(2 * time.Minute)
	w.requireHome("n")
}

func TestAnnouncingGivesUpWaitingAfterAsManyTrackersAsClientsAsk(t *testing.T) {
	w := newWorld(t, 64, 1)
	for _, s := range w.trackers {
		s.unreachable = true
	}
	waiter := w.announce("n", Holding{})
	w.run(5 * time.Second)
	require.Error(t, w.answers[waiter])
	require.Contains(t, w.answers, waiter)
}

func TestWithdrawingReachesEveryTrackerThatWasTold(t *testing.T) {
	w := newWorld(t, 6, 1)
	w.taken("n", Holding{})
	rank := w.place("n")
	rank[0].downUntil = w.now.Add(time.Minute)
	w.know()
	w.run(30 * time.Second) // The fourth has it, too.
	require.Len(t, w.at("n"), 4)
	var said *Error
	waiter := w.withdraw("n")
	w.run(time.Second)
	require.ErrorAs(t, w.answers[waiter], &said)
	require.Len(t, said.Trackers, 1)
	require.ErrorIs(t, said, ErrDown)
	require.Equal(t, []peer.ID{rank[0].id}, w.at("n"))
	w.run(2 * time.Minute)
	require.Empty(t, w.at("n"), "it is up again")
	require.Empty(t, w.s.claims)
}

func TestAWithdrawalIsTriedAFewTimes(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.taken("n", Holding{})
	w.trackers[0].loses = 1
	waiter := w.withdraw("n")
	w.run(time.Second)
	require.ErrorIs(t, w.answers[waiter], errLost)
	w.run(2 * time.Hour)
	require.Equal(t, withdrawals, w.count("withdraw", began))
	require.Empty(t, w.s.claims)
}

func TestAWithdrawalThatCameTooSoonIsRepeatedWhenItIsRight(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.taken("n", Holding{})
	w.trackers[0].refuses = &wire.Refusal{Code: wire.CodeRate, RetryAfter: 10 * time.Second}
	waiter := w.withdraw("n")
	w.run(time.Second)
	require.Error(t, w.answers[waiter])
	w.trackers[0].refuses = nil
	w.run(12 * time.Second)
	require.Empty(t, w.at("n"))
	require.Equal(t, 2, w.count("withdraw", began))
}

func TestAnAnnouncementWhoseAnswerWasLostIsWithdrawn(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.trackers[0].hangs = true
	w.announce("n", Holding{})
	w.run(time.Second)
	require.Len(t, w.at("n"), 1)
	w.withdraw("n")
	w.trackers[0].hangs = false
	w.run(time.Minute)
	require.Empty(t, w.at("n"))
}

func TestARowThatALostTouchKeptIsWithdrawn(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.taken("n", Holding{TTL: time.Minute})
	for w.s.stat.Touches == 0 {
		w.run(time.Second)
	}
	w.trackers[0].hangs = true
	touched := w.now
	for w.count("touch", touched) == 0 {
		w.run(time.Second)
	}
	w.run(40 * time.Second) // The TTL since the last answer is over.
	require.Len(t, w.at("n"), 1)
	w.withdraw("n")
	w.trackers[0].hangs = false
	w.run(10 * time.Second)
	require.Empty(t, w.at("n"))
}

func TestAnnouncingAgainAfterWithdrawing(t *testing.T) {
	w := newWorld(t, 4, 1)
	w.taken("n", Holding{})
	w.withdraw("n")
	waiter := w.announce("n", Holding{}) // In the same moment.
	w.run(time.Second)
	require.NoError(t, w.answers[waiter])
	require.Contains(t, w.answers, waiter, "at once")
	w.run(20 * time.Second)
	w.requireHome("n")
	w.withdraw("n")
	w.run(time.Minute)
	require.Empty(t, w.at("n"))
	w.taken("n", Holding{})
	require.Len(t, w.answers, int(w.asked))
}

func TestWithdrawingEndsTheWaitForAnAnnouncement(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.trackers[0].hangs = true
	waiter := w.announce("n", Holding{})
	w.withdraw("n")
	require.ErrorIs(t, w.answers[waiter], ErrWithdrawn)
	require.NoError(t, w.answers[w.withdraw("unknown")])
}

func TestANodeAnnouncesSixtyFourNamespaces(t *testing.T) {
	w := newWorld(t, 3, 1)
	for n := range mostNamespaces {
		w.taken(record.Namespace(fmt.Sprint("n", n)), Holding{})
	}
	require.ErrorIs(t, w.fails("more"), ErrTooMany)
	require.NoError(t, w.fails("n7"))
	w.withdraw("n7")
	w.run(time.Second)
	require.NoError(t, w.fails("more"))
}

func TestWithdrawalsThatNobodyHearsAreNotKeptWithoutBound(t *testing.T) {
	w := newWorld(t, 3, 1)
	for _, s := range w.trackers {
		s.downUntil = w.now.Add(time.Hour)
	}
	for _, up := range w.trackers {
		up.downUntil = time.Time{}
		w.know()
		for n := range mostNamespaces {
			w.announce(record.Namespace(fmt.Sprint(up.id, n)), Holding{})
		}
		w.run(10 * time.Second)
		require.Len(t, up.rows, mostNamespaces)
		up.downUntil = w.now.Add(time.Hour)
		w.know()
		for n := range mostNamespaces {
			w.withdraw(record.Namespace(fmt.Sprint(up.id, n)))
		}
		require.Len(t, w.s.claims, mostWithdrawn)
	}
	require.Len(t, w.answers, int(w.asked))
}

func TestACallThatHangsIsGivenUpAndTheOthersGoOn(t *testing.T) {
	w := newWorld(t, 5, 1)
	hung := w.place("n")[0]
	hung.hangs = true
	w.announce("n", Holding{})
	w.run(time.Minute)
	require.Equal(t, 1, w.countAt(hung), "no other call while it has not returned")
	require.Subset(t, w.at("n"), idsOf(w.place("n")[1:4]...))
	require.Zero(t, w.s.flying())
	hung.hangs = false
	w.run(time.Minute)
	require.Contains(t, w.at("n"), hung.id)
	require.Greater(t, w.countAt(hung), 1)
}

func TestAtMostEightCallsAreUnderWay(t *testing.T) {
	w := newWorld(t, 40, 1)
	w.latency = time.Second
	for n := range 30 {
		w.announce(record.Namespace(fmt.Sprint("n", n)), Holding{})
		require.LessOrEqual(t, len(w.flights), mostCalls)
	}
	require.Len(t, w.flights, mostCalls)
	w.run(time.Minute)
	for n := range 30 {
		w.requireHome(record.Namespace(fmt.Sprint("n", n)))
	}
}

func TestLeavingWithdrawsWhatCanBe(t *testing.T) {
	w := newWorld(t, 20, 1)
	for n := range 64 {
		w.taken(record.Namespace(fmt.Sprint("n", n)), Holding{})
	}
	w.trackers[0].downUntil = w.now.Add(time.Hour)
	w.trackers[1].loses = 1
	w.know()
	w.asked++
	w.s.leave(w.now, w.asked)
	w.settle()
	w.run(5 * time.Second)
	require.Contains(t, w.answers, w.asked)
	for n := range 64 {
		require.Subset(t, []peer.ID{"t00", "t01"}, w.at(record.Namespace(fmt.Sprint("n", n))))
	}
	require.ErrorIs(t, w.fails("late"), ErrClosed)
}

func TestASetThatChangesMovesWhatIsAnnounced(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.taken("n", Holding{})
	for n := range 7 {
		w.trackers = append(w.trackers, &station{id: peer.ID(fmt.Sprint("u", n)), rows: make(map[record.Namespace]stored)})
	}
	w.know()
	w.run(20 * time.Second)
	w.requireHome("n")
	w.trackers = w.trackers[5:]
	w.know()
	w.run(20 * time.Second)
	w.requireHome("n")
}
