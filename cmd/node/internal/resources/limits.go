package resources

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"

	"github.com/souk-p2p/souk/network"
)

const (
	// DefaultHigh is how many connections a node keeps unless it is told otherwise: as
	// many as have room for their streams in less than a GiB.
	DefaultHigh = 512
	// MostHigh is for how many connections with their sockets a process can have files.
	MostHigh = 65536
	// LeastHigh leaves room for peers beside trackers and relays.
	LeastHigh = 16
)

const (
	// peerStreams are the streams of Bitswap that one peer may open.
	peerStreams = network.MostInboundStreams
	// connStreams are for each connection in each direction: control and data.
	connStreams = 2
	// burstStreams are for what is opened beyond that: 128 boxo servers that send at
	// once, from 8 workers each, a stream for each message.
	burstStreams = 1024
	// otherStreams are those of a peer for all else: each protocol of libp2p's own
	// allows at most 16 of them.
	otherStreams = 64
	// answerStreams are those that we open to a peer: one for each kind of traffic,
	// and those before them that the peer has not closed yet.
	answerStreams = 64
	// peerConns are those of one peer: as many as libp2p dials at a time.
	peerConns = 8
)

const (
	// window is what libp2p sets aside for a stream over TCP when it begins.
	window = 256 << 10
	// growth is what windows may grow to beyond that: twice what may be in flight to
	// us, because they do not shrink when somebody else sends.
	growth = 2 * 64 << 20
	// peerMemory is for all streams of a peer, and half of the growth.
	peerMemory = (peerStreams+otherStreams+answerStreams)*window + growth/2
)

// Budget is what a node allows.
type Budget struct {
	// Low and High are numbers of connections: when there are more than High, those
	// that are worth least are closed until there are Low. Zero is the default:
	// DefaultHigh, and three quarters of High.
	Low, High int
	// Bitswap are the protocols of the exchange.
	Bitswap []protocol.ID
	// Others are protocols with bounds of their own.
	Others []Protocol
	// Files is how many files the process may have open; zero is not known.
	Files int
}

// Protocol is one whose streams are bounded.
type Protocol struct {
	ID protocol.ID
	// Streams of all peers, and of one, that they or we may have open.
	Streams, PeerStreams int
}

// WithDefaults fills in what is zero.
func (b Budget) WithDefaults() Budget {
	if b.High == 0 {
		b.High = max(DefaultHigh, b.Low)
	}
	if b.Low == 0 {
		b.Low = b.High - b.High/4
	}
	return b
}

// Check returns an error unless the numbers of connections, which have their
// defaults, can be.
func (b Budget) Check() error {
	switch {
	case b.High < LeastHigh || b.High > MostHigh:
		return fmt.Errorf("%d is not from %d to %d", b.High, LeastHigh, MostHigh)
	case b.Low < 1 || b.Low > b.High:
		return errors.New("the low number is not from 1 to the high one")
	}
	return nil
}

// most is how many connections there may be at all. The manager leaves new ones
// alone for a while, so that there may be as many of them again.
func (b Budget) most() int { return 2 * b.High }

// conns are those in one direction: neither who dials us nor whom we dial has all.
func (b Budget) conns() int { return b.High + b.High/2 }

// handshakes are the connections on which nobody has said yet who it is: a quarter
// of the peers may come back in one moment, as after a restart.
func (b Budget) handshakes() int { return max(b.High/4, 4*LeastHigh) }

// streams are those in one direction.
func (b Budget) streams() int { return connStreams*b.High + burstStreams }

// memory is for the windows of all streams. libp2p lets them grow only while less than
// half of it is taken, so there is twice as much as connections need in turn.
func (b Budget) memory() int64 { return 2 * (2*connStreams*int64(b.High)/2*window + growth) }

// files are what connections may take of those that the process has: the database
// needs the others.
func (b Budget) files() int {
	if b.Files == 0 {
		return b.most()
	}
	return min(b.most(), b.Files/2)
}

// limits are the budget as libp2p writes it.
func (b Budget) limits() rcmgr.ConcreteLimitConfig {
	limits := rcmgr.PartialLimitConfig{
		System:       both(b.streams(), b.conns(), b.most(), b.files(), b.memory()),
		Transient:    both(burstStreams, b.handshakes(), b.handshakes(), b.handshakes(), peerMemory),
		PeerDefault:  both(peerStreams+otherStreams, peerConns, peerConns, peerConns, peerMemory),
		Conn:         rcmgr.ResourceLimits{Memory: peerMemory},
		Protocol:     make(map[protocol.ID]rcmgr.ResourceLimits),
		ProtocolPeer: make(map[protocol.ID]rcmgr.ResourceLimits),
		Service:      map[string]rcmgr.ResourceLimits{identify.ServiceName: streams(b.High, b.High, peerMemory)},
	}
	for _, id := range b.Bitswap {
		limits.Protocol[id] = streams(b.streams(), b.streams(), b.memory())
		limits.ProtocolPeer[id] = streams(peerStreams, answerStreams, peerMemory)
	}
	for _, p := range b.Others {
		limits.Protocol[p.ID] = streams(p.Streams, p.Streams, b.memory())
		limits.ProtocolPeer[p.ID] = streams(p.PeerStreams, p.PeerStreams, peerMemory)
	}
	// Who is connected and not identified is no peer of the exchange.
	for _, id := range []protocol.ID{identify.ID, identify.IDPush} {
		limits.Protocol[id] = streams(b.High, b.High, peerMemory)
	}
	return limits.Build(theirs())
}

// theirs are the limits of what is libp2p's own, for a machine of any size: those
// that libp2p has where it may take 1 GiB.
func theirs() rcmgr.ConcreteLimitConfig {
	limits := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&limits)
	return limits.Scale(1<<30, 0)
}

func both(streamsEach, connsEach, conns, files int, memory int64) rcmgr.ResourceLimits {
	l := streams(streamsEach, streamsEach, memory)
	l.ConnsInbound, l.ConnsOutbound = rcmgr.LimitVal(connsEach), rcmgr.LimitVal(connsEach)
	l.Conns, l.FD = rcmgr.LimitVal(conns), rcmgr.LimitVal(files)
	return l
}

func streams(in, out int, memory int64) rcmgr.ResourceLimits {
	return rcmgr.ResourceLimits{
		StreamsInbound: rcmgr.LimitVal(in), StreamsOutbound: rcmgr.LimitVal(out), Streams: rcmgr.LimitVal(in + out),
		Memory: rcmgr.LimitVal64(memory),
	}
}
