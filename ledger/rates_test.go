package ledger

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestRatesAreMeansThatForget(t *testing.T) {
	s := newState(0, 0)
	now := epoch
	for range 600 { // A minute at 1,000 bytes a second.
		now = now.Add(100 * time.Millisecond)
		s.record(now, received("a", 100))
	}
	r := s.receipt(now, "a")[0].Rates
	require.InDelta(t, 1_000, r.Received10s, 20)
	require.InDelta(t, 632, r.Received1m, 20, "1 - 1/e after one minute")
	require.Zero(t, r.Sent10s)

	r = s.receipt(now.Add(10*time.Second), "a")[0].Rates
	require.InDelta(t, 1_000/2.718, r.Received10s, 20)
	require.Equal(t, Rates{}, s.receipt(now.Add(time.Hour), "a")[0].Rates)
	require.Equal(t, s.receipt(now, "a")[0].Rates, s.totals(now).Rates)
}

func TestHistoryHasEachMinuteAndHalfHour(t *testing.T) {
	s := newState(0, 0)
	s.record(epoch, received("a", 7))
	s.record(epoch.Add(time.Minute), sent("a", 5))
	s.record(epoch.Add(5*time.Minute), received("a", 1))
	now := epoch.Add(6 * time.Minute)
	h := s.receipt(now, "a")[0].History
	require.Len(t, h.Minutes, minutes)
	require.Len(t, h.HalfHours, halfHours)
	last := h.Minutes[minutes-7:]
	require.Equal(t, epoch.Truncate(time.Minute).UTC(), last[0].From)
	require.EqualValues(t, 7, last[0].Received)
	require.EqualValues(t, 5, last[1].Sent)
	require.Zero(t, last[2].Received+last[2].Sent)
	require.EqualValues(t, 1, last[5].Received)
	require.Zero(t, last[6].Received)
	require.True(t, h.Minutes[minutes-1].From.After(h.Minutes[minutes-2].From))

	later := epoch.Add(3 * time.Hour)
	h = s.receipt(later, "a")[0].History
	for _, m := range h.Minutes {
		require.Zero(t, m.Received+m.Sent, "an hour ago is not in the last hour")
	}
	var sum uint64
	for _, half := range h.HalfHours {
		sum += half.Received + half.Sent
	}
	require.EqualValues(t, 13, sum)
	require.Nil(t, s.receipt(epoch.Add(25*time.Hour), "a")[0].History)
	require.Nil(t, s.receipts(now)[0].History, "a list has none")
}

func TestHistoryOfAnIdleAccountIsForgotten(t *testing.T) {
	s := newState(0, 0)
	s.record(epoch, received("a", 7))
	now := epoch.Add(25 * time.Hour)
	s.record(now, received("b", 7))
	s.refresh(now)
	require.Nil(t, s.accounts["a"].history)
	require.NotNil(t, s.accounts["b"].history)
	require.LessOrEqual(t, unsafe.Sizeof(history{}), uintptr(880))
}

func TestAClockThatIsSetBackLosesNoHistory(t *testing.T) {
	s := newState(0, 0)
	s.record(epoch, received("a", 7))
	s.record(epoch.Add(-time.Hour), received("a", 5))
	h := s.receipt(epoch, "a")[0].History
	require.EqualValues(t, 12, h.Minutes[minutes-1].Received)
	require.False(t, s.receipt(epoch.Add(-time.Hour), "a")[0].Rates.Received10s < 0)
}

func TestAReceiptSaysWhenThePeerWasThere(t *testing.T) {
	s := newState(0, 0)
	at := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Minute) }
	s.record(at(0), Connected("a", true))
	s.record(at(1), received("a", 7))
	r := s.receipt(at(2), "a")[0]
	require.Equal(t, []time.Time{at(0), at(2), at(0)}, []time.Time{r.FirstSeen, r.LastSeen, r.Since})
	s.record(at(3), Connected("a", false))
	r = s.receipt(at(9), "a")[0]
	require.Equal(t, []time.Time{at(0), at(3), at(3)}, []time.Time{r.FirstSeen, r.LastSeen, r.Since})
	require.False(t, r.Connected)
	require.Zero(t, s.totals(at(9)).Connected)
	require.EqualValues(t, 7, s.totals(at(9)).BytesReceived)
}
