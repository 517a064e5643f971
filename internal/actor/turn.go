package actor

import "time"

// Turn is how long the body has been at work on what it last received, and zero while
// it waits. One that does not get smaller belongs to an actor that is stuck.
func (l *Loop) Turn(now time.Time) time.Duration {
	since := l.since.Load()
	if since == 0 {
		return 0
	}
	return max(now.Sub(time.Unix(0, since)), 0)
}
