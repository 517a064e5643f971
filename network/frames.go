package network

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	msmux "github.com/multiformats/go-multistream"

	"github.com/souk-p2p/souk/internal/frames"
	"github.com/souk-p2p/souk/message"
)

// FrameSink answers a request that came in a frame. It owns the frame, and may
// block; the context ends with the stream or the network. An error resets the
// stream.
type FrameSink func(ctx context.Context, from peer.ID, frame []byte) (reply []byte, err error)

// Handle registers who answers the requests of another protocol, whose streams
// carry one request and one reply, each in a frame: an unsigned varint with the
// length, and the bytes. Requests over maxFrame bytes are refused before they
// are read. The streams count towards the caps and budgets of their peer.
// Requests come from the start of the network to its stop, or to [Network.Unhandle].
// The error is [ErrHandled] or [ErrClosed].
func (n *Network) Handle(id protocol.ID, maxFrame int, sink FrameSink) error {
	return n.handle(id, func(in *inbound) error { return in.answer(maxFrame, sink) })
}

// answer reads the request of a stream and writes the reply.
func (in *inbound) answer(maxFrame int, sink FrameSink) error {
	// Between frames of Bitswap a peer may be silent; here nothing but the
	// request is waited for.
	in.wire.FrameBegins(maxFrame)
	frame, err := frames.Read(bufio.NewReader(&in.wire), maxFrame, in.share.take)
	if err != nil {
		return frameFault(err)
	}
	in.wire.FrameEnds()
	reply, err := sink(in.ctx, in.peer, frame)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if err := in.stream.SetWriteDeadline(time.Now().Add(in.n.cfg.allowance(len(reply)))); err != nil {
		return err
	}
	if in.ctx.Err() != nil { // Then the deadline has replaced the one that ends the stream.
		return in.ctx.Err()
	}
	_, err = in.stream.Write(frames.Append(nil, reply))
	return err
}

// frameFault puts the blame for a frame that could not be read.
func frameFault(err error) error {
	switch {
	case isTimeout(err):
		return &message.FrameError{Fault: message.FaultFrameSlow, Err: err}
	case errors.Is(err, ErrTooLarge), errors.Is(err, frames.ErrNotMinimal):
		return &message.FrameError{Fault: message.FaultFrameLength, Err: err}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &message.FrameError{Fault: message.FaultFrameCut, Err: err}
	}
	return err
}

// Request sends one frame to a peer on a stream of the given protocol and waits
// for the reply, which may have maxReply bytes. It connects to the peer when it
// has to. It blocks until ctx ends, or longer than a frame may take. It returns
// a [*SendError].
func (n *Network) Request(ctx context.Context, p peer.ID, id protocol.ID, frame []byte, maxReply int) ([]byte, error) {
	if !n.life.enter() {
		return nil, &SendError{Peer: p, Err: ErrClosed}
	}
	defer n.life.leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(n.life.ctx, func() { cancel(ErrClosed) })()
	if err := n.Connect(ctx, peer.AddrInfo{ID: p}); err != nil {
		return nil, err
	}
	reply, err := n.request(ctx, p, id, frame, maxReply)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, &SendError{Peer: p, Err: err}
	}
	return reply, nil
}

func (n *Network) request(ctx context.Context, p peer.ID, id protocol.ID, frame []byte, maxReply int) ([]byte, error) {
	open, cancel := n.streamContext(ctx)
	defer cancel()
	st, err := n.cfg.Host.Network().NewStream(open, p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
	defer func() { _ = st.Reset() }() // Does nothing after the orderly end.
	cut := func() { _ = st.SetDeadline(longAgo) }
	defer context.AfterFunc(ctx, func() { _ = n.life.guard("streams", cut) })()
	reply, err := n.exchange(st, id, frame, maxReply)
	switch {
	case err == nil:
		return reply, st.Close()
	case errors.Is(err, msmux.ErrNotSupported[protocol.ID]{}):
		return nil, fmt.Errorf("%w: %w", ErrNotConnected, err)
	case errors.Is(err, ErrTooLarge):
		return nil, err
	}
	return nil, sendCause(err)
}

// exchange writes a request on a fresh stream and reads the reply.
func (n *Network) exchange(st p2pnet.Stream, id protocol.ID, frame []byte, maxReply int) ([]byte, error) {
	if err := st.SetProtocol(id); err != nil {
		return nil, err
	}
	if err := st.SetDeadline(time.Now().Add(n.cfg.allowance(len(frame) + maxReply))); err != nil {
		return nil, err
	}
	conn := msmux.NewMSSelect(guarded{st, n}, id)
	if _, err := conn.Write(frames.Append(nil, frame)); err != nil {
		return nil, err
	}
	if err := st.CloseWrite(); err != nil {
		return nil, err
	}
	return frames.Read(bufio.NewReader(conn), maxReply, nil)
}

func unexpected(err error) error {
	if isEOF(err) {
		return io.ErrUnexpectedEOF
	}
	return err
}
