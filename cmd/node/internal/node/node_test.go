package node

import (
	"crypto/rand"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")}

func newKey(t *testing.T) crypto.PrivKey {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	require.NoError(t, err)
	return key
}

func startNode(t *testing.T, listen ...ma.Multiaddr) *Online {
	t.Helper()
	return startAs(t, Config{Listen: listen})
}

func startAs(t *testing.T, cfg Config) *Online {
	t.Helper()
	cfg.Agent = "test"
	store := blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore()))
	n, err := Start(t.Context(), newKey(t), store, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func addressOf(n *Online) peer.AddrInfo {
	return peer.AddrInfo{ID: n.Host.ID(), Addrs: n.Host.Network().ListenAddresses()}
}

// nobody is a peer at an address where nothing listens.
func nobody(t *testing.T) peer.AddrInfo {
	t.Helper()
	id, err := peer.IDFromPrivateKey(newKey(t))
	require.NoError(t, err)
	return peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/1")}}
}

func newOffline(t *testing.T) *Offline {
	t.Helper()
	r, err := repo.Open(t.TempDir())
	require.NoError(t, err)
	n := NewOffline(r, Config{Listen: loopback})
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func get(t *testing.T, n Node, c cid.Cid, peers ...peer.AddrInfo) (blocks.Block, error) {
	t.Helper()
	f, err := n.Fetch(t.Context(), Source{Peers: peers})
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	return f.GetBlock(t.Context(), c)
}

func TestOneReachablePeerIsEnough(t *testing.T) {
	holder, b := startNode(t, loopback...), blocks.NewBlock([]byte("held"))
	require.NoError(t, holder.PutMany(t.Context(), []blocks.Block{b}))
	got, err := get(t, startNode(t), b.Cid(), nobody(t), addressOf(holder))
	require.NoError(t, err)
	require.Equal(t, b.RawData(), got.RawData())
}

func TestWithoutAReachablePeerEveryOneIsNamed(t *testing.T) {
	a, b := nobody(t), nobody(t)
	_, err := startNode(t).Fetch(t.Context(), Source{Peers: []peer.AddrInfo{a, b}})
	var unreachable *UnreachableError
	require.ErrorAs(t, err, &unreachable)
	require.ErrorContains(t, err, a.ID.String())
	require.ErrorContains(t, err, b.ID.String())
}

func TestWhatIsStoredNeedsNoPeer(t *testing.T) {
	for _, n := range []Node{newOffline(t), startNode(t)} {
		b := blocks.NewBlock([]byte("stored"))
		require.NoError(t, n.PutMany(t.Context(), []blocks.Block{b}))
		got, err := get(t, n, b.Cid())
		require.NoError(t, err)
		require.Equal(t, b.RawData(), got.RawData())

		_, err = get(t, n, blocks.NewBlock([]byte("elsewhere")).Cid())
		var alone *NoPeersError
		require.ErrorAs(t, err, &alone)
	}
}

func TestGetBlocksEndsWhereNothingFollows(t *testing.T) {
	n := newOffline(t)
	b := blocks.NewBlock([]byte("stored"))
	require.NoError(t, n.PutMany(t.Context(), []blocks.Block{b}))
	f, err := n.Fetch(t.Context(), Source{})
	require.NoError(t, err)
	in, err := f.GetBlocks(t.Context(), []cid.Cid{b.Cid(), blocks.NewBlock([]byte("elsewhere")).Cid()})
	require.NoError(t, err)
	var got []blocks.Block
	for b := range in {
		got = append(got, b)
	}
	require.Len(t, got, 1)
}

func TestWhatWasFetchedForOneCommandIsStored(t *testing.T) {
	holder, b := startNode(t, loopback...), blocks.NewBlock([]byte("held"))
	require.NoError(t, holder.PutMany(t.Context(), []blocks.Block{b}))
	n := newOffline(t)
	_, err := get(t, n, b.Cid(), addressOf(holder))
	require.NoError(t, err)
	require.NoError(t, holder.Close())
	_, err = get(t, n, b.Cid())
	require.NoError(t, err)
}

func TestANodeThatExchangedNothingHasNoLedgers(t *testing.T) {
	offline, running := newOffline(t), startNode(t, loopback...)
	var unknown *UnknownPeerError
	for _, n := range []Node{offline, running} {
		all, err := n.Ledgers(t.Context())
		require.NoError(t, err)
		require.Empty(t, all)
		_, err = n.Ledger(t.Context(), running.Host.ID())
		require.ErrorAs(t, err, &unknown)
	}
	info, err := running.Info(t.Context())
	require.NoError(t, err)
	require.True(t, info.Running)
	require.Len(t, info.Addresses, 1)
	info, err = offline.Info(t.Context())
	require.NoError(t, err)
	require.False(t, info.Running)
}

func TestAKeptPeerIsDialledAgain(t *testing.T) {
	n, other := startNode(t), startNode(t, loopback...)
	p := addressOf(other)
	require.Equal(t, keepInterval, n.attend(t.Context(), p, keepInterval))
	require.Equal(t, network.Connected, n.Host.Network().Connectedness(p.ID))
	require.NoError(t, n.Host.Network().ClosePeer(p.ID))
	require.Equal(t, keepInterval, n.attend(t.Context(), p, keepInterval))
	require.Equal(t, network.Connected, n.Host.Network().Connectedness(p.ID))
}

func TestThePauseBetweenDialsGrowsToItsMaximum(t *testing.T) {
	n, p, pause := startNode(t), nobody(t), keepInterval
	for range 5 {
		pause = n.attend(t.Context(), p, pause)
	}
	require.Equal(t, keepMaxInterval, pause)
}

func TestListeningNowhereIsAnError(t *testing.T) {
	n := startNode(t, loopback...)
	_, err := Start(t.Context(), newKey(t), nil, Config{Listen: n.Host.Network().ListenAddresses()})
	var deaf *ListenError
	require.ErrorAs(t, err, &deaf)
}
