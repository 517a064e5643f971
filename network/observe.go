package network

import (
	"time"

	"github.com/souk-p2p/souk/message"
)

// Observer is told of each message that passes, for statistics that not everybody
// keeps. Its methods are called by the goroutines that read and write streams,
// several at once: they must not block, and keep nothing of the message.
type Observer interface {
	// Received is told of a message that is complete: how many bytes it had, and how
	// many HAVEs were in it.
	Received(bytes, haves int)
	// Sent is told of a message that a stream has accepted, and how long that took
	// since it was its turn to be written.
	Sent(lane Lane, m *message.Message, took time.Duration)
}

// unobserved is the observer of who wants none.
type unobserved struct{}

func (unobserved) Received(int, int)                          {}
func (unobserved) Sent(Lane, *message.Message, time.Duration) {}
