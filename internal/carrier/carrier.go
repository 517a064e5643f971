package carrier

import (
	"context"
	"io"
	"time"

	"github.com/souk-p2p/souk/internal/actor"
)

// Stream is one stream to a peer; a *network.Duplex is one. One goroutine at a time
// reads and one writes.
type Stream interface {
	io.Reader
	io.Writer // of whole frames; it does not block for ever
	CloseWrite() error
	Close() error
	Reset()
}

// Config is what streams of one kind have in common. All of it is required.
type Config[M any] struct {
	Name     string // for what panics
	Panicked func(error)
	Crew     *actor.Crew // runs the goroutines
	OpenTime time.Duration

	// Messages returns what reads a stream: each call of next returns what the peer has
	// said next, or why the stream has ended. What it panics with ends the stream.
	Messages func(io.Reader) (next func() (M, error))
}

// Report is what an actor hears of its streams: [Opened], [Heard], [Wrote] or [Ended].
type Report[ID comparable, M any] interface{ isReport(ID, M) }

type (
	// Opened says that a stream is open, or why it is not. The actor has it carried, or
	// discards it.
	Opened[ID comparable, M any] struct {
		Stream ID
		Err    error
		conn   Stream
	}
	// Heard is what a peer has said.
	Heard[ID comparable, M any] struct {
		Stream  ID
		Message M
	}
	// Wrote says that what was handed to the writer is written.
	Wrote[ID comparable, M any] struct{ Stream ID }
	// Ended says why a stream cannot be read or written any more. There may be one of the
	// reader and one of the writer.
	Ended[ID comparable, M any] struct {
		Stream ID
		Cause  error
	}
)

func (Opened[ID, M]) isReport(ID, M) {}
func (Heard[ID, M]) isReport(ID, M)  {}
func (Wrote[ID, M]) isReport(ID, M)  {}
func (Ended[ID, M]) isReport(ID, M)  {}

// Streams are the streams of an actor, which gives each an ID of its own. Its methods
// are for the goroutine of the actor, except for C.
type Streams[ID comparable, M any] struct {
	cfg     Config[M]
	open    map[ID]*carrier
	reports chan Report[ID, M] // they wait until the actor reads it
}

// carrier is an open stream. A reader and a writer of its own carry what is said.
type carrier struct {
	conn Stream
	hand chan []byte // to the writer, with room for what it is given at a time; closed when nothing follows
	stop context.CancelFunc
}

// New returns no streams.
func New[ID comparable, M any](cfg Config[M]) *Streams[ID, M] {
	return &Streams[ID, M]{cfg: cfg, open: make(map[ID]*carrier), reports: make(chan Report[ID, M])}
}

// C delivers the reports, those of one stream in order.
func (s *Streams[ID, M]) C() <-chan Report[ID, M] { return s.reports }

// Open opens a stream. Its report is [Opened], unless life ends before.
func (s *Streams[ID, M]) Open(life context.Context, id ID, open func(context.Context) (Stream, error)) {
	s.cfg.Crew.Go(func() {
		ctx, cancel := context.WithTimeout(life, s.cfg.OpenTime)
		defer cancel()
		var conn Stream
		err := actor.Guard(s.cfg.Name, s.cfg.Panicked, func() (err error) {
			conn, err = open(ctx)
			return err
		})
		if !s.send(life, Opened[ID, M]{id, err, conn}) && conn != nil {
			conn.Reset()
		}
	})
}

// Discard ends a stream that is not needed any more.
func (s *Streams[ID, M]) Discard(o Opened[ID, M]) {
	if o.conn != nil {
		s.cfg.Crew.Go(o.conn.Reset)
	}
}

// Carry starts the goroutines of a stream that is open. They end with [Streams.Drop],
// or with life.
func (s *Streams[ID, M]) Carry(life context.Context, o Opened[ID, M]) {
	ctx, stop := context.WithCancel(life)
	c := &carrier{o.conn, make(chan []byte, 1), stop}
	s.open[o.Stream] = c
	for _, run := range []func(context.Context, ID, *carrier) error{s.read, s.write} {
		s.cfg.Crew.Go(func() {
			cause := actor.Guard(s.cfg.Name, s.cfg.Panicked, func() error { return run(ctx, o.Stream, c) })
			if cause != nil {
				s.send(ctx, Ended[ID, M]{o.Stream, cause})
			}
		})
	}
}

// read passes on what the peer says, and returns why the stream has ended. While the
// actor has no time for it the peer waits.
func (s *Streams[ID, M]) read(ctx context.Context, id ID, c *carrier) error {
	next := s.cfg.Messages(c.conn)
	for {
		m, err := next()
		if err != nil {
			return err
		}
		if !s.send(ctx, Heard[ID, M]{id, m}) {
			return nil
		}
	}
}

// write writes what it is given, and ends our side when nothing follows. Then the
// reader notices the end of the other side.
func (s *Streams[ID, M]) write(ctx context.Context, id ID, c *carrier) error {
	for {
		select {
		case frames, more := <-c.hand:
			if !more {
				_ = c.conn.CloseWrite() // The peer is not waited for, either.
				return nil
			}
			if _, err := c.conn.Write(frames); err != nil {
				return err
			}
			if !s.send(ctx, Wrote[ID, M]{id}) {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// send gives the actor a report, unless ctx has ended: then nobody cares for it.
func (s *Streams[ID, M]) send(ctx context.Context, r Report[ID, M]) bool {
	select {
	case s.reports <- r:
		return true
	case <-ctx.Done():
		return false
	}
}

// Write hands frames to the writer of a stream, which has reported that it wrote those
// before. It never blocks.
func (s *Streams[ID, M]) Write(id ID, frames []byte) { s.open[id].hand <- frames }

// Rest ends our side of a stream when what was handed over is written.
func (s *Streams[ID, M]) Rest(id ID) { close(s.open[id].hand) }

// Drop ends a stream: in order, or by a reset. That may take the time of others, and
// lets its reader and writer return; nothing is reported of it any more.
func (s *Streams[ID, M]) Drop(id ID, inOrder bool) {
	c := s.open[id]
	delete(s.open, id)
	c.stop()
	s.cfg.Crew.Go(func() {
		if inOrder {
			_ = c.conn.Close() // Nothing of it is needed any more.
		} else {
			c.conn.Reset()
		}
	})
}

// Close resets every stream.
func (s *Streams[ID, M]) Close() {
	for id := range s.open {
		s.Drop(id, false)
	}
}
