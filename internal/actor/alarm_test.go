package actor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// rings reports whether the alarm rings within d, and when.
func rings(a *Alarm, d time.Duration) (after time.Duration, rang bool) {
	began := time.Now()
	limit := time.NewTimer(d)
	defer limit.Stop()
	select {
	case <-a.C():
		a.Rang()
		return time.Since(began), true
	case <-limit.C:
		return 0, false
	}
}

func TestAlarmRingsAtTheLastTimeSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAlarm()
		defer a.Stop()
		_, rang := rings(a, 2*time.Hour)
		require.False(t, rang, "before it was set")

		now := time.Now()
		a.Set(now, now.Add(time.Minute))
		a.Set(now, now.Add(time.Hour))
		a.Set(now, now.Add(time.Second))
		after, rang := rings(a, 2*time.Hour)
		require.True(t, rang)
		require.Equal(t, time.Second, after)
		_, rang = rings(a, 2*time.Hour)
		require.False(t, rang, "once for each setting")
	})
}

func TestAlarmSetToTheSameTimeKeepsRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAlarm()
		defer a.Stop()
		at := time.Now().Add(time.Second)
		for time.Now().Before(at) {
			a.Set(time.Now(), at)
			time.Sleep(100 * time.Millisecond)
		}
		_, rang := rings(a, time.Millisecond)
		require.True(t, rang)
		a.Set(time.Now(), at)
		_, rang = rings(a, time.Second)
		require.True(t, rang, "the same time again after it rang")
	})
}

func TestAlarmForThePastRingsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAlarm()
		defer a.Stop()
		a.Set(time.Now(), time.Now().Add(-time.Hour))
		after, rang := rings(a, time.Hour)
		require.True(t, rang)
		require.Zero(t, after)
	})
}

// A ring that was not received yet belongs to the setting that is no more.
func TestAlarmThatWasUnsetDoesNotRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAlarm()
		a.Set(time.Now(), time.Now().Add(time.Second))
		time.Sleep(time.Minute)
		a.Set(time.Now(), time.Now().Add(time.Hour))
		_, rang := rings(a, time.Minute)
		require.False(t, rang)
		a.Set(time.Now(), time.Time{})
		_, rang = rings(a, 2*time.Hour)
		require.False(t, rang)
		a.Set(time.Now(), time.Now().Add(time.Second))
		a.Stop()
		_, rang = rings(a, time.Hour)
		require.False(t, rang)
	})
}
