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

func TestATrackerThatRestartsAgainAndAgainIsToldEachTime(t *testing.T) {
	w := newWorld(t, 3, 1)
	w.taken("n", Holding{})
	for range 10 {
		w.restart(w.trackers[0])
		w.run(time.Minute)
		w.requireHome("n")
	}
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
