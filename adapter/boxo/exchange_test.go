package boxo_test

import (
	"context"
	"testing"
	"time"

	"github.com/ipfs/boxo/blockservice"
	boxostore "github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	format "github.com/ipfs/go-ipld-format"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/adapter/boxo"
	"github.com/souk-p2p/souk/blockstore"
)

// node is a boxo block service over a Souk exchange, with one datastore under
// the block stores of both.
type node struct {
	host    host.Host
	store   boxostore.Blockstore
	service blockservice.BlockService
}

func newNode(t *testing.T) node {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	data := dssync.MutexWrap(datastore.NewMapDatastore())
	x, err := souk.New(t.Context(), h, blockstore.New(data), souk.WithoutStoring())
	require.NoError(t, err)
	store := boxostore.NewBlockstore(data)
	service := blockservice.New(store, boxo.Exchange(x))
	t.Cleanup(func() { require.NoError(t, service.Close()) })
	return node{h, store, service}
}

func (n node) connect(t *testing.T, to node) {
	t.Helper()
	require.NoError(t, n.host.Connect(t.Context(), peer.AddrInfo{ID: to.host.ID(), Addrs: to.host.Addrs()}))
}

func makeBlocks(n int) ([]blocks.Block, []cid.Cid) {
	bs, cs := make([]blocks.Block, n), make([]cid.Cid, n)
	for i := range bs {
		bs[i] = blocks.NewBlock([]byte{byte(i), byte(i >> 8), 's'})
		cs[i] = bs[i].Cid()
	}
	return bs, cs
}

func timeout(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestBlockServiceFetchesStoresAndServes(t *testing.T) {
	ctx := timeout(t, 20*time.Second)
	a, b, c := newNode(t), newNode(t), newNode(t)
	a.connect(t, b)
	b.connect(t, c)
	bs, cs := makeBlocks(50)
	require.NoError(t, a.service.AddBlocks(ctx, bs))

	one, err := b.service.GetBlock(ctx, cs[0])
	require.NoError(t, err)
	require.Equal(t, bs[0].RawData(), one.RawData())

	got := make(map[cid.Cid]bool)
	for blk := range blockservice.NewSession(ctx, b.service).GetBlocks(ctx, cs) {
		got[blk.Cid()] = true
	}
	require.Len(t, got, len(cs))
	for _, want := range cs {
		has, err := b.store.Has(ctx, want)
		require.NoError(t, err)
		require.True(t, has)
	}

	// c knows b only, which serves what its block service announced.
	last, err := c.service.GetBlock(ctx, cs[49])
	require.NoError(t, err)
	require.Equal(t, bs[49].RawData(), last.RawData())
}

// TestABlockAddedLaterReachesWhoWaits: AddBlock tells the exchange.
func TestABlockAddedLaterReachesWhoWaits(t *testing.T) {
	ctx := timeout(t, 20*time.Second)
	a, b := newNode(t), newNode(t)
	a.connect(t, b)
	bs, cs := makeBlocks(1)
	waiting := b.service.GetBlocks(ctx, cs)
	require.NoError(t, a.service.AddBlock(ctx, bs[0]))
	require.Equal(t, bs[0].RawData(), (<-waiting).RawData())
}

func TestAbsenceIsNotFoundForBoxo(t *testing.T) {
	a := newNode(t)
	x := a.service.Exchange()
	_, err := x.GetBlock(timeout(t, 5*time.Second), cid.Undef)
	require.True(t, format.IsNotFound(err), "%v", err)

	_, cs := makeBlocks(1)
	_, err = x.GetBlock(timeout(t, 50*time.Millisecond), cs[0])
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.False(t, format.IsNotFound(err), "running out of time is no absence")
	var failed *souk.FetchError
	require.ErrorAs(t, err, &failed)
}
