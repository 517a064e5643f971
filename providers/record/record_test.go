package record

import (
	"math"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/fields"
)

func TestTTLWithdrawsOrIsClamped(t *testing.T) {
	id := peerOf(t, newKey(t, crypto.Ed25519))
	for _, tc := range []struct {
		seconds uint64
		want    time.Duration
	}{
		{0, 0},
		{1, MinTTL},
		{59, MinTTL},
		{61, 61 * time.Second},
		{7200, MaxTTL},
		{7201, MaxTTL},
		{uint64(math.MaxInt64 / time.Second), MaxTTL},
		{uint64(math.MaxInt64/time.Second) + 1, MaxTTL},
		{1 << 63, MaxTTL},
		{1<<63 - 1, MaxTTL},
		{math.MaxUint64, MaxTTL}, // -1 as a varint
	} {
		b := minimal(t, string(id), func(b []byte) []byte { return fields.AppendPresentUint(b, fieldTTL, tc.seconds) })
		r, err := parsePayload(b)
		require.NoError(t, err)
		require.Equal(t, tc.want, r.TTL, "%d s", tc.seconds)
		require.Equal(t, tc.want == 0, r.Withdrawn())
		require.False(t, r.Until(r.Issued).Before(r.Issued), "%d s", tc.seconds)
	}
}

func TestSigningClampsTheTTL(t *testing.T) {
	key := newKey(t, crypto.Ed25519)
	for give, want := range map[time.Duration]time.Duration{
		0: 0, -time.Hour: MinTTL, 1: MinTTL, time.Hour: time.Hour, math.MaxInt64: MaxTTL,
	} {
		r := full(t, peerOf(t, key))
		r.TTL = give
		s, err := Sign(key, r)
		require.NoError(t, err)
		require.Equal(t, want, s.Record().TTL)
	}
}

func TestRowEndsWithItsTTLOrItsSignature(t *testing.T) {
	r := Record{Issued: issued, TTL: time.Hour}
	require.Equal(t, issued.Add(2*time.Hour), r.Until(issued.Add(time.Hour)))
	require.Equal(t, issued.Add(MaxAge), r.Until(issued.Add(MaxAge-time.Minute)), "a touch does not outlast the signature")
	far := Record{Issued: time.UnixMilli(math.MaxInt64), TTL: MaxTTL}
	require.True(t, far.Until(far.Issued).After(far.Issued))
}

func TestNextSequenceGrows(t *testing.T) {
	now := time.UnixMilli(1000)
	require.EqualValues(t, 1000, NextSequence(0, now))
	require.EqualValues(t, 1000, NextSequence(999, now))
	require.EqualValues(t, 1001, NextSequence(1000, now))
	require.EqualValues(t, 5001, NextSequence(5000, now), "a clock that was set back")
	require.EqualValues(t, 1, NextSequence(0, time.UnixMilli(-5)))
}

func TestNextSequencePassesOverWhatNobodyCanHaveStored(t *testing.T) {
	latest := uint64(issued.Add(MaxAge).UnixMilli())
	require.Equal(t, latest, NextSequence(latest-1, issued))
	for _, lie := range []uint64{latest, latest + 1, 1 << 63, math.MaxUint64} {
		require.EqualValues(t, issued.UnixMilli(), NextSequence(lie, issued))
	}
}

func TestRolesKeepBitsWithoutAName(t *testing.T) {
	r := Blocks | 1<<63
	require.True(t, r.Has(Blocks))
	require.True(t, r.Has(0))
	require.False(t, r.Has(Blocks|Sync))
}

// minimal returns a payload of a peer with a namespace, and what more adds.
func minimal(t testing.TB, id string, more func([]byte) []byte) []byte {
	t.Helper()
	b := fields.AppendBytes(nil, fieldPeer, id)
	return more(fields.AppendBytes(b, fieldNamespace, "photos"))
}
