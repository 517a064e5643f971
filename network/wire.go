package network

import (
	"context"
	"sync/atomic"
	"time"

	p2pnet "github.com/libp2p/go-libp2p/core/network"
)

// rearm is how far a deadline has to move before it is set again: setting it
// costs as much as reading a small message.
const rearm = 100 * time.Millisecond

// wire reads an inbound stream: it stamps the progress of the peer, and bounds
// the time of a frame that has begun. The clock of a frame stands still while
// it is us who do not read.
//
// It belongs to the reader's goroutine, apart from waiting.
type wire struct {
	ctx    context.Context
	stream p2pnet.Stream
	cfg    *Config

	// idle is called before the reader waits for the peer.
	idle func() error
	// arrived is called with the number of bytes that were read, and when.
	arrived func(n int, at time.Time)

	waiting  atomic.Int64 // Unix nanoseconds since when the peer is waited for, or 0
	inFrame  bool
	deadline time.Time // of the frame
	armed    time.Time // as set on the stream
	stopped  time.Time // when we last stopped reading
}

// FrameBegins starts the clock of a frame.
func (w *wire) FrameBegins(size int) {
	w.stopped = time.Now()
	w.deadline = w.stopped.Add(w.cfg.allowance(size))
	w.inFrame = true
}

// FrameEnds stops the clock of a frame.
func (w *wire) FrameEnds() { w.inFrame = false }

// Read reads from the stream, after what is complete has been handed on.
func (w *wire) Read(b []byte) (int, error) {
	if err := w.idle(); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := w.arm(start); err != nil {
		return 0, err
	}
	w.waiting.Store(start.UnixNano())
	n, err := w.stream.Read(b)
	w.waiting.Store(0)
	w.stopped = time.Now()
	if n > 0 {
		w.arrived(n, w.stopped)
	}
	return n, err
}

// arm sets the deadline that applies to the next read.
func (w *wire) arm(now time.Time) error {
	var want time.Time
	if w.inFrame {
		w.deadline = w.deadline.Add(now.Sub(w.stopped))
		want = w.deadline
	}
	if want.IsZero() != w.armed.IsZero() || want.Sub(w.armed).Abs() > rearm {
		if err := w.stream.SetReadDeadline(want); err != nil {
			return err
		}
		w.armed = want
	}
	// Whoever ends the stream cancels first and then sets a deadline in the
	// past, which may have been overwritten here.
	return w.ctx.Err()
}
