package souk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/rate"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/test/eventually"
)

func classesOf(n *node) map[string]souk.ClassStat {
	all := make(map[string]souk.ClassStat)
	for _, c := range n.Classes() {
		all[c.Class] = c
	}
	return all
}

func TestBytesAreCountedByTheClassThatAPeerIsIn(t *testing.T) {
	a, r := measured(t, souk.WithUploadRates(rate.Limits{Peer: 7 * rate.MB}))
	friend, other := start(t), start(t)
	require.Equal(t, []souk.ClassStat{{Class: rate.Default, UploadRatePeer: 7 * rate.MB}}, a.Classes())
	rules := rulesOf(t, "class friends peer "+friend.host.ID().String(), "rate friends up 50MB/s down off", "rate idle each down 1MB/s",
		"class idle peer "+other.host.ID().String(), "class none net 192.0.2.0/24")
	require.NoError(t, a.SetAccessRules(soon(t), rules))
	a.connect(t, friend, other)
	theirs, ours := random(3, 1000), random(5, 100)
	friend.put(t, theirs...)
	a.put(t, ours...)
	fetch(t, a.NewSession(t.Context(), session.WithPeers(friend.host.ID())), theirs)
	fetch(t, friend.NewSession(t.Context(), session.WithPeers(a.host.ID())), ours)
	fetch(t, other.NewSession(t.Context(), session.WithPeers(a.host.ID())), ours[:2])
	eventually.True(t, func() bool { return classesOf(a)["idle"].BytesSent == 200 })
	require.Equal(t, map[string]souk.ClassStat{
		rate.Default: {Class: rate.Default, UploadRatePeer: 7 * rate.MB},
		"friends": {
			Class: "friends", BlocksReceived: 3, BytesReceived: 3000, BlocksSent: 5, BytesSent: 500,
			UploadRate: 50 * rate.MB, UploadRatePeer: 7 * rate.MB,
		},
		"idle": {Class: "idle", BlocksSent: 2, BytesSent: 200, UploadRatePeer: 7 * rate.MB, DownloadRatePeer: rate.MB},
	}, classesOf(a))
	all := gathered(t, r)
	require.EqualValues(t, 3000, all["souk_class_block_bytes_total friends received"].GetCounter().GetValue())
	require.Zero(t, all["souk_class_block_bytes_total default sent"].GetCounter().GetValue())
	peers, err := a.Peers(soon(t))
	require.NoError(t, err)
	for _, p := range peers {
		want := map[bool]string{true: "friends", false: "idle"}[p.Peer == friend.host.ID()]
		require.Equal(t, want, p.AccessClass)
	}

	require.NoError(t, a.SetAccessRules(soon(t), nil))
	fetch(t, other.NewSession(t.Context(), session.WithPeers(a.host.ID())), ours[2:])
	eventually.True(t, func() bool { return classesOf(a)[rate.Default].BytesSent == 300 })
	require.EqualValues(t, 3000, classesOf(a)["friends"].BytesReceived, "what was counted stays")
}
