package record

import (
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/fields"
)

func trackerList(t testing.TB, n int) Trackers {
	list := Trackers{Sequence: 3, Issued: issued}
	for range n {
		list.List = append(list.List, Tracker{
			Peer:  peerOf(t, newKey(t, crypto.Ed25519)),
			Addrs: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/192.0.2.1/tcp/4001")},
		})
	}
	return list
}

func TestListsComeBackAsTheyWere(t *testing.T) {
	for name, kind := range map[string]int{"Ed25519": crypto.Ed25519, "RSA": crypto.RSA} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t, kind)
			list := trackerList(t, 3)
			s, err := SignTrackers(key, list)
			require.NoError(t, err)
			got, err := ParseTrackers(s.Bytes())
			require.NoError(t, err)
			require.NoError(t, got.Verify(peerOf(t, key), issued))
			require.Equal(t, &list, got.Trackers())
		})
	}
}

func TestListsOfAnotherKeyOrPurposeAreRefused(t *testing.T) {
	key, other := newKey(t, crypto.Ed25519), newKey(t, crypto.RSA)
	s, err := SignTrackers(key, trackerList(t, 1))
	require.NoError(t, err)
	requireFault(t, FaultSignature, s.Verify(peerOf(t, newKey(t, crypto.Ed25519)), issued))
	requireFault(t, FaultKey, s.Verify(peerOf(t, other), issued))
	requireFault(t, FaultSkew, s.Verify(peerOf(t, key), issued.Add(-MaxSkew-1)))
	require.NoError(t, s.Verify(peerOf(t, key), issued.Add(1000*time.Hour)), "the sequence says whether it is old")

	raw, err := seal(key, peerOf(t, key), recordContext, s.payload)
	require.NoError(t, err)
	forged, err := ParseTrackers(raw)
	require.NoError(t, err)
	requireFault(t, FaultSignature, forged.Verify(peerOf(t, key), issued))
}

func TestListsAgainstTheRulesAreRefused(t *testing.T) {
	key := newKey(t, crypto.Ed25519)
	addr := multiaddr.StringCast("/ip4/192.0.2.1/tcp/1")
	for name, tc := range map[string]struct {
		fault  Fault
		change func(*Trackers)
	}{
		"65 trackers":       {FaultTrackers, func(l *Trackers) { *l = trackerList(t, MaxTrackers+1) }},
		"a tracker twice":   {FaultTrackers, func(l *Trackers) { l.List = append(l.List, l.List[0]) }},
		"five addresses":    {FaultAddrs, func(l *Trackers) { l.List[0].Addrs = []multiaddr.Multiaddr{addr, addr, addr, addr, addr} }},
		"another's address": {FaultAddrs, func(l *Trackers) { l.List[0].Addrs[0] = addr.Encapsulate(p2p(l.List[1].Peer)) }},
		"no peer":           {FaultPeer, func(l *Trackers) { l.List[0].Peer = "" }},
		"a broken peer":     {FaultPeer, func(l *Trackers) { l.List[0].Peer = "nobody" }},
		"before 1970":       {FaultSkew, func(l *Trackers) { l.Issued = time.UnixMilli(-1) }},
	} {
		t.Run(name, func(t *testing.T) {
			l := trackerList(t, 2)
			tc.change(&l)
			_, err := SignTrackers(key, l)
			requireFault(t, tc.fault, err)
		})
	}
	_, err := ParseTrackers(make([]byte, MaxSignedTrackers+1))
	requireFault(t, FaultSize, err)
	five := fields.AppendBytes(nil, fieldTrackerPeer, string(peerOf(t, key)))
	for range MaxTrackerAddrs + 1 {
		five = fields.AppendBytes(five, fieldTrackerAddrs, addr.Bytes())
	}
	_, err = ParseTrackers((&envelope{payload: fields.AppendBytes(nil, fieldListTrackers, five)}).bytes())
	requireFault(t, FaultAddrs, err)
}

func TestTheLongestListFits(t *testing.T) {
	list := trackerList(t, MaxTrackers)
	long := multiaddr.StringCast("/dns/" + strings.Repeat("n", MaxAddr-3))
	for i := range list.List {
		list.List[i].Addrs = []multiaddr.Multiaddr{long, long, long, long}
	}
	s, err := SignTrackers(newKey(t, crypto.RSA), list)
	require.NoError(t, err)
	require.Greater(t, len(s.Bytes()), MaxSignedTrackers*9/10)
}
