package tracker

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/wire"
)

// Stream is a stream of [wire.Protocol]; a *network.Duplex is one. One goroutine
// at a time reads and one writes, the rest may be called from any.
type Stream interface {
	Peer() peer.ID
	Remote() multiaddr.Multiaddr // as observed
	Read(p []byte) (int, error)
	Write(frame []byte) (int, error) // one whole frame
	SetIdle(t time.Duration)         // how long Read may wait between frames; 0 is for ever
	CloseWrite() error
	Reset()
}

// Errors of [Tracker.Serve].
var (
	ErrBusy  = errors.New("tracker: as many streams as are served")
	ErrFlood = errors.New("tracker: too many messages against the rules")
)

// smallFrame is what rows of a frame take at most, unless there is a place for a
// long one: forty usual rows.
const smallFrame = 16 << 10

// longestPause is how long a stream is not read that asks too much: short enough
// that the refusal of one request does not hold up the next for long.
const longestPause = time.Second

// serving is one stream that is served. It belongs to the goroutine of Serve,
// but for what the writer and the actor may use of it.
type serving struct {
	tracker *Tracker
	stream  Stream
	peer    peer.ID
	origin  netip.Addr
	news    *actor.Slot[[]wire.Notify] // from the actor, to the writer

	in     metered
	frame  []byte // reused
	writer *writer
}

// metered counts what is read.
type metered struct {
	from io.Reader
	read int
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	m.read += n
	return n, err
}

// take returns how much was read since the last call.
func (m *metered) take() int {
	n := m.read
	m.read = 0
	return n
}

// Serve answers the requests of a stream in its goroutine. It returns nil when the
// stream has ended in order or was idle, and an error when it is to be reset. It
// returns when ctx ends as soon as the stream's Read does.
func (t *Tracker) Serve(ctx context.Context, s Stream) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := &serving{
		tracker: t, stream: s, peer: s.Peer(), origin: observed(s.Remote()), news: actor.NewSlot[[]wire.Notify](),
		in: metered{from: s},
	}
	defer v.leave(ctx)
	admitted, err := actor.Ask(ctx, t.inbox, func(reply chan<- bool) request {
		return opened{v, v.peer, v.origin, reply}
	})
	if err == nil && !admitted {
		err = ErrBusy
	}
	if err == nil {
		err = v.read(ctx)
	}
	cancel()
	return v.finish(err)
}

// leave tells the actor, also when it is not known whether it was told of the
// stream at all.
func (v *serving) leave(ctx context.Context) {
	_ = v.tracker.inbox.Send(context.WithoutCancel(ctx), closed{v}) // Fails only when the actor has ended.
}

// finish waits for the writer.
func (v *serving) finish(err error) error {
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if v.writer == nil {
		return err
	}
	if err != nil {
		v.stream.Reset()
	}
	<-v.writer.ended
	return err
}

// read reads and answers until the end of the stream, which it returns.
func (v *serving) read(ctx context.Context) error {
	v.stream.SetIdle(wire.Idle)
	messages := wire.NewReader(&v.in, wire.Client)
	for {
		m, err := messages.Next()
		if err == nil {
			err = v.answer(ctx, m)
		} else {
			err = v.wrong(ctx, err)
		}
		if err != nil {
			return err
		}
	}
}

// wrong counts and refuses what is against the rules. It returns an error at the
// end of the stream.
func (v *serving) wrong(ctx context.Context, err error) error {
	var message *wire.MessageError
	var frame *wire.FrameError
	switch {
	case errors.As(err, &message):
		return v.refuseMessage(ctx, message)
	case errors.As(err, &frame):
		_, _ = v.blame(ctx, wire.FrameFault(frame)) // Fails only at the end of the actor or the stream.
		return err
	case isTimeout(err):
		return io.EOF
	}
	return err
}

// isTimeout tells whether nothing has come for as long as the stream may be idle.
func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

func (v *serving) blame(ctx context.Context, f wire.Fault) (Verdict, error) {
	return v.ask(ctx, func(reply chan<- Verdict) request { return faulted{v, f, v.in.take(), reply} })
}

// refuseMessage refuses a message that does not follow the rules, if it can be
// told which. One peer that sends little else is not listened to.
func (v *serving) refuseMessage(ctx context.Context, e *wire.MessageError) error {
	verdict, err := v.blame(ctx, e.Fault)
	switch {
	case err != nil:
		return err
	case verdict.Refusal != Accepted:
		return ErrFlood
	case e.ID == 0:
		return nil
	}
	invalid := &wire.Refusal{Code: wire.CodeInvalid}
	switch e.Kind {
	case wire.KindAnnounce, wire.KindTouch, wire.KindSubscribe:
		return v.receipt(ctx, e.ID, invalid)
	case wire.KindQuery:
		return v.write(ctx, &wire.Reply{ID: e.ID, Refusal: invalid})
	case wire.KindGetTrackers:
		return v.write(ctx, &wire.Trackers{ID: e.ID, Refusal: invalid})
	}
	return nil
}

// ask asks the actor for a verdict.
func (v *serving) ask(ctx context.Context, build func(reply chan<- Verdict) request) (Verdict, error) {
	return actor.Ask(ctx, v.tracker.inbox, build)
}

// pause waits with reading on, after a refusal because of a rate.
func (v *serving) pause(ctx context.Context, verdict Verdict) error {
	if verdict.After == 0 {
		return nil
	}
	timer := time.NewTimer(min(verdict.After, longestPause))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-v.tracker.loop.Ending():
		return actor.ErrClosed
	}
}

// receipt answers a request about one thing.
func (v *serving) receipt(ctx context.Context, id wire.RequestID, refusal *wire.Refusal) error {
	r := &wire.Receipt{ID: id}
	if refusal != nil {
		r.Refusals = []wire.Refusal{*refusal}
	}
	return v.write(ctx, r)
}

// write writes a message, through the writer once there is one.
func (v *serving) write(ctx context.Context, m wire.Message) error {
	frame, err := wire.AppendFrame(v.frame[:0], m)
	if err != nil {
		return err
	}
	if cap(frame) <= smallFrame {
		v.frame = frame
	}
	if v.writer != nil {
		return v.writer.write(ctx, frame)
	}
	_, err = v.stream.Write(frame)
	return err
}
