package node

import (
	"testing"
	"time"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/test/eventually"
)

// online starts a node at an address, for the length of the test.
func online(t *testing.T, at string, change func(*Config)) *Online {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(nil)
	require.NoError(t, err)
	cfg := Config{Listen: []ma.Multiaddr{ma.StringCast(at)}}
	if change != nil {
		change(&cfg)
	}
	n, err := Start(t.Context(), key, blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func (n *Online) reachedBy(other *Online, t *testing.T) error {
	t.Helper()
	_, err := other.Connect(t.Context(), []peer.AddrInfo{{ID: n.Host.ID(), Addrs: n.Host.Addrs()}})
	return err
}

func TestOnlyThoseOnTheListAreConnectedOverQUICToo(t *testing.T) {
	const quic = "/ip4/127.0.0.1/udp/0/quic-v1"
	friend, stranger := online(t, quic, nil), online(t, quic, nil)
	n := online(t, quic, func(cfg *Config) { cfg.Allowed = []peer.ID{friend.Host.ID()} })
	require.NoError(t, n.reachedBy(friend, t))
	// The stranger's side of the handshake ends first: it is closed a moment later.
	_ = n.reachedBy(stranger, t)
	require.Never(t, func() bool { return n.Host.Network().Connectedness(stranger.Host.ID()) == network.Connected },
		200*time.Millisecond, 10*time.Millisecond)
	require.ErrorContains(t, stranger.reachedBy(n, t), "gater disallows")

	n.Allow([]peer.ID{stranger.Host.ID()})
	eventually.True(t, func() bool { return n.Host.Network().Connectedness(friend.Host.ID()) != network.Connected })
	require.NoError(t, stranger.reachedBy(n, t))
}

func TestAPrivateNetworkIsForThoseWithItsKey(t *testing.T) {
	const tcp = "/ip4/127.0.0.1/tcp/0"
	with := func(b byte) func(*Config) {
		return func(cfg *Config) {
			cfg.PSK = make([]byte, 32)
			cfg.PSK[0] = b
		}
	}
	n, member := online(t, tcp, with(1)), online(t, tcp, with(1))
	require.NoError(t, n.reachedBy(member, t))
	require.Error(t, n.reachedBy(online(t, tcp, with(2)), t))
	require.Error(t, n.reachedBy(online(t, tcp, nil), t))
}
