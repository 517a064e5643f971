package network

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// crowd fills places with peers named after their numbers.
type crowd struct {
	t *testing.T
	*places
	now    time.Time
	useful map[peer.ID]bool
	peers  map[peer.ID]*remote
}

func newCrowd(t *testing.T, address, network int) *crowd {
	c := &crowd{t: t, now: time.Unix(1000, 0), useful: make(map[peer.ID]bool), peers: make(map[peer.ID]*remote)}
	c.places = newPlaces(&Config{
		PeersPerAddress: address, PeersPerNetwork: network,
		Proven: func(p peer.ID) bool { return c.useful[p] },
	})
	return c
}

// comes lets a peer connect from an address. It returns who left for it, or "no"
// when there was no place.
func (c *crowd) comes(p peer.ID, from string) peer.ID {
	m := &remote{id: p}
	evicted, ok := c.take(m, netip.MustParseAddr(from), c.now)
	if !ok {
		return "no"
	}
	c.peers[p] = m
	if evicted == nil {
		return ""
	}
	require.True(c.t, c.leave(evicted))
	return evicted.id
}

func TestPlacesBehindOneAddressAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		address, network int
		same, beside     string // beside is in another address, or network, than same
	}{
		"IPv4 address": {2, 9, "1.2.3.4", "1.2.3.5"},
		"IPv4 network": {9, 2, "1.2.3.4", "1.2.4.4"},
		"IPv6 address": {2, 9, "2001:db8:1:2::1", "2001:db8:1:3::1"},
		"IPv6 network": {9, 2, "2001:db8:1:2::1", "2001:db8:2:2::1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newCrowd(t, c.address, c.network)
			require.Empty(t, r.comes("a", c.same))
			require.Empty(t, r.comes("b", c.same))
			require.EqualValues(t, "no", r.comes("c", c.same))
			require.Empty(t, r.comes("d", c.beside), "another crowd")
			r.leave(r.peers["a"])
			require.Empty(t, r.comes("c", c.same), "in the place of one that left")
		})
	}
}

func TestTheOldestWhoWasNotOfUseLeavesItsPlace(t *testing.T) {
	r := newCrowd(t, 3, 9)
	for i, p := range []peer.ID{"a", "b", "c"} {
		r.now = r.now.Add(time.Duration(i) * time.Second)
		require.Empty(t, r.comes(p, "1.2.3.4"))
	}
	r.useful["a"] = true
	require.EqualValues(t, "no", r.comes("d", "1.2.3.4"), "they have to have had the time")
	r.now = r.now.Add(provingTime)
	require.EqualValues(t, "b", r.comes("d", "1.2.3.4"))
	require.EqualValues(t, "c", r.comes("e", "1.2.3.4"))
	require.EqualValues(t, "no", r.comes("f", "1.2.3.4"), "d and e are new, a is of use")
}

func TestLoopbackAndWhomWeDialledAreNoCrowd(t *testing.T) {
	r := newCrowd(t, 1, 1)
	for i := range 10 {
		require.Empty(t, r.comes(peer.ID(fmt.Sprint(i)), "127.0.0.1"))
		require.Empty(t, r.comes(peer.ID(fmt.Sprint("six", i)), "::1"))
		_, ok := r.take(&remote{id: peer.ID(fmt.Sprint("dialled", i))}, netip.Addr{}, r.now)
		require.True(t, ok)
	}
	require.Empty(t, r.taken)
}

// fromAnAddress makes connections over loopback count, all as one address.
func fromAnAddress(n *node) {
	n.peers.from = func(peer.ID) netip.Addr { return netip.MustParseAddr("1.2.3.4") }
}

func TestStreamsOfACrowdAreNotRead(t *testing.T) {
	a := newNode(t, newHost(t), func(c *Config) { c.PeersPerAddress = 1 })
	fromAnAddress(a)
	a.start(a.sinks())
	first, second := startNode(t, newHost(t)), startNode(t, newHost(t))
	connect(t, first.host, a.host)
	first.untilConnected(a.host.ID())
	a.untilConnected(first.host.ID())
	require.NoError(t, first.send(a.host.ID(), LaneWants, wantOf(1)).Err)
	a.until("the want arrives", func() bool { return len(a.wants) == 1 })

	connect(t, second.host, a.host)
	second.untilConnected(a.host.ID())
	second.send(a.host.ID(), LaneWants, wantOf(2))
	a.until("the stream is refused", func() bool { return a.Stat().StreamsRefused > 0 || a.noteLater() })
	require.False(t, a.state(second.host.ID()).Connected)
	require.Positive(t, a.Stat().TurnedAway)
	require.Empty(t, a.allFaults(), "it did nothing wrong")

	require.NoError(t, first.host.Network().ClosePeer(a.host.ID()))
	a.untilGone(first.host.ID())
	a.untilConnected(second.host.ID())
	require.NoError(t, a.Connect(context.Background(), peer.AddrInfo{ID: second.host.ID()}))
}
