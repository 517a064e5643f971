package network

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
	msmux "github.com/multiformats/go-multistream"

	"github.com/souk-p2p/souk/internal/frames"
)

// readAhead is how many bytes are read at once where no frame has begun, so that
// little is held of streams that wait. They are not taken from the budget.
const readAhead = 512

// Duplex is a stream of another protocol on which both sides write when they
// like. What they write is frames: an unsigned varint with the length, and so
// many bytes. Its length may be up to the bytes that a peer may have received at
// a time; the reader of the frames has limits of its own.
//
// One goroutine at a time reads and one writes. The rest may be called from any.
type Duplex struct {
	n      *Network
	stream p2pnet.Stream
	end    func() // that of ctx
	over   atomic.Bool
	wire   *wire
	share  *allowance

	frame framing
	got   int // bytes of the frame, as far as read
	taken int // from the budget for it

	opening *opening // nil on a stream that the peer opened
}

// opening is what a stream has that we opened.
type opening struct {
	conn   msmux.LazyConn // the stream, negotiated along with the first write
	agreed atomic.Bool    // the peer speaks the protocol
	keep   func() bool    // keeps the end of ctx from resetting the stream
}

// HandleDuplex registers who serves the streams of another protocol. Sink runs in
// the goroutine of the stream, which ends with it: in order when it returns nil
// or [io.EOF], with a reset after anything else. The context ends with the stream
// or the network. The streams count towards the caps and budgets of their peer.
// They come from the start of the network to its stop, or to [Network.Unhandle]. The
// error is [ErrHandled] or [ErrClosed].
func (n *Network) HandleDuplex(id protocol.ID, sink func(ctx context.Context, d *Duplex) error) error {
	return n.handle(id, func(in *inbound) error {
		return sink(in.ctx, &Duplex{
			n: n, stream: in.stream, end: in.cancel, wire: &in.wire, share: in.share, frame: n.framing(),
		})
	})
}

// OpenDuplex opens a stream of another protocol to a peer, and connects to it
// when it has to. The protocol is negotiated along with the first write, so on a
// connection that is there it waits for nothing; when the peer does not speak it,
// Read says so. Ctx is for the opening alone. The caller ends the stream with
// [Duplex.Close] or [Duplex.Reset]. It returns a [*SendError].
func (n *Network) OpenDuplex(ctx context.Context, to peer.AddrInfo, id protocol.ID) (*Duplex, error) {
	if !n.life.enter() {
		return nil, &SendError{Peer: to.ID, Err: ErrClosed}
	}
	defer n.life.leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(n.life.ctx, func() { cancel(ErrClosed) })()
	if err := n.Connect(ctx, to); err != nil {
		return nil, err
	}
	d, err := n.openDuplex(ctx, to.ID, id)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, &SendError{Peer: to.ID, Err: err}
	}
	return d, nil
}

func (n *Network) openDuplex(ctx context.Context, p peer.ID, id protocol.ID) (*Duplex, error) {
	open, cancel := n.streamContext(ctx)
	defer cancel()
	st, err := n.cfg.Host.Network().NewStream(open, p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
	if err := st.SetProtocol(id); err != nil {
		_ = st.Reset()
		return nil, fmt.Errorf("%w: %w", ErrReset, err)
	}
	return n.opened(st, id), nil
}

// opened makes a duplex of a fresh stream of ours. It is counted like a goroutine:
// the end of the network resets it and waits for that.
func (n *Network) opened(st p2pnet.Stream, id protocol.ID) *Duplex {
	n.life.wg.Add(1)
	ctx, end := context.WithCancel(n.life.ctx)
	share := n.budget.lend(ctx, st.Conn().RemotePeer())
	o := &opening{conn: msmux.NewMSSelect(guarded{st, n}, id)}
	o.keep = context.AfterFunc(ctx, func() {
		defer n.life.leave()
		n.budget.settle(share)
		_ = n.life.guard("streams", func() { _ = st.Reset() })
	})
	return &Duplex{
		n: n, stream: st, end: end, share: share, frame: n.framing(), opening: o,
		wire: &wire{ctx: ctx, stream: lazily{st, o.conn}, cfg: &n.cfg, idle: noNews, arrived: noBytes},
	}
}

// lazily is a stream that is read and written through its negotiation.
type lazily struct {
	p2pnet.Stream
	conn msmux.LazyConn
}

func (l lazily) Read(b []byte) (int, error)  { return l.conn.Read(b) }
func (l lazily) Write(b []byte) (int, error) { return l.conn.Write(b) }

func (n *Network) framing() framing { return framing{limit: n.cfg.ReceivePeer} }

// Peer returns who is at the other end.
func (d *Duplex) Peer() peer.ID { return d.stream.Conn().RemotePeer() }

// Remote returns the address of the peer as it is seen on the connection.
func (d *Duplex) Remote() multiaddr.Multiaddr { return d.stream.Conn().RemoteMultiaddr() }

// Read reads what the peer writes, at most to the end of a frame that has begun.
// It blocks between frames as long as [Duplex.SetIdle] says, and within one as
// long as its size may take and there is room in the budgets of the peer; what a
// frame takes of those is given back with the first read behind it.
//
// It returns io.EOF when the peer has ended its side. A [*message.FrameError] says
// that the peer broke the rules of frames, which a sink returns to have the peer
// blamed for it; other errors are [ErrIdle], [ErrReset], [ErrClosed] and, for a
// peer that does not speak the protocol, [ErrNotConnected].
func (d *Duplex) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := d.agree(); err != nil {
		return 0, d.ended(err)
	}
	p, err := d.room(p)
	if err != nil {
		return 0, err
	}
	n, err := d.wire.Read(p)
	for n == 0 && isTimeout(err) && d.wire.woken(time.Now()) {
		n, err = d.wire.Read(p)
	}
	if err := d.follow(p[:n]); err != nil {
		return 0, err
	}
	return n, d.ended(err)
}

// agree waits for the peer to say that it speaks the protocol, on a stream that
// we opened. A deadline that passes before that ends the stream, so Read does
// not set one of its own until then.
func (d *Duplex) agree() error {
	o := d.opening
	if o == nil || o.agreed.Load() {
		return nil
	}
	if err := d.stream.SetReadDeadline(time.Now().Add(d.n.cfg.OpenTime)); err != nil {
		return err
	}
	d.wire.armed = longAgo // which makes the next read set it anew
	if _, err := o.conn.Read(nil); err != nil {
		return unexpected(err)
	}
	o.agreed.Store(true)
	return nil
}

// room returns as much of p as may be read now, and takes it from the budget in
// a frame.
func (d *Duplex) room(p []byte) ([]byte, error) {
	if d.frame.left == 0 {
		if d.taken > 0 {
			d.share.close()
			d.taken = 0
		}
		return p[:min(len(p), readAhead)], nil
	}
	p = p[:min(len(p), d.frame.left)]
	if more := d.got + len(p) - d.taken; more > 0 {
		if err := d.share.take(more); err != nil {
			return nil, err
		}
		d.taken += more
	}
	if d.wire.ctx.Err() != nil {
		d.share.close() // It may have been given back before it was taken.
		return nil, d.cause()
	}
	return p, nil
}

// follow follows the frames in what was read, and their clock.
func (d *Duplex) follow(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	before := d.frame
	if err := d.frame.pass(b); err != nil {
		return frameFault(err)
	}
	switch f := &d.frame; {
	case !f.inside():
		d.wire.FrameEnds()
		d.got = 0
	case f.frames != before.frames || !before.inside():
		d.wire.FrameBegins(f.left)
		d.got = f.size.Value - f.left
	case before.left == 0: // Its length is known since now.
		d.wire.FrameGrows(f.left)
		d.got = f.size.Value - f.left
	default:
		d.got += len(b)
	}
	return nil
}

// ended says why nothing more can be read.
func (d *Duplex) ended(err error) error {
	switch {
	case err == nil:
		return nil
	case d.wire.ctx.Err() != nil:
		return d.cause()
	case d.frame.inside() && (isTimeout(err) || isEOF(err)):
		return frameFault(unexpected(err))
	case isEOF(err):
		return err
	case isTimeout(err) && (d.opening == nil || d.opening.agreed.Load()):
		return fmt.Errorf("%w: %w", ErrIdle, err)
	case isUnsupported(err):
		return fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
	return sendCause(err)
}

// isUnsupported reports whether err says that the peer does not speak the
// protocol. Its answer may come too late: what was written along with the question
// looks to the peer like another, for which it resets the stream.
func isUnsupported(err error) bool {
	var reset *p2pnet.StreamError
	return errors.Is(err, msmux.ErrNotSupported[protocol.ID]{}) ||
		errors.As(err, &reset) && reset.ErrorCode == p2pnet.StreamProtocolNegotiationFailed
}

// cause says why we have ended the stream.
func (d *Duplex) cause() error {
	if d.n.life.ctx.Err() != nil {
		return ErrClosed
	}
	return fmt.Errorf("%w: by ourselves", ErrReset)
}

// Write writes one frame or several, and blocks until the stream has taken them,
// or longer than they may take. After an error, [ErrSlow], [ErrReset] or
// [ErrClosed], the stream has lost its meaning: reset it.
func (d *Duplex) Write(frame []byte) (int, error) {
	if err := d.stream.SetWriteDeadline(time.Now().Add(d.n.cfg.allowance(len(frame)))); err != nil {
		return 0, d.unwritten(err)
	}
	if d.wire.ctx.Err() != nil { // Then the deadline may have replaced the one that ends the stream.
		return 0, d.cause()
	}
	n, err := d.wire.stream.Write(frame)
	return n, d.unwritten(err)
}

func (d *Duplex) unwritten(err error) error {
	switch {
	case err == nil:
		return nil
	case d.wire.ctx.Err() != nil:
		return d.cause()
	}
	return sendCause(err)
}

// SetIdle says how long Read may wait between two frames from now on, also the
// one that is waiting; zero is for ever, as it is in the beginning.
func (d *Duplex) SetIdle(t time.Duration) {
	d.wire.patience.Store(int64(t))
	if d.opening == nil || d.opening.agreed.Load() {
		d.wire.wake()
	}
}

// CloseWrite says that we write nothing more; Read goes on. It may block as long
// as the connection does.
func (d *Duplex) CloseWrite() error { return d.stream.CloseWrite() }

// Close ends the stream in order: what was written arrives, what comes is not
// read. It may block as long as the connection does.
func (d *Duplex) Close() error {
	if d.over.Swap(true) {
		return nil
	}
	if o := d.opening; o != nil && o.keep() {
		d.n.budget.settle(d.share)
		defer d.n.life.leave()
	}
	d.end()
	return d.stream.Close()
}

// Reset ends the stream at once, at both ends. After Close it does nothing.
func (d *Duplex) Reset() {
	if !d.over.Swap(true) {
		d.end()
		_ = d.stream.Reset()
	}
}

// framing follows the frames in a stream of bytes.
type framing struct {
	limit  int
	size   frames.Length // of the frame
	left   int           // bytes of it that are to come, once its length is known
	frames uint64        // that have begun
}

// inside reports whether a frame has begun and not ended.
func (f *framing) inside() bool { return f.left > 0 || f.size.Begun() }

// pass takes the next bytes.
func (f *framing) pass(b []byte) error {
	for len(b) > 0 {
		if f.left > 0 {
			n := min(len(b), f.left)
			f.left, b = f.left-n, b[n:]
			if f.left == 0 {
				f.size = frames.Length{}
			}
			continue
		}
		if !f.size.Begun() {
			f.frames++
		}
		whole, err := f.size.Add(b[0], f.limit)
		if err != nil {
			return err
		}
		b = b[1:]
		if whole {
			f.left = f.size.Value
		}
		if whole && f.left == 0 {
			f.size = frames.Length{}
		}
	}
	return nil
}
