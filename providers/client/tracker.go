package client

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Tracker is what is known of one tracker.
type Tracker struct {
	peer.AddrInfo
	DownUntil time.Time     // it did not answer: not to be asked before; zero when it is up
	Lost      uint64        // how often its connection was lost: it may have restarted with nothing
	Latency   time.Duration // smoothed time to an answer, to a quarter; zero when not measured
}

// Down reports whether the tracker is not to be asked now.
func (t Tracker) Down(now time.Time) bool { return now.Before(t.DownUntil) }
