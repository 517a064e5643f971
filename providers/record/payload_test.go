package record

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/internal/fields"
)

// times appends one field n times.
func times(n int, num protowire.Number, value []byte) func([]byte) []byte {
	return func(b []byte) []byte {
		for range n {
			b = fields.AppendPresentBytes(b, num, value)
		}
		return b
	}
}

func TestPayloadsAgainstTheRulesAreRefused(t *testing.T) {
	id := peerOf(t, newKey(t, crypto.Ed25519))
	other := peerOf(t, newKey(t, crypto.Ed25519))
	addr := func(s string) []byte { return multiaddr.StringCast(s).Bytes() }
	uint := func(num protowire.Number, v uint64) func([]byte) []byte {
		return func(b []byte) []byte { return fields.AppendPresentUint(b, num, v) }
	}
	rows := map[string]struct {
		fault Fault
		more  func([]byte) []byte
	}{
		"a broken tag":          {FaultEncoding, func(b []byte) []byte { return append(b, 0x00) }},
		"a group":               {FaultEncoding, func(b []byte) []byte { return protowire.AppendTag(b, 20, protowire.StartGroupType) }},
		"a cut field":           {FaultEncoding, func(b []byte) []byte { return append(protowire.AppendTag(b, 11, protowire.BytesType), 200, 1) }},
		"a varint of 11 bytes":  {FaultEncoding, func(b []byte) []byte { return append(b, append([]byte{0x28}, bytes.Repeat([]byte{0xff}, 11)...)...) }},
		"bytes for a number":    {FaultEncoding, times(1, fieldTTL, []byte("x"))},
		"a number for bytes":    {FaultEncoding, uint(fieldNamespace, 1)},
		"no peer":               {FaultPeer, times(1, fieldPeer, nil)},
		"a peer that is none":   {FaultPeer, times(1, fieldPeer, []byte("nobody"))},
		"a peer of a megabyte":  {FaultPeer, times(1, fieldPeer, make([]byte, 1<<20))},
		"an empty namespace":    {FaultNamespace, times(1, fieldNamespace, nil)},
		"a namespace of 1 MiB":  {FaultNamespace, times(1, fieldNamespace, make([]byte, 1<<20))},
		"issued in 2^63 ms":     {FaultSkew, uint(fieldIssued, 1<<63)},
		"issued at -1":          {FaultSkew, uint(fieldIssued, math.MaxUint64)},
		"three bytes of ranges": {FaultRanges, times(1, fieldRanges, []byte{1, 2, 3})},
		"65 ranges":             {FaultRanges, times(1, fieldRanges, make([]byte, 65*4))},
		"65 ranges in two pieces": {FaultRanges, func(b []byte) []byte {
			return times(1, fieldRanges, make([]byte, 4))(times(1, fieldRanges, make([]byte, 64*4))(b))
		}},
		"a range that runs back":  {FaultRanges, times(1, fieldRanges, []byte{1, 0, 2, 0})},
		"17 key ranges":           {FaultKeys, times(17, fieldKeys, nil)},
		"an empty key range":      {FaultKeys, times(1, fieldKeys, []byte{0x0a, 1, 'a', 0x12, 1, 'a'})},
		"a bound of 65 bytes":     {FaultKeys, times(1, fieldKeys, fields.AppendBytes(nil, fieldKeyFrom, make([]byte, 65)))},
		"points and keys":         {FaultKeys, func(b []byte) []byte { return times(1, fieldKeys, nil)(times(1, fieldRanges, make([]byte, 4))(b)) }},
		"17 addresses":            {FaultAddrs, times(17, fieldAddrs, addr("/ip4/192.0.2.1/tcp/1"))},
		"10,000 addresses":        {FaultAddrs, times(10_000, fieldAddrs, addr("/ip4/192.0.2.1/tcp/1"))},
		"an address of 257 bytes": {FaultAddrs, times(1, fieldAddrs, make([]byte, 257))},
		"an address of a victim":  {FaultAddrs, times(1, fieldAddrs, addr("/ip4/192.0.2.1/tcp/1/p2p/"+other.String()))},
		"an address without host": {FaultAddrs, times(1, fieldAddrs, addr("/p2p/"+id.String()))},
	}
	for name, tc := range rows {
		t.Run(name, func(t *testing.T) {
			_, err := parsePayload(minimal(t, string(id), tc.more))
			requireFault(t, tc.fault, err)
		})
	}
}

func TestUnknownFieldsArePassedOver(t *testing.T) {
	id := peerOf(t, newKey(t, crypto.Ed25519))
	r, err := parsePayload(minimal(t, string(id), func(b []byte) []byte {
		b = fields.AppendPresentUint(b, 100, 1)
		b = protowire.AppendFixed64(protowire.AppendTag(b, 101, protowire.Fixed64Type), 1)
		b = protowire.AppendFixed32(protowire.AppendTag(b, 102, protowire.Fixed32Type), 1)
		return fields.AppendBytes(b, 103, "new")
	}))
	require.NoError(t, err)
	require.Equal(t, Record{Peer: id, Namespace: "photos", Issued: time.UnixMilli(0)}, r)
}

func TestAddressesOfUnknownProtocolsKeepTheirPosition(t *testing.T) {
	id := peerOf(t, newKey(t, crypto.Ed25519))
	known := multiaddr.StringCast("/ip4/192.0.2.1/tcp/1")
	r, err := parsePayload(minimal(t, string(id), func(b []byte) []byte {
		b = fields.AppendBytes(b, fieldAddrs, []byte{0xff, 0xff, 0x7f, 1})
		return fields.AppendBytes(b, fieldAddrs, known.Bytes())
	}))
	require.NoError(t, err)
	require.Len(t, r.Addrs, 2)
	require.Empty(t, r.Addrs[0])
	require.Equal(t, []multiaddr.Multiaddr{known}, r.Select(0b11))
	require.Empty(t, r.Select(0b01))
}

func TestCapacityBeyond32BitsIsTheMost(t *testing.T) {
	id := peerOf(t, newKey(t, crypto.Ed25519))
	r, err := parsePayload(minimal(t, string(id), func(b []byte) []byte {
		return fields.AppendUint(b, fieldCapacity, math.MaxUint64)
	}))
	require.NoError(t, err)
	require.EqualValues(t, uint32(math.MaxUint32), r.Capacity)
}

// records draws records that follow the rules.
func records(id peer.ID) *rapid.Generator[Record] {
	return rapid.Custom(func(t *rapid.T) Record {
		r := Record{
			Peer:      id,
			Namespace: Namespace(rapid.StringMatching(`[a-zäß/]{1,40}`).Draw(t, "namespace")),
			Complete:  rapid.Bool().Draw(t, "complete"),
			Roles:     Roles(rapid.Uint64().Draw(t, "roles")),
			Capacity:  rapid.Uint32().Draw(t, "capacity"),
			Sequence:  rapid.Uint64().Draw(t, "sequence"),
			Issued:    time.UnixMilli(rapid.Int64Min(0).Draw(t, "issued")),
			TTL:       rapid.SampledFrom([]time.Duration{0, MinTTL, DefaultTTL, MaxTTL}).Draw(t, "ttl"),
		}
		for _, port := range rapid.SliceOfN(rapid.SampledFrom([]string{"1", "443", "65535"}), 0, MaxAddrs).Draw(t, "ports") {
			r.Addrs = append(r.Addrs, multiaddr.StringCast("/ip6/2001:db8::1/tcp/"+port))
		}
		r.drawPart(t)
		return r
	})
}

func (r *Record) drawPart(t *rapid.T) {
	froms := rapid.SliceOfN(rapid.Uint16(), 0, 16).Draw(t, "starts")
	if rapid.Bool().Draw(t, "keys") {
		var keys []KeyRange
		for _, f := range froms {
			keys = append(keys, KeyRange{From: string([]byte{byte(f)}), To: string([]byte{byte(f), byte(f >> 8)})})
		}
		r.Keys, _ = NewKeyRanges(keys...)
		return
	}
	var ranges []Range
	for _, f := range froms {
		ranges = append(ranges, Range{Point(f), Point(f) | 0xf})
	}
	r.Ranges, _ = NewRanges(ranges...)
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	id := peerOf(t, newKey(t, crypto.Ed25519))
	rapid.Check(t, func(t *rapid.T) {
		r := records(id).Draw(t, "record")
		got, err := parsePayload(r.appendPayload(nil))
		require.NoError(t, err)
		require.Equal(t, r, got)
	})
}
