package network

import (
	"context"
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

func relayedHost(t *testing.T) host.Host {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.EnableRelay(),
		libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	return h
}

// relayed connects two hosts through a third.
func relayed(t *testing.T, from, to host.Host) peer.AddrInfo {
	middle := relayedHost(t)
	service, err := relay.New(middle)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, service.Close()) })
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	connect(t, to, middle)
	connect(t, from, middle)
	_, err = client.Reserve(ctx, to, peer.AddrInfo{ID: middle.ID(), Addrs: middle.Addrs()})
	require.NoError(t, err)
	through := middle.Addrs()[0].Encapsulate(multiaddr.StringCast("/p2p/" + middle.ID().String() + "/p2p-circuit"))
	info := peer.AddrInfo{ID: to.ID(), Addrs: []multiaddr.Multiaddr{through}}
	require.NoError(t, from.Connect(network.WithAllowLimitedConn(ctx, "test"), info))
	require.Equal(t, network.Limited, from.Network().Connectedness(to.ID()))
	return info
}

func TestLimitedConnectionsAreIgnored(t *testing.T) {
	a, other := startNode(t, relayedHost(t)), relayedHost(t)
	info := relayed(t, other, a.host)
	require.Equal(t, a.host.ID(), info.ID)
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(context.Background(), "test"), soon)
	defer cancel()
	st, err := other.NewStream(ctx, a.host.ID(), id120)
	require.NoError(t, err)
	_, err = st.Write(wantOf(1).AppendFrame(nil, message.V120))
	require.NoError(t, err)
	_, err = st.Read(make([]byte, 1))
	require.Error(t, err, "the stream is refused")
	require.Nil(t, a.peers.find(other.ID()))
	require.ErrorIs(t, a.send(other.ID(), LaneWants, wantOf(1)).Err, ErrNotConnected)
	require.NoError(t, a.Connect(ctx, peer.AddrInfo{ID: other.ID(), Addrs: other.Addrs()}))
	require.Equal(t, network.Connected, a.host.Network().Connectedness(other.ID()), "Connect makes a direct one")
}

func TestLimitedConnectionsAreUsedWhenAllowed(t *testing.T) {
	allowed := func(c *Config) { c.AllowLimited = true }
	a, b := startNode(t, relayedHost(t), allowed), startNode(t, relayedHost(t), allowed)
	relayed(t, a.host, b.host)
	a.untilConnected(b.host.ID())
	require.NoError(t, a.send(b.host.ID(), LaneWants, wantOf(1)).Err)
	b.until("the want arrives", func() bool { return len(b.wants) == 1 })
}

// limitedOut reports whether the stream for wants goes through a relay.
func limitedOut(n *node, p peer.ID) bool {
	s := n.peers.find(p).senders[lineControl]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out != nil && s.out.limited
}

func TestADirectConnectionIsUsedAsSoonAsThereIsOne(t *testing.T) {
	allowed := func(c *Config) { c.AllowLimited = true }
	a, b := startNode(t, relayedHost(t), allowed), startNode(t, relayedHost(t), allowed)
	relayed(t, a.host, b.host)
	a.untilConnected(b.host.ID())
	require.NoError(t, a.send(b.host.ID(), LaneWants, wantOf(1)).Err)
	require.True(t, limitedOut(a, b.host.ID()))
	before := epochOf(a, b.host.ID())

	direct := network.WithForceDirectDial(t.Context(), "test")
	require.NoError(t, a.host.Connect(direct, peer.AddrInfo{ID: b.host.ID(), Addrs: b.host.Addrs()}))
	require.NoError(t, a.send(b.host.ID(), LaneWants, wantOf(2)).Err)
	require.False(t, limitedOut(a, b.host.ID()))
	b.until("both wants arrive", func() bool { return len(b.wants) == 2 })
	a.until("wants are to be said again", func() bool { return epochOf(a, b.host.ID()) > before })
}

func epochOf(n *node, p peer.ID) uint64 {
	n.peers.mu.Lock()
	defer n.peers.mu.Unlock()
	return n.peers.byID[p].told.Epoch
}
