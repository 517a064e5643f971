package record

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/stretchr/testify/require"
)

// Whatever comes, a payload that is read says the same after another way over
// the wire, and is within all limits.
func FuzzParse(f *testing.F) {
	key := newKey(f, crypto.Ed25519)
	r := full(f, "")
	s, err := Sign(key, r)
	require.NoError(f, err)
	f.Add(s.Bytes())
	f.Add((&envelope{payload: minimal(f, string(peerOf(f, key)), func(b []byte) []byte { return b })}).bytes())
	r.Ranges = Everything
	r.Keys, err = NewKeyRanges(KeyRange{"a", "b"}, KeyRange{"c", ""})
	require.NoError(f, err)
	s, err = Sign(newKey(f, crypto.ECDSA), r)
	require.NoError(f, err)
	f.Add(s.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		if err != nil {
			require.ErrorAs(t, err, new(*Error))
			return
		}
		require.Equal(t, b, s.Bytes())
		_ = s.Verify()
		again, err := parsePayload(known(s.Record()).appendPayload(nil))
		require.NoError(t, err)
		require.Equal(t, known(s.Record()), &again)
		_, err = Parse((&envelope{payload: again.appendPayload(nil), signature: s.signature, publicKey: s.publicKey}).bytes())
		require.NoError(t, err)
	})
}

// known returns r without the addresses of unknown protocols, which only a
// payload that is passed on as it is keeps.
func known(r *Record) *Record {
	k := *r
	k.Addrs = r.Select(0xffff)
	return &k
}

func FuzzParseTrackers(f *testing.F) {
	s, err := SignTrackers(newKey(f, crypto.Ed25519), trackerList(f, 2))
	require.NoError(f, err)
	f.Add(s.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseTrackers(b)
		if err != nil {
			require.ErrorAs(t, err, new(*Error))
			return
		}
		require.Equal(t, b, s.Bytes())
		require.LessOrEqual(t, len(s.Trackers().List), MaxTrackers)
		list := *s.Trackers()
		list.List = nil
		for _, one := range s.Trackers().List {
			r := Record{Addrs: one.Addrs}
			list.List = append(list.List, Tracker{Peer: one.Peer, Addrs: r.Select(0xffff)})
		}
		payload, err := list.payload()
		require.NoError(t, err)
		again, err := ParseTrackers((&envelope{payload: payload}).bytes())
		require.NoError(t, err)
		require.Equal(t, &list, again.Trackers())
	})
}
