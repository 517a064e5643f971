package record

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
)

var issued = time.UnixMilli(1_790_000_000_123)

func newKey(t testing.TB, kind int) crypto.PrivKey {
	key, _, err := crypto.GenerateKeyPairWithReader(kind, 2048, rand.Reader)
	require.NoError(t, err)
	return key
}

func peerOf(t testing.TB, key crypto.PrivKey) peer.ID {
	id, err := peer.IDFromPrivateKey(key)
	require.NoError(t, err)
	return id
}

// full returns a record with every field.
func full(t testing.TB, id peer.ID) Record {
	ranges, err := NewRanges(Range{0x1000, 0x1fff}, Range{0x8000, 0x8000})
	require.NoError(t, err)
	return Record{
		Peer: id, Namespace: "photos", Ranges: ranges,
		Complete: true, Roles: Blocks | Sync | 1<<40, Capacity: 2048,
		Addrs:    []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/192.0.2.1/udp/4001/quic-v1")},
		Sequence: 7, Issued: issued, TTL: DefaultTTL,
	}
}

func requireFault(t testing.TB, want Fault, err error) {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, want, e.Fault, "%v", err)
}

func TestEveryKindOfKeySigns(t *testing.T) {
	for name, kind := range map[string]int{
		"Ed25519": crypto.Ed25519, "secp256k1": crypto.Secp256k1, "ECDSA": crypto.ECDSA, "RSA": crypto.RSA,
	} {
		t.Run(name, func(t *testing.T) {
			key := newKey(t, kind)
			r := full(t, peerOf(t, key))
			s, err := Sign(key, r)
			require.NoError(t, err)
			got, err := Parse(s.Bytes())
			require.NoError(t, err)
			require.NoError(t, got.Verify())
			require.NoError(t, got.CheckAnnounced(r.Peer, issued, r.Sequence-1))
			require.NoError(t, got.CheckListed(issued))
			require.Equal(t, &r, got.Record())
			require.Equal(t, s.Bytes(), got.Bytes())
			require.Equal(t, kind == crypto.ECDSA || kind == crypto.RSA, len(got.publicKey) > 0)
		})
	}
}
