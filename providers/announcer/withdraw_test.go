package announcer

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

func TestWhereAHoldingIsNotKeptAnyMoreItIsWithdrawn(t *testing.T) {
	w := newWorld(t, 40, 1)
	w.taken("n", Holding{Ranges: narrow(8)})
	w.run(time.Minute)
	w.taken("n", Holding{Ranges: narrow(1)})
	require.Equal(t, idsOf(w.homes(w.s.claims["n"])...), w.at("n"))
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

func TestWhoWaitsForAWithdrawalThatIsGivenUpIsToldSo(t *testing.T) {
	w := newWorld(t, 1, 1)
	for n := range mostNamespaces {
		w.taken(record.Namespace(fmt.Sprint("a", n)), Holding{})
	}
	w.trackers[0].hangs = true
	first := w.withdraw("a0")
	for n := range mostNamespaces {
		w.withdraw(record.Namespace(fmt.Sprint("a", n)))
	}
	w.trackers = append(w.trackers, &station{id: "b", rows: make(map[record.Namespace]stored)})
	w.know()
	w.announce("b", Holding{})
	w.run(time.Second)
	require.Contains(t, w.at("b"), peer.ID("b"))
	require.NotContains(t, w.answers, first)
	w.withdraw("b")
	require.ErrorIs(t, w.answers[first], ErrGivenUp)
	require.NotContains(t, w.s.claims, record.Namespace("a0"))
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
