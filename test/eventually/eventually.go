// Package eventually waits in a test for what comes true sooner or later.
package eventually

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// Patience is what nothing takes that is waited for in a test, on however slow a
	// machine: there a pause of a few seconds is usual, one of a minute is a hang.
	Patience = time.Minute
	// It is looked again after firstPause, and after twice as long each time up to
	// longestPause: what is cheap and soon true is seen soon, what starts a process
	// or reads all of the heap leaves the machine to what is waited for.
	firstPause   = time.Millisecond
	longestPause = 50 * time.Millisecond
)

// True returns once the condition holds, and ends the test when it does not hold within
// [Patience]. The condition runs in the goroutine of the caller: it may use what the test
// uses, and end the test itself. What says is as in package require.
func True(t testing.TB, condition func() bool, says ...any) {
	t.Helper()
	pause := firstPause
	for end := time.Now().Add(Patience); !condition(); pause = min(2*pause, longestPause) {
		if time.Now().After(end) {
			require.FailNow(t, "It has not come true within "+Patience.String()+".", says...)
		}
		time.Sleep(pause)
	}
}
