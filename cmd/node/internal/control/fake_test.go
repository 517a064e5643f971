package control

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"github.com/souk-p2p/souk/adapter/dag"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var self = mustDecode("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")

var heard = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func mustDecode(text string) peer.ID {
	id, err := peer.Decode(text)
	if err != nil {
		panic(err)
	}
	return id
}

// fakeNode has blocks in a map. A block that it does not have is missing, or,
// when hang is set, is waited for until the fetch ends.
type fakeNode struct {
	node.Node // what a test does not need

	mu      sync.Mutex
	blocks  map[cid.Cid]blocks.Block
	puts    []int // blocks in each batch
	sources []node.Source

	announced []repo.Announcement
	told      []peer.AddrInfo
	withdrawn []string
	searches  []node.Search
	found     []peer.AddrInfo

	putErr error
	hang   bool

	waiting chan struct{} // one for each fetch that began to wait
	left    chan struct{} // one for each fetch that ended waiting
	closed  chan struct{} // one for each fetcher closed
}

func newFakeNode(bs ...blocks.Block) *fakeNode {
	n := &fakeNode{
		blocks:  make(map[cid.Cid]blocks.Block),
		waiting: make(chan struct{}, 64),
		left:    make(chan struct{}, 64),
		closed:  make(chan struct{}, 1024),
	}
	for _, b := range bs {
		n.blocks[b.Cid()] = b
	}
	return n
}

func (n *fakeNode) PutMany(_ context.Context, bs []blocks.Block) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.puts = append(n.puts, len(bs))
	for _, b := range bs {
		n.blocks[b.Cid()] = b
	}
	return n.putErr
}

func (n *fakeNode) Fetch(_ context.Context, from node.Source) (node.Fetcher, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sources = append(n.sources, from)
	if len(from.Peers) > 1 {
		return nil, &node.UnreachableError{Peer: from.Peers[0].ID, Err: context.DeadlineExceeded}
	}
	return n, nil
}

func (n *fakeNode) Ledgers(context.Context) ([]ledger.Receipt, error) {
	return []ledger.Receipt{{Peer: self, Counters: ledger.Counters{BytesSent: 7}}}, nil
}

func (n *fakeNode) Ledger(_ context.Context, p peer.ID) (ledger.Receipt, error) {
	if p != self {
		return ledger.Receipt{}, &node.UnknownPeerError{Peer: p}
	}
	return ledger.Receipt{Peer: p, Value: 0.5}, nil
}

func (n *fakeNode) Info(context.Context) (node.Info, error) {
	return node.Info{ID: self, Addresses: []string{"/ip4/127.0.0.1/tcp/1"}, Running: true}, nil
}

func (n *fakeNode) Announce(_ context.Context, a repo.Announcement, trackers ...peer.AddrInfo) error {
	if err := a.Check(); err != nil {
		return &node.InvalidError{Err: err}
	}
	n.announced, n.told = append(n.announced, a), append(n.told, trackers...)
	return nil
}

func (n *fakeNode) Withdraw(_ context.Context, namespace string) error {
	if len(n.announced) == 0 {
		return &node.NotAnnouncedError{Namespace: namespace}
	}
	n.withdrawn = append(n.withdrawn, namespace)
	return nil
}

func (n *fakeNode) Announced(context.Context) ([]node.Announced, error) {
	all := make([]node.Announced, len(n.announced))
	for i, a := range n.announced {
		all[i] = node.Announced{Announcement: a, Told: []node.Told{{Tracker: self, Heard: heard}, {Tracker: self, Error: "full"}}}
	}
	return all, nil
}

func (n *fakeNode) Trackers(context.Context) ([]node.Tracker, error) {
	return []node.Tracker{{ID: self, Addresses: []string{"/ip4/192.0.2.1/tcp/1/p2p/" + self.String()}, DownUntil: heard, Lost: 3}}, nil
}

func (n *fakeNode) Find(_ context.Context, s node.Search) ([]peer.AddrInfo, error) {
	n.searches = append(n.searches, s)
	if len(n.found) == 0 {
		return nil, &node.NobodyError{Namespace: s.Namespace}
	}
	return n.found, nil
}

func (n *fakeNode) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	n.mu.Lock()
	b, ok := n.blocks[c]
	n.mu.Unlock()
	if ok {
		return b, nil
	}
	if n.hang {
		n.waiting <- struct{}{}
		<-ctx.Done()
		n.left <- struct{}{}
		return nil, ctx.Err()
	}
	return nil, &node.NoPeersError{CID: c}
}

func (n *fakeNode) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	return dag.Local(n.GetBlock).GetBlocks(ctx, cs)
}

func (n *fakeNode) Close() error {
	n.closed <- struct{}{}
	return nil
}

// serve runs a server for the node on a socket and returns how to connect to it.
func serve(t *testing.T, n node.Node) (*Server, func(context.Context) (net.Conn, error)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	s := NewServer(n, "v1.2.3", zaptest.NewLogger(t))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, s.Close(context.Background()))
		require.NoError(t, <-done)
	})
	return s, func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
}

func connect(t *testing.T, n node.Node) *Client {
	t.Helper()
	_, dial := serve(t, n)
	c, err := Dial(t.Context(), dial)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func fetch(t *testing.T, c *Client) node.Fetcher {
	t.Helper()
	f, err := c.Fetch(t.Context(), node.Source{})
	require.NoError(t, err)
	return f
}

func someBlocks(n, size int) []blocks.Block {
	bs := make([]blocks.Block, n)
	for i := range bs {
		data := make([]byte, size)
		for j := range 4 {
			data[j] = byte(i >> (8 * j))
		}
		bs[i] = blocks.NewBlock(data)
	}
	return bs
}

func cidsOf(bs []blocks.Block) []cid.Cid {
	cs := make([]cid.Cid, len(bs))
	for i, b := range bs {
		cs[i] = b.Cid()
	}
	return cs
}
