package network

import (
	"context"
	"errors"
	"time"

	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/message"
)

// inbound is a stream that a peer opened. We read it until its end and never
// write on it: each side writes only on streams of its own.
type inbound struct {
	n      *Network
	stream p2pnet.Stream
	peer   peer.ID
	ctx    context.Context
	cancel context.CancelFunc
	share  *allowance
	wire   wire
}

// open begins the reading of a stream, in the goroutine that libp2p gave it. It
// reports false when the stream was refused. close must be called after it.
func (n *Network) open(st p2pnet.Stream) (*inbound, bool) {
	in := &inbound{n: n, stream: st, peer: st.Conn().RemotePeer()}
	in.ctx, in.cancel = context.WithCancel(n.life.ctx)
	in.wire = wire{ctx: in.ctx, stream: st, cfg: &n.cfg, idle: noNews, arrived: noBytes}
	evicted, ok := n.budget.admit(in, n.cfg.InboundStreams, time.Now())
	for _, idle := range evicted {
		idle.end()
	}
	refused := len(evicted)
	if !ok {
		refused++
	}
	if refused > 0 {
		n.count.streamsRefused.Add(uint64(refused))
		n.fault(in.peer, message.FaultFlood, refused)
	}
	if !ok || n.life.ctx.Err() != nil {
		in.cancel()
	}
	return in, ok
}

func noNews() error { return nil }

func noBytes(int, time.Time) {}

// end makes the reader of the stream end soon. It does not block.
func (in *inbound) end() {
	in.cancel()
	_ = in.stream.SetDeadline(longAgo) // A stream that has no deadlines any more has ended.
}

// welcome reports whether streams of the connection are read at all.
func (n *Network) welcome(c p2pnet.Conn) bool {
	return (n.cfg.AllowLimited || !c.Stat().Limited) && !n.strikes.refused(c.RemotePeer(), time.Now())
}

// serve runs read for a stream between its admission and its end, and ends the
// stream according to the outcome. It is called in a goroutine of libp2p's, which
// would take the process with it.
func (n *Network) serve(st p2pnet.Stream, read func(in *inbound) error) {
	if !n.life.enter() {
		_ = st.Reset()
		return
	}
	defer n.life.leave()
	_ = n.life.guard("reader", func() { n.run(st, read) })
}

func (n *Network) run(st p2pnet.Stream, read func(in *inbound) error) {
	if !n.welcome(st.Conn()) {
		n.count.streamsRefused.Add(1)
		_ = st.Reset()
		return
	}
	in, ok := n.open(st)
	if !ok {
		_ = st.Reset()
		return
	}
	defer in.cancel()
	n.count.streamsAccepted.Add(1)
	err := actor.Guard("reader", n.panicked, func() error { return read(in) })
	n.budget.dismiss(in)
	in.finish(err)
}

// finish ends the stream: politely after its end, by a reset after anything
// else.
func (in *inbound) finish(err error) {
	if err == nil || isEOF(err) {
		_ = in.stream.Close()
		return
	}
	_ = in.stream.Reset()
	in.n.log.Debug("inbound stream ended", zap.Stringer("peer", in.peer), zap.Error(err))
	var broken *actor.PanicError
	if errors.As(err, &broken) {
		// The bug is ours, but who knows how to set it off shall not do so for ever.
		in.n.Strike(in.peer, message.FaultProtobuf, 1)
	}
	if f := in.blame(err); f != 0 {
		in.n.fault(in.peer, f, 1)
	}
}

// blame returns the fault of the peer in the end of a stream, or zero: a stream
// that we ended, or that was cut together with its connection, is none.
func (in *inbound) blame(err error) message.Fault {
	var frame *message.FrameError
	if in.ctx.Err() != nil || !errors.As(err, &frame) {
		return 0
	}
	// Streams may hear of the end of their connection before it says that it is closed.
	ended := errors.As(err, new(*p2pnet.ConnError)) || in.stream.Conn().IsClosed()
	if frame.Fault == message.FaultFrameCut && ended {
		return 0
	}
	return frame.Fault
}

// accept reads a stream of a Bitswap protocol.
func (n *Network) accept(st p2pnet.Stream) {
	n.serve(st, func(in *inbound) error {
		version := n.protocols.versions[st.Protocol()]
		m, generation, ok := n.peers.join(in.peer, version)
		if !ok {
			n.count.streamsRefused.Add(1)
			return errCrowded
		}
		defer n.peers.leave(m)
		return newReader(in, m, version, generation).run()
	})
}
