package node

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/test/eventually"
)

func (n *Online) connectedTo(o *Online) bool {
	return n.Host.Network().Connectedness(o.Host.ID()) == network.Connected
}

func TestPeersThatAreKeptCanBeReplaced(t *testing.T) {
	n, a, b := startNode(t), startNode(t, loopback...), startNode(t, loopback...)
	protected := func(o *Online) bool { return n.Host.ConnManager().IsProtected(o.Host.ID(), keepTag) }
	n.Keep([]peer.AddrInfo{addressOf(a)})
	eventually.True(t, func() bool { return n.connectedTo(a) }, "a is connected")
	require.True(t, protected(a))

	n.Keep([]peer.AddrInfo{addressOf(b)})
	eventually.True(t, func() bool { return n.connectedTo(b) }, "b is connected")
	require.True(t, protected(b))
	require.False(t, protected(a), "it is let go")
	require.True(t, n.connectedTo(a), "nobody has closed the connection")

	n.Keep([]peer.AddrInfo{addressOf(b), {ID: a.Host.ID()}})
	require.Len(t, n.kept, 2)
	n.Keep(nil)
	require.Empty(t, n.kept)
	require.False(t, protected(b))
	require.NoError(t, n.Close())
	n.Keep([]peer.AddrInfo{addressOf(a)})
	require.Empty(t, n.kept, "it is closed")
}

// A peer that has moved is looked for at its new address.
func TestAPeerThatIsKeptElsewhereIsDialledThere(t *testing.T) {
	n, a := startNode(t), startNode(t, loopback...)
	n.Keep([]peer.AddrInfo{{ID: a.Host.ID(), Addrs: nobody(t).Addrs}})
	n.Keep([]peer.AddrInfo{addressOf(a)})
	eventually.True(t, func() bool { return n.connectedTo(a) }, "at the address that was given last")
}

func TestTrackersOfTheSettingsCanBeReplaced(t *testing.T) {
	a, b, c := nobody(t), nobody(t), nobody(t)
	n := startWith(t, Config{Trackers: []peer.AddrInfo{a}})
	require.NoError(t, n.AddTrackers(b))
	require.NoError(t, n.SetTrackers([]peer.AddrInfo{c}))
	known, err := n.Trackers(t.Context())
	require.NoError(t, err)
	ids := map[peer.ID]bool{}
	for _, k := range known {
		ids[k.ID] = true
	}
	require.Equal(t, map[peer.ID]bool{b.ID: true, c.ID: true}, ids, "that of a command stays")
	info, err := n.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, Addresses(c, b), info.Trackers)
}

// Who has announced something and knew no tracker tells the first that it hears of.
func TestWhatWasAnnouncedIsAnnouncedToTheFirstTracker(t *testing.T) {
	m := &note{}
	require.NoError(t, m.Announce(repo.Announcement{Namespace: films}))
	n, tracker := startWith(t, Config{Memory: m}), startTracker(t)
	require.NoError(t, n.Resume())
	require.NoError(t, n.SetTrackers([]peer.AddrInfo{addressOf(tracker)}))
	eventually.True(t, func() bool {
		all, err := n.Announced(t.Context())
		require.NoError(t, err)
		return len(all) == 1 && len(all[0].Told) == 1 && !all[0].Told[0].Heard.IsZero()
	}, "it is told")
}
