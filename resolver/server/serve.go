package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/resolver/wire"
)

// Stream is a stream of the protocol; a *network.Duplex is one. One goroutine at a
// time reads and one writes, the rest may be called from any.
type Stream interface {
	Peer() peer.ID
	Read(p []byte) (int, error)
	Write(frames []byte) (int, error) // of whole frames; it does not block for ever
	SetIdle(t time.Duration)          // how long Read may wait between frames
	Reset()
}

// serving is one stream that is served.
type serving struct {
	server *Server
	stream Stream
	peer   peer.ID
	cancel context.CancelFunc

	next  chan wire.Fault    // from the actor, to the reader; zero is to read on
	hand  chan []wire.Answer // from the actor, to the writer, with room for what it is given at a time; closed when nothing follows
	ended chan error         // why the writer has
}

// Serve answers the requests of a stream in its goroutine. It returns nil when the
// stream has ended in order or was idle, and an error when it is to be reset: a
// [*message.FrameError] when the peer broke the rules. It returns when ctx ends as
// soon as the stream's Read does.
func (s *Server) Serve(ctx context.Context, st Stream) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := &serving{
		server: s, stream: st, peer: st.Peer(), cancel: cancel,
		next: make(chan wire.Fault, 1), hand: make(chan []wire.Answer, 1), ended: make(chan error, 1),
	}
	defer v.leave(ctx)
	admitted, err := actor.Ask(ctx, s.inbox, func(reply chan<- bool) request { return opened{v, reply} })
	switch {
	case err != nil:
		return closing(err)
	case !admitted:
		return ErrStreams
	}
	s.pens.Go(func() { v.ended <- v.carry(ctx) })
	return v.finish(ctx, v.read(ctx))
}

// leave tells the actor, also when it is not known whether it was told of the
// stream at all.
func (v *serving) leave(ctx context.Context) {
	_ = v.server.inbox.Send(context.WithoutCancel(ctx), closed{v}) // Fails only when the actor has ended.
}

// stop ends the stream at once.
func (v *serving) stop() {
	v.cancel()
	v.server.pens.Go(v.stream.Reset) // Which may take the time of others.
}

// finish waits for the writer: in order for what is owed, or not.
func (v *serving) finish(ctx context.Context, err error) error {
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = v.server.inbox.Send(ctx, said{v, ended{}})
	}
	if err != nil {
		v.cancel()
		v.stream.Reset()
		<-v.ended
		return closing(err)
	}
	return closing(<-v.ended)
}

// closing names the end of the server.
func closing(err error) error {
	if errors.Is(err, actor.ErrClosed) {
		return ErrClosed
	}
	return err
}

// read passes on what the peer asks, until the end of the stream, which it returns.
func (v *serving) read(ctx context.Context) error {
	v.stream.SetIdle(wire.Idle)
	requests := wire.NewRequests(v.stream)
	for {
		m, err := requests.Next()
		if err == nil {
			err = v.say(ctx, asked{m, v.server.cfg.Denies(v.peer)})
		} else {
			err = v.wrong(ctx, err)
		}
		if err != nil {
			return err
		}
	}
}

// say tells the actor something, and waits until the stream may be read on.
func (v *serving) say(ctx context.Context, e event) error {
	if err := v.server.inbox.Send(ctx, said{v, e}); err != nil {
		return err
	}
	select {
	case fault := <-v.next:
		if fault != 0 {
			return &message.FrameError{Fault: message.FaultProtobuf, Err: fmt.Errorf("resolver: %s", fault)}
		}
		return nil
	case <-v.server.loop.Ending():
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wrong passes on what is against the rules. It returns an error at the end of the
// stream.
func (v *serving) wrong(ctx context.Context, err error) error {
	var m *wire.MessageError
	var frame *wire.FrameError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &m):
		return v.say(ctx, faulted{m.Fault, m.ID})
	case errors.As(err, &frame):
		_ = v.server.inbox.Send(ctx, broken{wire.FaultOf(err)}) // Fails only at the end.
		return blamed(err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return v.idled(ctx)
	}
	return err
}

// blamed makes an error of a frame one for which the network blames the peer. What a
// stream finds wrong by itself is one already.
func blamed(err error) error {
	if errors.As(err, new(*message.FrameError)) || wire.FaultOf(err) != wire.FaultLength {
		return err
	}
	return &message.FrameError{Fault: message.FaultFrameLength, Err: err}
}

// idled ends a stream on which nothing was asked, unless there is an answer to come.
func (v *serving) idled(ctx context.Context) error {
	owed, err := actor.Ask(ctx, v.server.inbox, func(reply chan<- bool) request { return said{v, idle{reply}} })
	if err == nil && !owed {
		err = io.EOF
	}
	return err
}

// carry writes, and ends the stream when that is no longer possible.
func (v *serving) carry(ctx context.Context) error {
	err := actor.Guard(name, v.server.cfg.Panicked, func() error { return v.write(ctx) })
	if err != nil {
		v.cancel()
		v.stream.Reset()
	}
	return err
}

// write writes what it is given, until nothing follows or the stream breaks.
func (v *serving) write(ctx context.Context) error {
	for {
		select {
		case answers, more := <-v.hand:
			if !more {
				return nil
			}
			if err := v.put(answers); err != nil {
				return err
			}
			if err := v.server.inbox.Send(ctx, said{v, wrote{}}); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (v *serving) put(answers []wire.Answer) error {
	var frames []byte
	for _, m := range answers {
		var err error
		if frames, err = wire.AppendFrame(frames, m); err != nil {
			return err
		}
	}
	_, err := v.stream.Write(frames)
	return err
}
