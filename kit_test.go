package souk_test

import (
	"context"
	"crypto/rand"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/test/eventually"
)

// node is one exchange with its host and store, on loopback.
type node struct {
	*souk.Exchange
	host  host.Host
	store blockstore.Blockstore
}

func start(t testing.TB, opts ...souk.Option) *node {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	require.NoError(t, err)
	store := blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore()))
	x, err := souk.New(t.Context(), h, store, opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, x.Close())
		require.NoError(t, h.Close())
	})
	return &node{x, h, store}
}

func (n *node) info() peer.AddrInfo { return peer.AddrInfo{ID: n.host.ID(), Addrs: n.host.Addrs()} }

func (n *node) connect(t testing.TB, others ...*node) {
	t.Helper()
	for _, o := range others {
		require.NoError(t, n.host.Connect(t.Context(), o.info()))
	}
}

func (n *node) put(t testing.TB, bs ...blocks.Block) {
	t.Helper()
	require.NoError(t, n.Put(t.Context(), bs...))
}

func (n *node) has(t testing.TB, c cid.Cid) bool {
	t.Helper()
	has, err := n.store.Has(t.Context(), c)
	require.NoError(t, err)
	return has
}

// soon is a context for what should take a moment.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), eventually.Patience)
	t.Cleanup(cancel)
	return ctx
}

func random(n, size int) []blocks.Block {
	bs := make([]blocks.Block, n)
	for i := range bs {
		data := make([]byte, size)
		_, _ = rand.Read(data) // Never fails.
		bs[i] = blocks.NewBlock(data)
	}
	return bs
}

func cids(bs []blocks.Block) []cid.Cid {
	cs := make([]cid.Cid, len(bs))
	for i := range bs {
		cs[i] = bs[i].Cid()
	}
	return cs
}

// getter is what exchanges and sessions have in common.
type getter interface {
	GetBlock(context.Context, cid.Cid) (blocks.Block, error)
	GetBlocks(context.Context, []cid.Cid) (<-chan blocks.Block, error)
}

// fetchFrom connects to a node, gives it blocks, and fetches them.
func (n *node) fetchFrom(t testing.TB, other *node, bs []blocks.Block) {
	t.Helper()
	n.connect(t, other)
	other.put(t, bs...)
	fetch(t, n, bs)
}

// fetch gets the blocks and checks that each comes once, with the right bytes.
func fetch(t testing.TB, g getter, bs []blocks.Block) {
	t.Helper()
	out, err := g.GetBlocks(soon(t), cids(bs))
	require.NoError(t, err)
	missing := make(map[cid.Cid][]byte)
	for _, b := range bs {
		missing[b.Cid()] = b.RawData()
	}
	for b := range out {
		data, wanted := missing[b.Cid()]
		require.True(t, wanted, "%s came twice or was not asked for", b.Cid())
		require.Equal(t, data, b.RawData())
		delete(missing, b.Cid())
	}
	require.Empty(t, missing)
}
