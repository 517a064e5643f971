package record

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/fields"
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

func TestAnnouncementsAreCheckedBeforeTheSignature(t *testing.T) {
	key := newKey(t, crypto.Ed25519)
	r := full(t, peerOf(t, key))
	s, err := Sign(key, r)
	require.NoError(t, err)
	other := peerOf(t, newKey(t, crypto.Ed25519))
	requireFault(t, FaultSender, s.CheckAnnounced(other, issued, 0))
	requireFault(t, FaultSequence, s.CheckAnnounced(r.Peer, issued, r.Sequence))
	requireFault(t, FaultSequence, s.CheckAnnounced(r.Peer, issued, r.Sequence+1))
	require.NoError(t, s.CheckAnnounced(r.Peer, issued.Add(MaxSkew), 0))
	require.NoError(t, s.CheckAnnounced(r.Peer, issued.Add(-MaxSkew), 0))
	requireFault(t, FaultSkew, s.CheckAnnounced(r.Peer, issued.Add(MaxSkew+1), 0))
	requireFault(t, FaultSkew, s.CheckAnnounced(r.Peer, issued.Add(-MaxSkew-1), 0))
}

func TestSequencesFarAheadOfTheTimeAreRefused(t *testing.T) {
	key := newKey(t, crypto.Ed25519)
	for sequence, right := range map[uint64]bool{
		uint64(issued.Add(MaxAge).UnixMilli()):     true,
		uint64(issued.Add(MaxAge).UnixMilli()) + 1: false,
		1<<64 - 1: false,
	} {
		r := full(t, peerOf(t, key))
		r.Sequence = sequence
		s, err := Sign(key, r)
		require.NoError(t, err)
		if err = s.CheckAnnounced(r.Peer, issued, 0); right {
			require.NoError(t, err)
			continue
		}
		requireFault(t, FaultSequence, err)
	}
}

func TestRecordsOfTheFarPastAndFutureAreSkewed(t *testing.T) {
	key := newKey(t, crypto.Ed25519)
	for _, at := range []time.Time{time.UnixMilli(0), time.UnixMilli(1<<63 - 1)} {
		r := full(t, peerOf(t, key))
		r.Issued = at
		s, err := Sign(key, r)
		require.NoError(t, err)
		requireFault(t, FaultSkew, s.CheckAnnounced(r.Peer, issued, 0))
		require.Error(t, s.CheckListed(issued))
	}
}

func TestListedRecordsEndADayAfterTheirSignature(t *testing.T) {
	key := newKey(t, crypto.Ed25519)
	r := full(t, peerOf(t, key))
	s, err := Sign(key, r)
	require.NoError(t, err)
	require.NoError(t, s.CheckListed(issued.Add(MaxAge+MaxSkew)))
	requireFault(t, FaultAge, s.CheckListed(issued.Add(MaxAge+MaxSkew+1)))
	requireFault(t, FaultSkew, s.CheckListed(issued.Add(-MaxSkew-1)))
	r.TTL = 0
	s, err = Sign(key, r)
	require.NoError(t, err)
	requireFault(t, FaultAge, s.CheckListed(issued))
	require.NoError(t, s.CheckAnnounced(r.Peer, issued, 0), "a withdrawal is announced")
}

func TestSigningRefusesWhatParsingWould(t *testing.T) {
	key := newKey(t, crypto.Ed25519)
	addr := multiaddr.StringCast("/ip4/192.0.2.1/tcp/1")
	keys, err := NewKeyRanges(KeyRange{"a", "b"})
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		fault  Fault
		change func(*Record)
	}{
		"another peer":       {FaultSigner, func(r *Record) { r.Peer = peerOf(t, newKey(t, crypto.Ed25519)) }},
		"no namespace":       {FaultNamespace, func(r *Record) { r.Namespace = "" }},
		"points and keys":    {FaultKeys, func(r *Record) { r.Keys = keys }},
		"17 addresses":       {FaultAddrs, func(r *Record) { r.Addrs = make([]multiaddr.Multiaddr, MaxAddrs+1) }},
		"an empty address":   {FaultAddrs, func(r *Record) { r.Addrs = []multiaddr.Multiaddr{nil} }},
		"a long address":     {FaultAddrs, func(r *Record) { r.Addrs[0] = multiaddr.StringCast("/dns/" + longName) }},
		"of another peer":    {FaultAddrs, func(r *Record) { r.Addrs[0] = addr.Encapsulate(p2p(peerOf(t, newKey(t, crypto.Ed25519)))) }},
		"issued before 1970": {FaultSkew, func(r *Record) { r.Issued = time.UnixMilli(-1) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := full(t, "")
			tc.change(&r)
			_, err := Sign(key, r)
			requireFault(t, tc.fault, err)
		})
	}
}

func TestSigningTakesThePeerOffItsAddresses(t *testing.T) {
	key := newKey(t, crypto.Ed25519)
	r := full(t, "")
	bare := multiaddr.StringCast("/ip4/192.0.2.1/tcp/1")
	relay := multiaddr.StringCast("/ip4/192.0.2.9/tcp/1").Encapsulate(p2p(peerOf(t, newKey(t, crypto.Ed25519)))).
		Encapsulate(multiaddr.StringCast("/p2p-circuit"))
	id := peerOf(t, key)
	r.Addrs = []multiaddr.Multiaddr{bare.Encapsulate(p2p(id)), relay.Encapsulate(p2p(id))}
	s, err := Sign(key, r)
	require.NoError(t, err)
	require.Equal(t, []multiaddr.Multiaddr{bare, relay}, s.Record().Addrs)
}

func TestSignedRecordsAgainstTheRulesAreRefused(t *testing.T) {
	ed, rsa, ecdsa := newKey(t, crypto.Ed25519), newKey(t, crypto.RSA), newKey(t, crypto.ECDSA)
	sealed := func(key crypto.PrivKey, context string) envelope {
		r := full(t, peerOf(t, key))
		raw, err := seal(key, r.Peer, context, r.appendPayload(nil))
		require.NoError(t, err)
		e, err := open(raw, MaxSigned)
		require.NoError(t, err)
		return e
	}
	for name, tc := range map[string]struct {
		fault  Fault
		key    crypto.PrivKey
		change func(*envelope)
	}{
		"a bit of the payload":   {FaultSignature, ed, func(e *envelope) { e.payload[len(e.payload)-1] ^= 1 }},
		"a bit of the signature": {FaultSignature, ed, func(e *envelope) { e.signature[5] ^= 1 }},
		"no signature":           {FaultSignature, ed, func(e *envelope) { e.signature = nil }},
		"a long signature":       {FaultSignature, ed, func(e *envelope) { e.signature = make([]byte, 4000) }},
		"for another purpose":    {FaultSignature, ed, func(e *envelope) { *e = sealed(ed, trackersContext) }},
		"for no purpose":         {FaultSignature, ed, func(e *envelope) { *e = sealed(ed, "") }},
		"signed by another":      {FaultSignature, ed, func(e *envelope) { e.signature = sealed(newKey(t, crypto.Ed25519), recordContext).signature }},
		"no key":                 {FaultKey, rsa, func(e *envelope) { e.publicKey = nil }},
		"a key that is none":     {FaultKey, rsa, func(e *envelope) { e.publicKey = []byte("key") }},
		"a key over the limit":   {FaultKey, rsa, func(e *envelope) { e.publicKey = make([]byte, maxPublicKey+1) }},
		"the key of another":     {FaultSigner, ecdsa, func(e *envelope) { e.publicKey = sealed(rsa, recordContext).publicKey }},
		"too many bytes":         {FaultSize, ed, func(e *envelope) { e.signature = make([]byte, MaxSigned) }},
		"nothing":                {FaultPeer, ed, func(e *envelope) { *e = envelope{} }},
	} {
		t.Run(name, func(t *testing.T) {
			e := sealed(tc.key, recordContext)
			tc.change(&e)
			s, err := Parse(e.bytes())
			if err == nil {
				err = s.Verify()
			}
			requireFault(t, tc.fault, err)
		})
	}
}

// Whoever parses holds no more of a key than a key has.
func TestLongKeysAreRefusedBeforeTheyAreParsed(t *testing.T) {
	_, err := open((&envelope{publicKey: make([]byte, maxPublicKey)}).bytes(), MaxSigned)
	require.NoError(t, err)
	_, err = open((&envelope{publicKey: make([]byte, maxPublicKey+1)}).bytes(), MaxSigned)
	requireFault(t, FaultKey, err)
}

// bytes encodes the envelope anew.
func (e *envelope) bytes() []byte {
	b := fields.AppendBytes(nil, fieldPayload, e.payload)
	b = fields.AppendBytes(b, fieldSignature, e.signature)
	return fields.AppendBytes(b, fieldPublicKey, e.publicKey)
}

func TestALaterFieldOfAPeerDoesNotChangeWhoSigned(t *testing.T) {
	key, other := newKey(t, crypto.Ed25519), newKey(t, crypto.Ed25519)
	s, err := Sign(key, full(t, ""))
	require.NoError(t, err)
	e := s.envelope
	e.payload = fields.AppendBytes(append([]byte(nil), e.payload...), fieldPeer, string(peerOf(t, other)))
	forged, err := Parse(e.bytes())
	require.NoError(t, err)
	require.Equal(t, peerOf(t, other), forged.Record().Peer)
	requireFault(t, FaultSignature, forged.Verify())
}

func TestWhatWasReceivedIsPassedOnUnchanged(t *testing.T) {
	s, err := Sign(newKey(t, crypto.Ed25519), full(t, ""))
	require.NoError(t, err)
	newer := fields.AppendBytes(append([]byte(nil), s.Bytes()...), 77, "unknown")
	got, err := Parse(newer)
	require.NoError(t, err)
	require.NoError(t, got.Verify())
	require.Equal(t, newer, got.Bytes())
	clear(newer)
	require.NoError(t, got.Verify(), "the bytes are copied")
}

// The longest record fits, so that no limit on a part is one that cannot be reached.
func TestTheLongestRecordFits(t *testing.T) {
	r := full(t, "")
	r.Namespace = Namespace(strings.Repeat("n", MaxNamespace))
	r.Ranges, r.Addrs = Everything, nil
	r.Sequence, r.Roles, r.Capacity = 1<<64-1, 1<<64-1, 1<<32-1
	var keys []KeyRange
	for i := range byte(MaxKeyRanges) {
		pad := strings.Repeat("k", MaxKey-1)
		keys = append(keys, KeyRange{string([]byte{2 * i}) + pad, string([]byte{2*i + 1}) + pad})
	}
	var err error
	r.Keys, err = NewKeyRanges(keys...)
	require.NoError(t, err)
	for range MaxAddrs {
		r.Addrs = append(r.Addrs, multiaddr.StringCast("/dns/"+longName[:MaxAddr-3]))
	}
	s, err := Sign(newKey(t, crypto.RSA), r)
	require.NoError(t, err)
	// A key of 4,096 bits takes seconds to make. It and its signature are longer by
	// 256 bytes each than those of 2,048 bits.
	size := len(s.Bytes()) + 2*256
	require.Less(t, size, MaxSigned)
	require.Greater(t, size, MaxSigned*9/10)
}

// longName is longer than a name in an address may be.
var longName = strings.Repeat("n", MaxAddr+1)

func p2p(id peer.ID) multiaddr.Multiaddr { return multiaddr.StringCast("/p2p/" + id.String()) }
