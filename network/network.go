package network

import (
	"context"
	"fmt"
	"sync"
	"time"

	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/message"
)

// Network is the place of one node on the Bitswap protocols. Its methods may be
// called from any goroutine.
type Network struct {
	cfg       Config
	log       *zap.Logger
	sinks     Sinks
	protocols *protocols
	life      *life
	peers     *roster
	budget    *budget
	strikes   *strikes
	holds     *holds
	events    *events
	count     counters
	bursts    bursts

	mu       sync.Mutex
	started  bool
	handlers map[protocol.ID]handler // of the host, from Start to Stop
	parted   []func(peer.ID)         // told who has disconnected
	moved    chan struct{}           // holds one when our addresses have changed
	stopped  chan struct{}           // closed when Stop has asked everything to end
}

// New returns a network that does nothing yet. It returns a [*ConfigError].
func New(cfg Config) (*Network, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	n := &Network{
		cfg:       cfg,
		log:       cfg.Logger,
		protocols: newProtocols(cfg.ProtocolPrefix, cfg.Versions),
		budget:    newBudget(cfg.ReceiveNode, cfg.ReceivePeer, cfg.FrameTime),
		strikes:   newStrikes(&cfg),
		holds:     newHolds(cfg.Host.ConnManager()),
		handlers:  make(map[protocol.ID]handler),
		moved:     make(chan struct{}, 1),
		stopped:   make(chan struct{}),
	}
	n.life = newLife(n.panicked)
	n.peers = newRoster(n)
	for id := range n.protocols.versions {
		n.handlers[id] = handler{serve: n.accept}
	}
	return n, nil
}

// Watch returns a new follower of peer states. It must be called before
// [Network.Start].
func (n *Network) Watch() *Watch {
	w := newWatch()
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	n.peers.watches = append(n.peers.watches, w)
	return w
}

// OnDisconnect has f told whose last usable connection has closed, whatever
// protocols the peer speaks. It must be called before [Network.Start]. libp2p
// waits for f, so it only notes what it is told, and calls nothing of the network
// or of libp2p.
func (n *Network) OnDisconnect(f func(peer.ID)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.parted = append(n.parted, f)
}

// Moved delivers, to one follower, when the addresses of the host may have
// changed since it last did. It is never closed.
func (n *Network) Moved() <-chan struct{} { return n.moved }

// Start offers the protocols to the host and looks for peers that are connected
// already. The sinks are called from now on, also before it returns.
func (n *Network) Start(s Sinks) error {
	if field := s.missing(); field != "" {
		return fmt.Errorf("network: Sinks.%s is missing", field)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.started || n.life.over() {
		return fmt.Errorf("network: cannot start: %w", ErrClosed)
	}
	events, err := n.follow()
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	n.started, n.sinks, n.events = true, s, events
	for id, h := range n.handlers {
		n.cfg.Host.SetStreamHandler(id, h.serve)
	}
	n.meetConnected()
	return nil
}

// Stop ends all streams and waits for the goroutines of the network, or until
// ctx ends. Messages in hand are reported as failed. Calling it again waits for
// the same end.
func (n *Network) Stop(ctx context.Context) error {
	if n.life.end() {
		for _, step := range []func(){n.withdraw, n.endStreams, n.strikes.close, n.holds.releaseAll} {
			_ = n.life.guard("close", step) // The other steps end what they can.
		}
		close(n.stopped)
	}
	select {
	case <-n.stopped:
	case <-ctx.Done():
		return fmt.Errorf("network has not ended: %w", context.Cause(ctx))
	}
	if err := n.life.wait(ctx); err != nil {
		return fmt.Errorf("network has not ended: %w", err)
	}
	return nil
}

// withdraw takes back what Start and Handle told the host.
func (n *Network) withdraw() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.started {
		return
	}
	for id := range n.handlers {
		n.cfg.Host.RemoveStreamHandler(id)
	}
	n.events.close()
}

// endStreams ends all streams, each in a goroutine: a connection whose peer
// takes no bytes can block the last one.
func (n *Network) endStreams() {
	n.budget.endAll()
	for _, s := range n.peers.close() {
		n.life.wg.Add(1)
		go func() {
			defer n.life.leave()
			_ = n.life.guard("close", s.end)
		}()
	}
}

// Version returns the newest Bitswap version that p and we have, and zero when p
// is not known to speak any.
func (n *Network) Version(p peer.ID) message.Version {
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	if m := n.peers.byID[p]; m != nil {
		return m.versions.newest()
	}
	return 0
}

// Progress returns when the last byte from p was read, inside of a message too.
// It is zero when none was, on the present connections.
func (n *Network) Progress(p peer.ID) time.Time {
	m := n.peers.find(p)
	if m == nil {
		return time.Time{}
	}
	return m.arrival.progress()
}

// Connect makes a connection to a peer unless there is a usable one, and blocks
// until it is there. Relayed connections count only when they are allowed.
func (n *Network) Connect(ctx context.Context, to peer.AddrInfo) error {
	if n.strikes.refused(to.ID, time.Now()) {
		return &SendError{Peer: to.ID, Err: ErrRefused}
	}
	if n.cfg.AllowLimited {
		ctx = p2pnet.WithAllowLimitedConn(ctx, "bitswap")
	} else {
		ctx = p2pnet.WithForceDirectDial(ctx, "bitswap")
	}
	if err := n.cfg.Host.Connect(ctx, to); err != nil {
		return &SendError{Peer: to.ID, Err: fmt.Errorf("%w: %w", ErrNotConnected, err)}
	}
	n.meet(to.ID)
	return nil
}

// streamContext is for opening a stream on a connection that is there.
func (n *Network) streamContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx = p2pnet.WithNoDial(ctx, "bitswap")
	if n.cfg.AllowLimited {
		ctx = p2pnet.WithAllowLimitedConn(ctx, "bitswap")
	}
	return context.WithTimeout(ctx, n.cfg.OpenTime)
}

// fault reports what p did wrong, and refuses the peer when it was too much.
func (n *Network) fault(p peer.ID, f message.Fault, times int) {
	n.sinks.Fault(n.life.ctx, p, f, times)
	n.Strike(p, f, times)
}

// Strike counts a fault of a peer that others have found, towards the limit
// beyond which the peer is refused. It does not report the fault to the sinks,
// and does not block.
func (n *Network) Strike(p peer.ID, f message.Fault, times int) {
	if n.strikes.add(p, f, times, time.Now()) {
		n.refuse(p)
	}
}

// refuse drops a peer for the cool-down.
func (n *Network) refuse(p peer.ID) {
	n.count.refusals.Add(1)
	level := zap.DebugLevel
	if n.strikes.worthWarning(time.Now()) {
		level = zap.WarnLevel
	}
	n.log.Log(level, "peer broke the rules too often and is refused for a while",
		zap.Stringer("peer", p), zap.Duration("for", n.cfg.CoolDown))
	n.peers.refresh(p)
	n.budget.endStreams(p)
	n.life.spawn("close", func() {
		if err := n.cfg.Host.Network().ClosePeer(p); err != nil {
			n.log.Debug("closing a refused peer", zap.Stringer("peer", p), zap.Error(err))
		}
	})
	n.strikes.afterwards(p, func() { _ = n.life.guard("events", func() { n.meet(p) }) })
}

// panicked counts a panic and passes it on.
func (n *Network) panicked(err error) {
	n.count.panics.Add(1)
	if n.cfg.Panicked != nil {
		n.cfg.Panicked(err)
	}
}
