package actor

import "time"

// alarm is the one timer of a loop, for its goroutine alone.
type alarm struct {
	timer *time.Timer
	at    time.Time
}

func newAlarm() *alarm {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &alarm{timer: t}
}

// set makes the alarm ring at the given time, in place of any earlier setting.
// The zero time unsets it.
func (a *alarm) set(now, at time.Time) {
	if at.Equal(a.at) {
		return
	}
	a.at = at
	if at.IsZero() {
		a.timer.Stop()
		return
	}
	a.timer.Reset(max(at.Sub(now), 0))
}

// rang notes that the timer delivered, so that the same time can be set again.
func (a *alarm) rang() { a.at = time.Time{} }
