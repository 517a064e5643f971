package wire

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/test/pages"
)

func readPage(t *testing.T) string { return pages.Read(t, "tracker-protocol.md") }

// exampleKey returns the key of the page's examples, and its seed.
func exampleKey(t *testing.T) (crypto.PrivKey, []byte) {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(i)
	}
	key, _, err := crypto.GenerateEd25519Key(bytes.NewReader(seed))
	require.NoError(t, err)
	return key, seed
}

func exampleRecord(t *testing.T) record.Record {
	ranges, err := record.NewRanges(record.Range{From: 0x1000, To: 0x1fff})
	require.NoError(t, err)
	return record.Record{
		Namespace: "photos", Ranges: ranges, Complete: true, Roles: record.Blocks, Capacity: 2048,
		Addrs:    []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/192.0.2.1/udp/4001/quic-v1")},
		Sequence: 1790000000123, Issued: time.UnixMilli(1790000000123), TTL: time.Hour,
	}
}

// examples returns what the page shows, by the names under which it does.
func examples(t *testing.T) map[string][]byte {
	key, _ := exampleKey(t)
	r := exampleRecord(t)
	announced, err := record.Sign(key, r)
	require.NoError(t, err)
	r.Sequence, r.Issued, r.TTL, r.Addrs = r.Sequence+1000, r.Issued.Add(time.Second), 0, nil
	withdrawn, err := record.Sign(key, r)
	require.NoError(t, err)
	tracker := record.Tracker{Peer: announced.Record().Peer, Addrs: announced.Record().Addrs}
	list, err := record.SignTrackers(key, record.Trackers{List: []record.Tracker{tracker}, Sequence: 1, Issued: announced.Record().Issued})
	require.NoError(t, err)

	shown := map[string][]byte{"signed record": announced.Bytes(), "withdrawal": withdrawn.Bytes(), "signed list": list.Bytes()}
	for name, m := range map[string]Message{
		"announce": &Announce{ID: 1, Record: announced.Bytes()},
		"receipt":  &Receipt{ID: 1, Refusals: []Refusal{{Code: CodeSequence, Stored: 1790000000123}}},
		"touch":    &Touch{ID: 2, Rows: []Touched{{Namespace: "photos", Sequence: 1790000000123}}},
		"query":    &Query{ID: 3, About: About{Namespace: "photos", Point: point(0x1234), Roles: record.Blocks}, K: 8},
		"reply":    &Reply{ID: 3, Rows: []Row{{Record: announced.Bytes(), Verified: 1, Age: time.Minute, Score: ScoreGood}}, Token: []byte("token")},
		"feedback": &Feedback{Token: []byte("token"), Peers: []Judgement{{Peer: tracker.Peer, Outcome: OutcomeServed}}},
	} {
		frame, err := AppendFrame(nil, m)
		require.NoError(t, err)
		shown[name] = frame
	}
	return shown
}

func TestThePageShowsWhatIsWritten(t *testing.T) {
	want, got := examples(t), pages.Blocks(t, readPage(t))
	for name, b := range want {
		require.Equal(t, hex.EncodeToString(b), hex.EncodeToString(got[name]), "example %s", name)
	}
	require.Len(t, got, len(want)+3, "and the payload, and two weights that are the tracker's")
}

// The signature is checked with nothing but what the page says of it.
func TestThePageSaysWhatIsSigned(t *testing.T) {
	_, seed := exampleKey(t)
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	shown := pages.Blocks(t, readPage(t))
	payload, signed := shown["payload"], shown["signed record"]
	signature := signed[len(signed)-ed25519.SignatureSize:]
	require.True(t, ed25519.Verify(public, append([]byte("souk-provider-record:"), payload...), signature))
	require.Contains(t, readPage(t), "souk-provider-record:")
	require.Contains(t, readPage(t), "souk-tracker-list:")
	require.True(t, bytes.HasPrefix(signed[2:], payload))
	id, err := peer.IDFromBytes(payload[2 : 2+38])
	require.NoError(t, err)
	require.Contains(t, readPage(t), id.String())
}

func TestThePageHasTheNumbers(t *testing.T) {
	text := readPage(t)
	pages.RequireRows(t, text, map[string]any{
		"bytes of a frame from a client": MaxRequest, "bytes of a frame from a tracker": MaxReply,
		"bytes of a signed record": record.MaxSigned, "bytes of a signed list": record.MaxSignedTrackers,
		"bytes of a namespace": record.MaxNamespace, "ranges in a record": record.MaxRanges,
		"key ranges in a record": record.MaxKeyRanges, "bytes of a key": record.MaxKey,
		"addresses of a record": record.MaxAddrs, "bytes of an address": record.MaxAddr,
		"unverified addresses that a tracker keeps": record.MaxUnverified,
		"trackers in a list":                        record.MaxTrackers, "addresses of a tracker": record.MaxTrackerAddrs,
		"rows in a reply or a notice": MaxRows, "rows in a touch": MaxTouches, "refusals in a receipt": MaxRefusals,
		"peers in feedback": MaxJudgements, "samples for a peer": MaxSamples, "bytes of a token": MaxToken,
		"subscriptions on a stream": MaxSubscriptions, "bytes of a peer": record.MaxPeer,
		"TTL in seconds, least": record.MinTTL.Seconds(), "TTL in seconds, most": record.MaxTTL.Seconds(),
		"skew in seconds": record.MaxSkew.Seconds(), "age of a signature in seconds": record.MaxAge.Seconds(),
		"idle stream in seconds": Idle.Seconds(),
	})
	for k := KindAnnounce; k <= KindTrackers; k++ {
		require.Contains(t, text, fmt.Sprintf("\n| %d | %s | %s |", k, k, map[bool]string{false: "client", true: "tracker"}[k.FromTracker()]))
	}
	for c := range Code(NumCodes) {
		require.Contains(t, text, fmt.Sprintf("\n| %d | %s |", c, c))
	}
	require.Contains(t, text, Protocol)
}
