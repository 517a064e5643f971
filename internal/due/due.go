// Package due is about times at which something is to be done, of which the zero time
// is never.
package due

import "time"

// First returns the earliest of the times, and the zero time when all are never.
func First(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}
