package client

import (
	"context"
	"errors"
	"io"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/wire"
)

// carrier is an open stream as the shell has it. A reader and a writer of its own
// carry what is said; they own nothing and decide nothing.
type carrier struct {
	conn Stream
	hand chan []byte // to the writer, with room for what it is given at a time; closed when nothing follows
	stop context.CancelFunc
}

// open opens a stream, in a goroutine that outlives who waits for it.
func (s *shell) open(life context.Context, d dial) {
	ctx, cancel := context.WithTimeout(life, openTime)
	defer cancel()
	var conn Stream
	err := actor.Guard(name, s.cfg.Panicked, func() (err error) {
		conn, err = s.cfg.Network.OpenDuplex(ctx, d.to, wire.Protocol)
		return err
	})
	if !s.send(life, opened{d.stream, conn, err}) && conn != nil {
		conn.Reset()
	}
}

// carry starts the goroutines of a stream.
func (s *shell) carry(life context.Context, id streamID, conn Stream) {
	ctx, stop := context.WithCancel(life)
	c := &carrier{conn, make(chan []byte, 1), stop}
	s.streams[id] = c
	for _, run := range []func(context.Context, streamID, *carrier) error{s.read, s.write} {
		s.crew.Go(func() {
			cause := actor.Guard(name, s.cfg.Panicked, func() error { return run(ctx, id, c) })
			if cause != nil {
				s.send(ctx, cut{id, cause})
			}
		})
	}
}

// read passes on what the tracker says, and returns why the stream has ended. While
// the actor has no time for it the tracker waits.
func (s *shell) read(ctx context.Context, id streamID, c *carrier) error {
	r := wire.NewReader(c.conn, wire.Tracker)
	for {
		m, err := r.Next()
		var wrong *wire.MessageError
		if err != nil && !errors.As(err, &wrong) {
			return reason(err)
		}
		if !s.send(ctx, heard{id, m, wrong}) {
			return nil
		}
	}
}

// reason tells a frame that breaks the rules, and the orderly end, from a stream
// that was cut.
func reason(err error) error {
	var frame *wire.FrameError
	if errors.As(err, &frame) && frame.Fault == wire.FaultLength {
		return &FaultError{err}
	}
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrEnded
	}
	return err
}

// write writes what it is given, and ends our side when nothing follows. Then the
// reader notices the end of the other side.
func (s *shell) write(ctx context.Context, id streamID, c *carrier) error {
	for {
		select {
		case frames, more := <-c.hand:
			if !more {
				_ = c.conn.CloseWrite() // The tracker is not waited for, either.
				return nil
			}
			if _, err := c.conn.Write(frames); err != nil {
				return err
			}
			if !s.send(ctx, wrote{id}) {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// send gives the actor a report, unless ctx has ended: then nobody cares for it.
func (s *shell) send(ctx context.Context, r report) bool {
	select {
	case s.reports <- r:
		return true
	case <-ctx.Done():
		return false
	}
}

// drop ends a stream that the state has ended. That may take the time of others, and
// lets its reader and writer return.
func (s *shell) drop(e ending) {
	c := s.streams[e.stream]
	delete(s.streams, e.stream)
	c.stop()
	s.crew.Go(func() {
		if e.inOrder {
			_ = c.conn.Close() // Nothing of it is needed any more.
		} else {
			c.conn.Reset()
		}
	})
}
