// Package sim runs whole nodes over a simulated packet network in virtual time.
//
// A [World] has real libp2p hosts that speak QUIC over links with latency and
// bandwidth. It lives inside a testing/synctest bubble: a fetch that takes a
// minute on the link costs what its packets cost to compute.
//
// Runs differ by a few per cent, because the order of goroutines does and the
// network hashes flows with a seed of its own.
package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/marcopolo/simnet"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// patience is how long, in virtual time, a verb may take before it failed.
const patience = 15 * time.Minute

// World is a network and its nodes. Its verbs keep the first failure: those
// after it do nothing, and [World.End] reports it.
type World struct {
	t     testing.TB
	net   *simnet.Simnet
	ctx   context.Context
	end   context.CancelFunc
	nodes []*Node
	begun time.Time

	closers []io.Closer // of the hosts' QUIC

	mu       sync.Mutex // the network routes while nodes are added, and verbs may run side by side
	err      error
	links    map[[4]byte]Link
	chance   *rand.Rand // which packets are lost
	arrivals map[*Node]arrivals
}

// Node is a host with an exchange.
type Node struct {
	host.Host
	Exchange exchanges.Exchange
	Link     Link

	ip    net.IP
	brake *brake
}

// Run plays a scenario in a world of its own, inside a bubble of its own.
func Run(t *testing.T, scenario func(w *World)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t)
		defer w.End()
		scenario(w)
	})
}

// NewWorld returns a network without nodes. It has to be called inside a
// synctest bubble, and [World.End] at the end of it. [Run] does both.
func NewWorld(t testing.TB) *World {
	w := &World{t: t, links: make(map[[4]byte]Link), arrivals: make(map[*Node]arrivals)}
	w.chance = rand.New(rand.NewPCG(1, 2)) // the same packets every time, as far as they are the same
	w.ctx, w.end = context.WithCancel(context.Background())
	w.net = &simnet.Simnet{LatencyFunc: w.latency, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	w.net.Start()
	return w
}

// Node adds a node of the given make. Its identity follows from the number of
// nodes before it.
func (w *World) Node(m exchanges.Make, l Link, opts ...exchanges.Option) *Node {
	n := w.Host(l)
	w.Open(n, m, opts...)
	return n
}

// Host adds a node that has no exchange yet.
func (w *World) Host(l Link) *Node { return w.add(simnet.IntToPublicIPv4(len(w.nodes)), l) }

// Beside adds a node without an exchange behind the address of another, as if
// both were behind one router: it has the same IP, another port, and a link of its
// own with the same round trip.
func (w *World) Beside(o *Node, bandwidth int) *Node {
	return w.add(o.ip, Link{RoundTrip: o.Link.RoundTrip, Bandwidth: bandwidth})
}

func (w *World) add(ip net.IP, l Link) *Node {
	n := &Node{Link: l, ip: ip, brake: new(brake)}
	w.do(func() (err error) {
		if n.Host, err = w.host(n); err != nil {
			return fmt.Errorf("host %d: %w", len(w.nodes), err)
		}
		w.nodes = append(w.nodes, n)
		return nil
	})
	return n
}

// Open starts an exchange at a node, whose connections may be older.
func (w *World) Open(n *Node, m exchanges.Make, opts ...exchanges.Option) {
	w.do(func() (err error) {
		n.Exchange, err = exchanges.New(m, n.Host, opts...)
		return err
	})
}

// Nodes adds count nodes of one make.
func (w *World) Nodes(count int, m exchanges.Make, l Link, opts ...exchanges.Option) []*Node {
	nodes := make([]*Node, count)
	for i := range nodes {
		nodes[i] = w.Node(m, l, opts...)
	}
	return nodes
}

// firstPort is that of the first node. The others count up, so that no two nodes
// at one address have the same.
const firstPort = 8000

func (w *World) host(n *Node) (host.Host, error) {
	var seed [32]byte
	seed[0], seed[1] = byte(len(w.nodes)), byte(len(w.nodes)>>8)
	key, _, err := crypto.GenerateEd25519Key(rand.NewChaCha8(seed))
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.links[[4]byte(n.ip.To4())] = n.Link
	w.mu.Unlock()
	return libp2p.New(
		libp2p.Identity(key),
		libp2p.ListenAddrStrings(fmt.Sprintf("/ip4/%s/udp/%d/quic-v1", n.ip, firstPort+len(w.nodes))),
		libp2p.Transport(libp2pquic.NewTransport),
		quicOver(w.net, n, func(c io.Closer) { w.closers = append(w.closers, c) }),
		libp2p.DisableIdentifyAddressDiscovery(), // never idle, so that virtual time would stand still
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
	)
}

// Do runs a verb of the caller's unless one before it failed.
func (w *World) Do(verb func() error) { w.do(verb) }

// Check makes assertions, unless a verb before it failed.
func (w *World) Check(assert func(t require.TestingT)) {
	w.do(func() error { assert(w.t); return nil })
}

// Try is [World.Do] for a verb that may block: its context ends when that has
// taken too long.
func (w *World) Try(verb func(ctx context.Context) error) {
	w.do(func() error {
		ctx, cancel := w.limit()
		defer cancel()
		return verb(ctx)
	})
}

// do runs a verb unless one before it failed.
func (w *World) do(verb func() error) {
	if w.failed() != nil {
		return
	}
	if err := verb(); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.err == nil {
			w.err = err
		}
	}
}

func (w *World) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// limit returns a context for one verb.
func (w *World) limit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(w.ctx, patience)
}

// Shut closes the exchange of a node and leaves its host as it is.
func (w *World) Shut(n *Node) {
	w.do(func() error {
		x := n.Exchange
		n.Exchange = nil
		return x.Close()
	})
}

// Close stops one node, as if its process ended.
func (w *World) Close(n *Node) {
	w.do(func() error { return errors.Join(n.Exchange.Close(), n.Host.Close()) })
}

// End stops everything and fails the test with the first failure, and with what
// an exchange reports when it closes. Goroutines that are left are reported by
// the bubble.
func (w *World) End() {
	w.t.Helper()
	failed := w.failed()
	w.end()
	for i, n := range w.nodes {
		if n.Exchange != nil {
			if err := n.Exchange.Close(); err != nil {
				failed = errors.Join(failed, fmt.Errorf("node %d: %w", i, err))
			}
		}
		_ = n.Host.Close()
	}
	for _, c := range w.closers {
		_ = c.Close()
	}
	time.Sleep(time.Minute) // streams and connections linger up to their own deadlines
	w.net.Close()
	require.NoError(w.t, failed)
}

// IDs are the peer ids of the nodes.
func IDs(nodes []*Node) []peer.ID {
	list := make([]peer.ID, len(nodes))
	for i, n := range nodes {
		list[i] = n.ID()
	}
	return list
}
