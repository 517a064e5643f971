package sim

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/marcopolo/simnet"
)

// Link is a node's way into the network.
type Link struct {
	RoundTrip time.Duration // between two nodes with this link; half of it is this node's part
	Bandwidth int           // bits per second, each way
	Loss      float64       // how many of the packets that pass it are lost, each way
}

// Ideal is the time in which n bytes pass the link: their serialization and one
// round trip.
func (l Link) Ideal(n int64) time.Duration { return l.Serial(n) + l.RoundTrip }

// Serial is the time that n bytes occupy the link.
func (l Link) Serial(n int64) time.Duration {
	return time.Duration(float64(n) * 8 / float64(l.Bandwidth) * float64(time.Second))
}

// nowhere is where the packets go that are lost: the router drops what it has no
// node for.
var nowhere = &net.UDPAddr{IP: net.IPv4zero.To4()}

// latency is the router: it returns how long a packet is under way, and loses
// some.
func (w *World) latency(p *simnet.Packet) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	from, to := w.links[ipv4(p.From)], w.links[ipv4(p.To)]
	for _, loss := range []float64{from.Loss, to.Loss} {
		if loss > 0 && w.chance.Float64() < loss {
			p.To = nowhere
		}
	}
	return (from.RoundTrip + to.RoundTrip) / 4
}

func ipv4(a net.Addr) (ip [4]byte) {
	if udp, ok := a.(*net.UDPAddr); ok {
		copy(ip[:], udp.IP.To4())
	}
	return ip
}

// Cut takes a node off the network without a word: nothing that it sends or is
// sent arrives any more.
func (w *World) Cut(n *Node) { w.Lossy(n, 1) }

// Lossy makes a node's link lose so many of the packets from now on.
func (w *World) Lossy(n *Node, loss float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.links[[4]byte(n.ip.To4())]
	l.Loss = loss
	w.links[[4]byte(n.ip.To4())] = l
}

// Slow makes a node send at most so many bits a second from now on, as if
// something else had its uplink. What the link has taken already passes as before.
func (w *World) Slow(n *Node, bandwidth int) { n.brake.set(bandwidth) }

// brake holds back what a node sends.
type brake struct {
	mu        sync.Mutex
	bandwidth int       // bits per second; 0 is no limit
	free      time.Time // when what was let go is through
}

func (b *brake) set(bandwidth int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bandwidth = bandwidth
}

// queued is how much a brake keeps before it loses what comes on top: as much as
// the links' own queues bear.
const queued = 100 * time.Millisecond

// hold returns how long n bytes have to wait, and false when there are too many
// before them.
func (b *brake) hold(n int) (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bandwidth == 0 {
		return 0, true
	}
	if now := time.Now(); b.free.Before(now) {
		b.free = now
	}
	if time.Until(b.free) > queued {
		return 0, false
	}
	b.free = b.free.Add(Link{Bandwidth: b.bandwidth}.Serial(int64(n)))
	return time.Until(b.free), true
}

// socket is a node's end of its link.
type socket struct {
	*simnet.SimConn
	brake *brake
}

// WriteTo never blocks for the brake: QUIC writes some packets under a lock, and
// whoever waits for that would stop the virtual time.
func (s *socket) WriteTo(p []byte, to net.Addr) (int, error) {
	wait, fits := s.brake.hold(len(p))
	switch {
	case !fits:
		return len(p), nil
	case wait > 0:
		p := slices.Clone(p)
		time.AfterFunc(wait, func() { _, _ = s.SimConn.WriteTo(p, to) })
		return len(p), nil
	}
	return s.SimConn.WriteTo(p, to)
}

// quicOver makes a host's QUIC use a link of the network instead of the
// machine's sockets. Closing the host does not close what it is made with, which
// closing does.
func quicOver(sim *simnet.Simnet, n *Node, closing func(io.Closer)) libp2p.Option {
	rate := simnet.LinkSettings{BitsPerSecond: n.Link.Bandwidth}
	from := new(source)
	listen := quicreuse.OverrideListenUDP(func(_ string, a *net.UDPAddr) (net.PacketConn, error) {
		from.ip.Store(&a.IP)
		end := sim.NewEndpoint(a, simnet.NodeBiDiLinkSettings{Uplink: rate, Downlink: rate})
		return &socket{SimConn: end, brake: n.brake}, nil
	})
	choose := quicreuse.OverrideSourceIPSelector(func() (quicreuse.SourceIPSelector, error) { return from, nil })
	return libp2p.QUICReuse(noting(closing, quicreuse.NewConnManager), listen, choose)
}

// noting wraps a constructor and passes on what it has made. The keys are types of
// QUIC's, which are not named here.
func noting[R, T any](made func(io.Closer), construct func(R, T, ...quicreuse.Option) (*quicreuse.ConnManager, error)) any {
	return func(reset R, token T, opts ...quicreuse.Option) (*quicreuse.ConnManager, error) {
		m, err := construct(reset, token, opts...)
		if err == nil {
			made(m)
		}
		return m, err
	}
}

// source is the address from which a host dials.
type source struct{ ip atomic.Pointer[net.IP] }

var errNoLink = errors.New("the host does not listen yet")

// PreferredSourceIPForDestination is part of quicreuse.SourceIPSelector.
func (s *source) PreferredSourceIPForDestination(*net.UDPAddr) (net.IP, error) {
	ip := s.ip.Load()
	if ip == nil {
		return nil, errNoLink
	}
	return *ip, nil
}
