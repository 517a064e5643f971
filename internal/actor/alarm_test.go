package actor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// asBody runs a test in place of the body of a loop.
func asBody(t *testing.T, test func(t *testing.T, l *Loop)) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLoop("test", nil)
		l.alarm = newAlarm()
		test(t, l)
	})
}

// wakes reports whether the alarm of a loop rings within d, and when.
func wakes(l *Loop, d time.Duration) (after time.Duration, woken bool) {
	began := time.Now()
	limit := time.NewTimer(d)
	defer limit.Stop()
	select {
	case <-l.Alarm():
		return l.Woken(time.Now()).Sub(began), true
	case <-limit.C:
		return 0, false
	}
}

func TestAlarmRingsAtTheLastTimeSet(t *testing.T) {
	asBody(t, func(t *testing.T, l *Loop) {
		_, woken := wakes(l, 2*time.Hour)
		require.False(t, woken, "before it was set")

		now := time.Now()
		l.WaitingUntil(now, now.Add(time.Minute))
		l.WaitingUntil(now, now.Add(time.Hour))
		l.WaitingUntil(now, now.Add(time.Second))
		after, woken := wakes(l, 2*time.Hour)
		require.True(t, woken)
		require.Equal(t, time.Second, after)
		_, woken = wakes(l, 2*time.Hour)
		require.False(t, woken, "once for each setting")
	})
}

func TestAlarmSetToTheSameTimeKeepsRunning(t *testing.T) {
	asBody(t, func(t *testing.T, l *Loop) {
		at := time.Now().Add(time.Second)
		for time.Now().Before(at) {
			l.WaitingUntil(time.Now(), at)
			time.Sleep(100 * time.Millisecond)
		}
		_, woken := wakes(l, time.Millisecond)
		require.True(t, woken)
		l.WaitingUntil(time.Now(), at)
		_, woken = wakes(l, time.Second)
		require.True(t, woken, "the same time again after it rang")
	})
}

func TestAlarmForThePastRingsAtOnce(t *testing.T) {
	asBody(t, func(t *testing.T, l *Loop) {
		l.WaitingUntil(time.Now(), time.Now().Add(-time.Hour))
		after, woken := wakes(l, time.Hour)
		require.True(t, woken)
		require.Zero(t, after)
	})
}

// A ring that was not received yet belongs to the setting that is no more.
func TestAlarmThatWasUnsetDoesNotRing(t *testing.T) {
	asBody(t, func(t *testing.T, l *Loop) {
		l.WaitingUntil(time.Now(), time.Now().Add(time.Second))
		time.Sleep(time.Minute)
		l.WaitingUntil(time.Now(), time.Now().Add(time.Hour))
		_, woken := wakes(l, time.Minute)
		require.False(t, woken)
		l.WaitingUntil(time.Now(), time.Time{})
		_, woken = wakes(l, 2*time.Hour)
		require.False(t, woken)
		l.WaitingUntil(time.Now(), time.Now().Add(time.Second))
		l.WaitingUntil(time.Now(), time.Time{})
		_, woken = wakes(l, time.Hour)
		require.False(t, woken)
	})
}

func TestWhatFollowsTheAlarmIsWork(t *testing.T) {
	asBody(t, func(t *testing.T, l *Loop) {
		l.WaitingUntil(time.Now(), time.Now().Add(time.Hour))
		_, woken := wakes(l, 2*time.Hour)
		require.True(t, woken)
		time.Sleep(time.Second)
		l.WaitingUntil(time.Now(), time.Time{})
		require.Equal(t, time.Second, l.Busy())
	})
}
