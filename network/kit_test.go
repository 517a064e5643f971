package network

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	msmux "github.com/multiformats/go-multistream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/test/eventually"
)

// soon is how long a test waits for what happens at once.
const soon = eventually.Patience

const (
	id120 = protocol.ID("/ipfs/bitswap/1.2.0")
	id110 = protocol.ID("/ipfs/bitswap/1.1.0")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newHost(t testing.TB) host.Host {
	return newHostOn(t, "/ip4/127.0.0.1/tcp/0", libp2p.Transport(tcp.NewTCPTransport))
}

func newQUICHost(t testing.TB) host.Host {
	return newHostOn(t, "/ip4/127.0.0.1/udp/0/quic-v1", libp2p.Transport(libp2pquic.NewTransport))
}

func newHostOn(t testing.TB, listen string, transport libp2p.Option) host.Host {
	t.Helper()
	h, err := libp2p.New(
		libp2p.ListenAddrStrings(listen), transport,
		libp2p.Security(noise.ID, noise.New),
		libp2p.ResourceManager(&p2pnet.NullResourceManager{}),
		libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery(),
	)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	return h
}

func connect(t testing.TB, from, to host.Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	require.NoError(t, from.Connect(ctx, peer.AddrInfo{ID: to.ID(), Addrs: to.Addrs()}))
}

// node is a network that keeps what it hears.
type node struct {
	*Network
	t     testing.TB
	host  host.Host
	watch *Watch

	mu       sync.Mutex
	news     chan struct{} // closed and replaced when anything below changes
	wants    []Wants
	heard    []Heard
	progress []Heard // what said only how much came
	answers  []Answers
	faults   map[message.Fault]int
	states   map[peer.ID]PeerState
	changes  int
}

func newNode(t testing.TB, h host.Host, change ...func(*Config)) *node {
	cfg := Config{Host: h}
	for _, f := range change {
		f(&cfg)
	}
	network, err := New(cfg)
	require.NoError(t, err)
	return &node{
		Network: network, t: t, host: h, watch: network.Watch(),
		news: make(chan struct{}), faults: make(map[message.Fault]int), states: make(map[peer.ID]PeerState),
	}
}

func startNode(t testing.TB, h host.Host, change ...func(*Config)) *node {
	t.Helper()
	n := newNode(t, h, change...)
	n.start(n.sinks())
	return n
}

func (n *node) start(s Sinks) {
	n.t.Helper()
	require.NoError(n.t, n.Start(s))
	ctx, cancel := context.WithCancel(context.Background())
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		n.follow(ctx)
	}()
	n.t.Cleanup(func() {
		n.stop()
		cancel()
		<-followed
	})
}

func (n *node) stop() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	require.NoError(n.t, n.Stop(ctx))
}

func (n *node) follow(ctx context.Context) {
	for {
		select {
		case <-n.watch.C():
			for _, s := range n.watch.Take() {
				n.note(func() { n.states[s.Peer] = s; n.changes++ })
			}
		case <-ctx.Done():
			return
		}
	}
}

func (n *node) note(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	close(n.news)
	n.news = make(chan struct{})
}

func (n *node) sinks() Sinks {
	return Sinks{
		Wants: func(_ context.Context, w Wants) error {
			n.note(func() { n.wants = append(n.wants, w) })
			return nil
		},
		Heard: func(_ context.Context, h Heard) error {
			n.note(func() {
				if len(h.Blocks)+len(h.Haves)+len(h.DontHaves) == 0 {
					n.progress = append(n.progress, h)
				} else {
					n.heard = append(n.heard, h)
				}
			})
			return nil
		},
		Answers: func(_ context.Context, a Answers) error {
			n.note(func() { n.answers = append(n.answers, a) })
			a.Release()
			return nil
		},
		Fault: func(_ context.Context, _ peer.ID, f message.Fault, times int) {
			n.note(func() { n.faults[f] += times })
		},
	}
}

// until waits until the condition, which runs under the lock, is true.
func (n *node) until(what string, condition func() bool) {
	n.t.Helper()
	late := time.After(soon)
	for {
		n.mu.Lock()
		met, news := condition(), n.news
		n.mu.Unlock()
		if met {
			return
		}
		select {
		case <-news:
		case <-late:
			n.t.Fatalf("never happened: %s", what)
		}
	}
}

func (n *node) untilConnected(p peer.ID) PeerState {
	n.t.Helper()
	var s PeerState
	n.until("connected to the peer", func() bool { s = n.states[p]; return s.Connected })
	return s
}

func (n *node) untilGone(p peer.ID) {
	n.t.Helper()
	n.until("the peer is gone", func() bool {
		s, known := n.states[p]
		return known && !s.Connected
	})
}

func (n *node) state(p peer.ID) PeerState {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.states[p]
}

func (n *node) allFaults() map[message.Fault]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.faults)
}

func (n *node) received() ([]Wants, []Heard, []Answers) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.wants), slices.Clone(n.heard), slices.Clone(n.answers)
}

// send hands a message over and waits for the report.
func (n *node) send(to peer.ID, l Lane, m *message.Message) Sent {
	n.t.Helper()
	reported := make(chan Sent, 1)
	n.Hand(to, l, m, func(s Sent) { reported <- s })
	return receive(n.t, reported)
}

func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(soon):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// raw opens a stream as a peer without this package would.
func raw(t testing.TB, from, to host.Host, id protocol.ID) *rawStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	st, err := from.Network().NewStream(ctx, to.ID())
	require.NoError(t, err)
	require.NoError(t, st.SetProtocol(id))
	return &rawStream{Stream: st, conn: msmux.NewMSSelect(st, id)}
}

type rawStream struct {
	p2pnet.Stream
	conn io.ReadWriteCloser
}

func (s *rawStream) Write(b []byte) (int, error) { return s.conn.Write(b) }
func (s *rawStream) Read(b []byte) (int, error)  { return s.conn.Read(b) }

// listenRaw collects the streams of a protocol that are opened to h.
func listenRaw(h host.Host, ids ...protocol.ID) <-chan p2pnet.Stream {
	streams := make(chan p2pnet.Stream, 64)
	for _, id := range ids {
		h.SetStreamHandler(id, func(s p2pnet.Stream) { streams <- s })
	}
	return streams
}

func wantOf(i int) *message.Message {
	return &message.Message{Wantlist: []message.Entry{{CID: blockOf(i, 32).Cid(), Priority: 1, SendDontHave: true}}}
}

func blockOf(i, size int) blocks.Block {
	data := make([]byte, size)
	copy(data, fmt.Sprintf("block %d", i))
	return blocks.NewBlock(data)
}

func randomBlock(t testing.TB, size int) blocks.Block {
	data := make([]byte, size)
	_, err := rand.Read(data)
	require.NoError(t, err)
	b, err := blocks.NewBlockWithCid(data, mustSum(t, data))
	require.NoError(t, err)
	return b
}

func mustSum(t testing.TB, data []byte) cid.Cid {
	c, err := cid.V1Builder{Codec: cid.Raw, MhType: 0x12}.Sum(data)
	require.NoError(t, err)
	return c
}

func writeMessage(t testing.TB, w io.Writer, m *message.Message) {
	t.Helper()
	_, err := w.Write(m.AppendFrame(nil, message.V120))
	require.NoError(t, err)
}
