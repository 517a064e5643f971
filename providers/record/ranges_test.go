package record

import (
	"slices"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRangesAreSortedAndMerged(t *testing.T) {
	for name, tc := range map[string]struct{ give, want []Range }{
		"none is everything":       {nil, nil},
		"all points":               {[]Range{{0, 0xffff}}, nil},
		"halves that touch":        {[]Range{{0x8000, 0xffff}, {0, 0x7fff}}, nil},
		"one point":                {[]Range{{7, 7}}, []Range{{7, 7}}},
		"touching":                 {[]Range{{8, 9}, {1, 7}}, []Range{{1, 9}}},
		"a hole of one":            {[]Range{{9, 9}, {1, 7}}, []Range{{1, 7}, {9, 9}}},
		"one inside of another":    {[]Range{{1, 100}, {5, 6}, {50, 101}}, []Range{{1, 101}}},
		"the end of the points":    {[]Range{{0xffff, 0xffff}, {0xfff0, 0xfffe}}, []Range{{0xfff0, 0xffff}}},
		"everything and one point": {[]Range{{3, 3}, {0, 0xffff}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(tc.give)
			r, err := NewRanges(tc.give...)
			require.NoError(t, err)
			require.Equal(t, tc.want, slices.Collect(r.All()))
			require.Equal(t, before, tc.give, "what was given is not changed")
		})
	}
}

func TestTooManyRangesAreRefusedAfterMerging(t *testing.T) {
	var apart, touching []Range
	for i := range Point(MaxRanges + 1) {
		apart = append(apart, Range{2 * i, 2 * i})
		touching = append(touching, Range{i, i})
	}
	_, err := NewRanges(apart...)
	requireFault(t, FaultRanges, err)
	_, err = NewRanges(apart[1:]...)
	require.NoError(t, err)
	_, err = NewRanges(touching...)
	require.NoError(t, err)
	_, err = NewRanges(Range{2, 1})
	requireFault(t, FaultRanges, err)
}

// The ranges say the same as a list of all points.
func TestRangesContainTheirPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var held [1 << 16]bool
		give := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Range {
			from := rapid.Uint16().Draw(t, "from")
			to := rapid.Uint16Range(from, from+min(0xffff-from, 600)).Draw(t, "to")
			return Range{Point(from), Point(to)}
		}), 1, MaxRanges).Draw(t, "ranges")
		for _, r := range give {
			for p := int(r.From); p <= int(r.To); p++ {
				held[p] = true
			}
		}
		r, err := NewRanges(give...)
		require.NoError(t, err)
		var shards []Shard
		for p, want := range held {
			if got := r.Contains(Point(p)); got != want {
				t.Fatalf("contains %04x: %v, want %v", p, got, want)
			}
			if s := Point(p).Shard(); want && (len(shards) == 0 || shards[len(shards)-1] != s) {
				shards = append(shards, s)
			}
		}
		require.Equal(t, shards, slices.Collect(r.Shards()))
		require.Equal(t, len(shards) <= 8, r.Narrow())
	})
}

func TestEverythingIsWide(t *testing.T) {
	require.True(t, Everything.Contains(0))
	require.True(t, Everything.Contains(0xffff))
	require.False(t, Everything.Narrow())
	require.Len(t, slices.Collect(Everything.Shards()), 256)
}

func TestNarrowIsAtMostEightShards(t *testing.T) {
	eight, err := NewRanges(Range{0x10ff, 0x17ff})
	require.NoError(t, err)
	require.True(t, eight.Narrow())
	nine, err := NewRanges(Range{0x10ff, 0x1800})
	require.NoError(t, err)
	require.False(t, nine.Narrow())
}

func TestPointIsTheHeadOfTheDigest(t *testing.T) {
	for name, tc := range map[string]struct {
		digest []byte
		want   Point
	}{
		"long":  {[]byte{0xab, 0xcd, 0xef}, 0xabcd},
		"short": {[]byte{0xab}, 0xab00},
		"empty": {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			mh, err := multihash.Encode(tc.digest, multihash.IDENTITY)
			require.NoError(t, err)
			p, ok := PointOf(cid.NewCidV1(cid.Raw, mh))
			require.True(t, ok)
			require.Equal(t, tc.want, p)
		})
	}
	_, ok := PointOf(cid.Undef)
	require.False(t, ok)
	mh, err := multihash.Sum([]byte("hello"), multihash.SHA2_256, -1)
	require.NoError(t, err)
	v0, _ := PointOf(cid.NewCidV0(mh))
	v1, _ := PointOf(cid.NewCidV1(cid.Raw, mh))
	require.Equal(t, Point(0x2cf2), v0)
	require.Equal(t, v0, v1, "the codec does not move a block")
}
