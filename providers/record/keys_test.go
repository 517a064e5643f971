package record

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestKeyRangesAreSortedAndMerged(t *testing.T) {
	for name, tc := range map[string]struct{ give, want []KeyRange }{
		"none":              {nil, nil},
		"all keys":          {[]KeyRange{{"", ""}}, []KeyRange{{"", ""}}},
		"touching":          {[]KeyRange{{"b", "c"}, {"a", "b"}}, []KeyRange{{"a", "c"}}},
		"apart":             {[]KeyRange{{"c", "d"}, {"a", "b"}}, []KeyRange{{"a", "b"}, {"c", "d"}}},
		"without an end":    {[]KeyRange{{"b", ""}, {"a", "c"}, {"x", "y"}}, []KeyRange{{"a", ""}}},
		"one inside":        {[]KeyRange{{"a", "z"}, {"b", "c"}}, []KeyRange{{"a", "z"}}},
		"order is by bytes": {[]KeyRange{{"Z", "a"}, {"\xff", ""}}, []KeyRange{{"Z", "a"}, {"\xff", ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := NewKeyRanges(tc.give...)
			require.NoError(t, err)
			require.Equal(t, tc.want, slices.Collect(r.All()))
			require.Equal(t, len(tc.want) == 0, r.Empty())
		})
	}
}

func TestKeyRangesAgainstTheRulesAreRefused(t *testing.T) {
	var many []KeyRange
	for i := range byte(MaxKeyRanges + 1) {
		many = append(many, KeyRange{string([]byte{2 * i}), string([]byte{2*i + 1})})
	}
	for name, give := range map[string][]KeyRange{
		"empty":           {{"a", "a"}},
		"backwards":       {{"b", "a"}},
		"a long start":    {{strings.Repeat("k", MaxKey+1), ""}},
		"a long end":      {{"", strings.Repeat("k", MaxKey+1)}},
		"more than there": many,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewKeyRanges(give...)
			requireFault(t, FaultKeys, err)
		})
	}
}

// The ranges say the same as asking each that was given.
func TestKeyRangesContainTheirKeys(t *testing.T) {
	key := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 0, 3, -1)
	rapid.Check(t, func(t *rapid.T) {
		give := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) KeyRange {
			from := key.Draw(t, "from")
			return KeyRange{from, rapid.OneOf(rapid.Just(""), rapid.Just(from+"a"), rapid.Just(from+"b")).Draw(t, "to")}
		}), 0, MaxKeyRanges).Draw(t, "ranges")
		r, err := NewKeyRanges(give...)
		require.NoError(t, err)
		for range 20 {
			k := key.Draw(t, "key")
			want := slices.ContainsFunc(give, func(g KeyRange) bool { return k >= g.From && (g.To == "" || k < g.To) })
			require.Equal(t, want, r.Contains(k), "%q in %v", k, give)
		}
	})
}
