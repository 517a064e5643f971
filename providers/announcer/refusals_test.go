package announcer

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

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
