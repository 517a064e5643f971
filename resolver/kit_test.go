package resolver

import (
	"context"
	"testing"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nobody is a Consumer to whom every value is good.
type nobody struct{}

func (nobody) Deliver(context.Context, Key, []byte) bool { return true }
func (nobody) Failed(Key, error)                         {}

// node is an exchange on a host on loopback.
type node struct {
	*souk.Exchange
	host host.Host
}

func exchange(t testing.TB, opts ...souk.Option) *node {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay())
	require.NoError(t, err)
	x, err := souk.New(t.Context(), h, blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())), opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, x.Close())
		require.NoError(t, h.Close())
	})
	return &node{x, h}
}

// resolves starts a resolver of keys of 32 bytes that asks the given peers. It also
// returns how to reach it.
func resolves(t testing.TB, n *node, cfg Config, peers ...peer.AddrInfo) (*Resolver, peer.AddrInfo) {
	t.Helper()
	cfg.KeySize, cfg.Peers = 32, NewSet(peers...)
	r, err := New(t.Context(), n.Exchange, cfg)
	require.NoError(t, err)
	return r, peer.AddrInfo{ID: n.host.ID(), Addrs: n.host.Addrs()}
}
