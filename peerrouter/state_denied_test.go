package peerrouter

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// deny denies these peers and no others from now on.
func (r *rig) deny(names string) {
	r.denies = func(p peer.ID) bool { return strings.Contains(names, string(p)) }
	r.decideAll(r.now)
	r.then()
}

func TestADeniedPeerIsNeitherDialledNorAvailable(t *testing.T) {
	r := newRig(t)
	r.deny("a")
	r.watch(2)
	r.interest(1, "a")
	require.Equal(t, "a denied", r.told(1))
	require.Empty(t, r.dials())
	require.Zero(t, r.wake())
	r.connected("a")
	require.Equal(t, "a denied", r.told(1))
	require.Equal(t, "a denied", r.told(2))
	require.Equal(t, []change{{"a", true}}, r.out.known, "it is there all the same")
	r.watch(3)
	require.Equal(t, "a denied", r.told(3))
	r.gone("a")
	require.Empty(t, r.out.news, "it was never available")
	require.Empty(t, r.dials())
	r.cancel(1, "a")
	require.Empty(t, r.peers)
}

func TestARuleThatComesLaterEndsWhatWasAvailable(t *testing.T) {
	r := newRig(t)
	r.watch(2)
	r.connected("a")
	r.connected("b")
	r.interest(1, "a b c")
	r.dialled("c", errRefused)
	r.deny("a c")
	require.Equal(t, "a denied, c denied", r.told(1))
	require.Equal(t, "a denied", r.told(2))
	require.Zero(t, r.wake(), "c is not dialled again")
	r.deny("a c")
	require.Empty(t, r.out.news, "nothing has changed")

	r.deny("")
	require.Equal(t, "a available", r.told(1))
	require.Equal(t, "a available", r.told(2))
	require.Equal(t, "c", r.dials(), "at once")
}

func TestADialThatEndsAfterTheRuleIsNotRepeated(t *testing.T) {
	r := newRig(t)
	r.interest(1, "a")
	r.deny("a")
	require.Equal(t, "a denied", r.told(1))
	r.dialled("a", errRefused)
	require.Empty(t, r.out.news)
	require.Zero(t, r.wake())
	r.interest(2, "a")
	require.Equal(t, "a denied", r.told(2))
}

// Rules may be about addresses, which a further connection brings.
func TestAPeerIsLookedAtAgainWhenItConnectsOnceMore(t *testing.T) {
	r := newRig(t)
	r.watch(1)
	r.connected("a")
	r.denies = func(peer.ID) bool { return true }
	r.connected("a")
	require.Equal(t, "a denied", r.told(1))
	require.Empty(t, r.out.known)
}

func TestDecideAsksAnewAboutEveryPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, denied := newNetwork(), false
		r := New(Config{Peers: n, Dialer: n, Denied: func(peer.ID) bool { return denied }})
		r.Start()
		defer func() { require.NoError(t, r.Stop(t.Context())) }()
		l := open(t, r)
		require.NoError(t, l.Watch(t.Context()))
		n.note("a", true)
		require.Equal(t, "a available", heard(l))
		for _, denied = range []bool{true, false} {
			require.NoError(t, r.Decide(t.Context()))
			require.Equal(t, map[bool]string{true: "a denied", false: "a available"}[denied], heard(l))
		}
		time.Sleep(time.Minute)
		require.Empty(t, heard(l))
	})
}
