package actor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// loaded is a loop with an inbox, driven by hand.
type loaded struct {
	*Loop
	in *Inbox[int]
}

func newLoaded(depth int) *loaded {
	l := NewLoop("test", nil)
	in := NewInbox[int](depth, l.Done())
	l.Watch(in)
	return &loaded{l, in}
}

func (l *loaded) put(t *testing.T, n int) {
	t.Helper()
	for range n {
		require.NoError(t, l.in.Send(t.Context(), 0))
	}
}

// work takes in n requests, one after the other, each for so long.
func (l *loaded) work(n int, each time.Duration) {
	for range n {
		<-l.in.C()
		l.Begin()
		time.Sleep(each)
		l.Waiting(time.Now())
	}
}

func (l *loaded) load() Load { return l.Load(time.Now()) }

func TestSaturationIsThePartOfEachWindowThatWasWorked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoaded(8)
		l.put(t, 1)
		l.work(1, time.Millisecond)
		require.Less(t, l.load().Saturation10s, 0.01)

		for range 120 { // A quarter of the time.
			l.put(t, 1)
			l.work(1, 250*time.Millisecond)
			time.Sleep(750 * time.Millisecond)
		}
		require.InDelta(t, 0.25, l.load().Saturation10s, 0.03)
		require.InDelta(t, 0.25, l.load().Saturation1m, 0.01)

		time.Sleep(5 * time.Second)
		require.InDelta(t, 0.125, l.load().Saturation10s, 0.03)
		time.Sleep(25 * time.Second)
		require.InDelta(t, 0, l.load().Saturation10s, 0.01)
		require.InDelta(t, 0.125, l.load().Saturation1m, 0.02)
		time.Sleep(time.Hour)
		require.InDelta(t, 0, l.load().Saturation1m, 0.001)
	})
}

func TestALoopThatIsStuckIsSaturated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoaded(8)
		l.put(t, 1)
		l.work(1, time.Millisecond)
		time.Sleep(time.Hour)
		l.put(t, 2)
		<-l.in.C()
		l.Begin()
		time.Sleep(5 * time.Second)
		require.InDelta(t, 0.5, l.load().Saturation10s, 0.01)
		time.Sleep(time.Minute)
		require.Equal(t, 1.0, l.load().Saturation10s)
		require.Equal(t, 1.0, l.load().Saturation1m)
		require.Equal(t, 65*time.Second, l.load().Oldest)
		require.Equal(t, 1, l.load().Depth)
	})
}

func TestOldestIsNoLongerThanAMessageCanHaveWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoaded(4)
		l.Waiting(time.Now())
		require.Zero(t, l.load().Oldest)
		l.put(t, 4)
		l.work(1, time.Second)
		time.Sleep(time.Second)
		require.Equal(t, time.Second, l.load().Oldest, "seen since a second ago")
		l.work(3, time.Second)
		require.Zero(t, l.load().Oldest)

		l.put(t, 3)
		for range 1_000 { // Never empty, and nothing waits for long.
			l.put(t, 1)
			l.work(1, time.Millisecond)
		}
		require.Positive(t, l.load().Oldest)
		require.LessOrEqual(t, l.load().Oldest, 2*turnsPerPlace*4*time.Millisecond)
	})
}

func TestHighWaterIsTheMostThatWaited(t *testing.T) {
	l := newLoaded(8)
	l.put(t, 5)
	l.work(5, 0)
	l.put(t, 2)
	l.work(2, 0)
	require.Equal(t, Load{Capacity: 8, HighWater: 4, Busy: l.Busy()}, blank(l.load()), "the first was taken before the loop looked")
	l.put(t, 7)
	require.Equal(t, 7, l.load().HighWater, "what waits now counts")
}

// blank is a load without what depends on the clock.
func blank(l Load) Load {
	l.Saturation10s, l.Saturation1m = 0, 0
	return l
}

func TestMeasuringAllocatesNothing(t *testing.T) {
	l := newLoaded(8)
	l.Waiting(l.Begin())
	require.Zero(t, testing.AllocsPerRun(1_000, func() {
		l.Begin()
		l.Waiting(time.Now())
	}))
}
