package control

import (
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

func TestAnAnnouncementReachesTheNode(t *testing.T) {
	n := newFakeNode()
	c := connect(t, n)
	none, err := c.Announced(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)

	a := repo.Announcement{
		Namespace: "photos/ä", Shards: []repo.Shards{{From: 0, To: 0x0f}}, Partial: true, Capacity: 1 << 10, TTL: 600,
	}
	at := peer.AddrInfo{ID: self, Addrs: []ma.Multiaddr{ma.StringCast("/ip4/192.0.2.1/tcp/4101")}}
	require.NoError(t, c.Announce(t.Context(), a, at))
	require.Equal(t, []peer.AddrInfo{at}, n.told)
	all, err := c.Announced(t.Context())
	require.NoError(t, err)
	require.Equal(t, []node.Announced{{
		Announcement: a, Told: []node.Told{{Tracker: self, Heard: heard}, {Tracker: self, Error: "full"}},
	}}, all)

	require.NoError(t, c.Withdraw(t.Context(), "../odd"))
	require.Equal(t, []string{"../odd"}, n.withdrawn)
}

func TestAnAnnouncementThatTheNodeRefusesSaysWhy(t *testing.T) {
	c := connect(t, newFakeNode())
	err := c.Announce(t.Context(), repo.Announcement{Namespace: "n", TTL: 1})
	require.Equal(t, CodeBadRequest, asError(err).Code)
	require.ErrorContains(t, err, "ttl 1s: from 1m0s to 2h0m0s is right")

	err = c.Withdraw(t.Context(), "never announced")
	require.Equal(t, CodeNotFound, asError(err).Code)
	require.ErrorContains(t, err, `"never announced" is not announced`)
}

func TestASearchReachesTheNodeAndItsPeersComeBack(t *testing.T) {
	at := ma.StringCast("/ip4/192.0.2.1/tcp/4101")
	n := newFakeNode()
	c := connect(t, n)
	s := node.Search{
		Namespace: "photos", CID: blocks.NewBlock([]byte("wanted")).Cid(),
		Trackers: []peer.AddrInfo{{ID: self, Addrs: []ma.Multiaddr{at}}}, Most: 8,
	}
	_, err := c.Find(t.Context(), s)
	require.Equal(t, CodeNotFound, asError(err).Code)

	n.found = []peer.AddrInfo{
		{ID: self, Addrs: []ma.Multiaddr{at, ma.StringCast("/ip6/2001:db8::1/udp/4101/quic-v1")}},
		{ID: mustDecode("12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X")}, // without an address that is known
	}
	found, err := c.Find(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, n.found, found)
	require.Equal(t, []node.Search{s, s}, n.searches)

	_, err = c.Find(t.Context(), node.Search{Namespace: "photos", Most: 1})
	require.NoError(t, err)
	require.False(t, n.searches[2].CID.Defined())
}

func TestABadSearchIsRefused(t *testing.T) {
	c := connect(t, newFakeNode())
	for says, asked := range map[string]searchRequest{
		`cid "nonsense"`: {Namespace: "n", CID: "nonsense"},
		"/ip4/1.2.3.4: ": {Namespace: "n", Trackers: []string{"/ip4/1.2.3.4"}},
	} {
		_, err := c.postJSON(t.Context(), "/v2/searches", asked)
		require.Equal(t, CodeBadRequest, asError(err).Code)
		require.ErrorContains(t, err, says)
	}
}

func TestTheTrackersOfTheNodeAreListed(t *testing.T) {
	n := newFakeNode()
	want, err := n.Trackers(t.Context())
	require.NoError(t, err)
	got, err := connect(t, n).Trackers(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, got)
}
