package actor

import "time"

// Alarm is the one timer of an actor. The state says when it wants to be woken
// next, the shell sets the alarm after each event and receives from C.
//
// It is for use by the actor's own goroutine only.
type Alarm struct {
	timer *time.Timer
	at    time.Time
}

// NewAlarm returns an alarm that is not set.
func NewAlarm() *Alarm {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &Alarm{timer: t}
}

// Set makes the alarm ring at the given time, in place of any earlier setting.
// The zero time unsets it.
func (a *Alarm) Set(now, at time.Time) {
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

// C delivers once for each setting that was reached.
func (a *Alarm) C() <-chan time.Time { return a.timer.C }

// Rang notes that C delivered, so that the same time can be set again.
func (a *Alarm) Rang() { a.at = time.Time{} }

// Stop unsets the alarm.
func (a *Alarm) Stop() { a.Set(time.Time{}, time.Time{}) }
