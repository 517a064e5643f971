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

// wire reads a stream: it stamps the progress of the peer, and bounds
// the time of a frame that has begun. The clock of a frame stands still while
// it is us who do not read.
//
// It belongs to the reader's goroutine, apart from waiting and patience.
type wire struct {
	ctx    context.Context
	stream p2pnet.Stream
	cfg    *Config

	// idle is called before the reader waits for the peer.
	idle func() error
	// arrived is called with the number of bytes that were read, and when.
	arrived func(n int, at time.Time)

	waiting  atomic.Int64 // Unix nanoseconds since when the peer is waited for, or 0
	patience atomic.Int64 // how long the peer may be silent between frames, or 0 for ever
	inFrame  bool
	size     int       // of the frame, in bytes
	began    time.Time // when the frame did
	deadline time.Time // of the frame
	armed    time.Time // as set on the stream
	stopped  time.Time // when we last stopped reading
}

// FrameBegins starts the clock of a frame.
func (w *wire) FrameBegins(size int) {
	w.stopped = time.Now()
	w.began, w.size = w.stopped, size
	w.deadline = w.stopped.Add(w.cfg.allowance(size))
	w.inFrame = true
}

// FrameGrows gives a frame that has begun the time for size more bytes.
func (w *wire) FrameGrows(size int) {
	w.deadline = w.deadline.Add(w.cfg.allowance(size) - w.cfg.FrameTime)
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
	if w.inFrame {
		w.deadline = w.deadline.Add(now.Sub(w.stopped))
		w.stopped = now
	}
	for {
		patience := w.patience.Load()
		want := w.until(now, time.Duration(patience))
		if want.IsZero() != w.armed.IsZero() || want.Sub(w.armed).Abs() > rearm {
			if err := w.stream.SetReadDeadline(want); err != nil {
				return err
			}
			w.armed = want
		}
		if w.patience.Load() == patience { // Else what wakes the read was overwritten here.
			break
		}
	}
	// Whoever ends the stream cancels first and then sets a deadline in the
	// past, which may have been overwritten here.
	return w.ctx.Err()
}

// until returns how long the peer is waited for, and zero for ever.
func (w *wire) until(now time.Time, patience time.Duration) time.Time {
	switch {
	case w.inFrame:
		return w.deadline
	case patience > 0:
		return now.Add(patience)
	}
	return time.Time{}
}

// woken reports whether a read that has timed out did so before its time, so that
// it looks at its deadline again.
func (w *wire) woken(now time.Time) bool {
	if w.ctx.Err() != nil || !w.armed.IsZero() && !now.Before(w.armed) {
		return false
	}
	w.armed = longAgo
	return true
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// wake makes a read that waits look at its deadline again.
func (w *wire) wake() { _ = w.stream.SetReadDeadline(longAgo) } // A stream without deadlines has ended.
