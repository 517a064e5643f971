package network

import (
	"errors"
	"time"
)

var errEmptyFrames = errors.New("too many frames that say nothing")

// rate counts events in windows of one second.
type rate struct {
	limit  int
	window time.Time
	count  int
}

// exceeded counts an event and reports whether there were more than the limit.
func (r *rate) exceeded(now time.Time) bool {
	if now.Sub(r.window) >= time.Second {
		r.window, r.count = now, 0
	}
	r.count++
	return r.count > r.limit
}
