package policy_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/download/policy"
)

// keys are of few bytes, so that prefixes meet, and of those at the end of the range.
var keys = rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 'b', 0xfe, 0xff}), 1, 4)

var filters = rapid.Custom(func(t *rapid.T) policy.Filter {
	key := keys.Draw(t, "key")
	if rapid.Bool().Draw(t, "exact") {
		return policy.Exact(key)
	}
	return policy.Prefix(key)
})

// drawn is a policy and the filters that it was made of.
func drawn(t *rapid.T) (p policy.Policy, only bool, of []policy.Filter) {
	of = rapid.SliceOfN(filters, 0, 8).Draw(t, "filters")
	make := policy.EverythingExcept
	if only = rapid.Bool().Draw(t, "only"); only {
		make = policy.NothingExcept
	}
	p, err := make(of...)
	require.NoError(t, err)
	return p, only, of
}

func TestAPolicyCoversWhatItsFiltersSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, only, of := drawn(t)
		key := keys.Draw(t, "asked")
		named := slices.ContainsFunc(of, func(f policy.Filter) bool { return f.Matches(key) })
		require.Equal(t, named == only, p.Covers(key))
	})
}

func TestRangesAreWhatIsCoveredInOrderAndApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _, _ := drawn(t)
		key, from := keys.Draw(t, "asked"), rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "from")
		inside := 0
		var last []byte
		for i, r := range p.Ranges(from) {
			require.True(t, i == 0 || last != nil && bytes.Compare(last, r.From) < 0, "ranges lie apart and in order")
			require.True(t, r.To == nil || bytes.Compare(r.From, r.To) < 0, "no range is empty")
			if last = r.To; bytes.Compare(key, r.From) >= 0 && (r.To == nil || bytes.Compare(key, r.To) < 0) {
				inside++
			}
		}
		require.Equal(t, p.Covers(key) && bytes.Compare(key, from) >= 0, inside == 1)
	})
}

func TestAPolicyReachesTheBeginOfEveryKeyThatItCovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, only, _ := drawn(t)
		key := keys.Draw(t, "key")
		prefix := key[:rapid.IntRange(0, len(key)).Draw(t, "length")]
		require.True(t, !p.Covers(key) || p.Reaches(prefix))
		inside := slices.ContainsFunc(p.Ranges(prefix), func(r policy.Range) bool { return bytes.HasPrefix(r.From, prefix) })
		if only {
			require.Equal(t, inside, p.Reaches(prefix))
		}
	})
}

func TestAPolicyIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _, _ := drawn(t)
		var got policy.Policy
		text, err := p.MarshalText()
		require.NoError(t, err)
		require.NoError(t, got.UnmarshalText(text))
		require.True(t, p.Equal(got), "%s was read as %s", text, got)

		got, err = policy.Parse(p.Parts()...)
		require.NoError(t, err)
		require.True(t, p.Equal(got))

		data, err := p.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, got.UnmarshalBinary(data))
		require.True(t, p.Equal(got))
	})
}

func TestTextsOfPolicies(t *testing.T) {
	for _, c := range []struct{ parts, line string }{
		{"everything", "everything"},
		{"nothing", "nothing"},
		{"nothing-except|prefix:utf8:photos/2024", "nothing-except prefix:utf8:photos/2024"},
		{"everything-except|prefix:hex:00ff", "everything-except prefix:hex:00ff"},
		{"everything-except|prefix:hex:70|exact:utf8:a:b", "everything-except prefix:utf8:p exact:utf8:a:b"},
		{"nothing-except|exact:utf8:my file.txt", "nothing-except exact:hex:6d792066696c652e747874"},
		{"nothing-except|prefix:utf8:ab|prefix:utf8:a|exact:utf8:abc|exact:utf8:b|exact:utf8:b", "nothing-except prefix:utf8:a exact:utf8:b"},
		{"nothing-except|prefix:hex:e280ae", "nothing-except prefix:hex:e280ae"}, // a sign that turns text around
	} {
		p, err := policy.Parse(strings.Split(c.parts, "|")...)
		require.NoError(t, err, c.parts)
		require.Equal(t, c.line, p.String())
	}
	p, err := policy.Parse("nothing-except", "exact:utf8:my file.txt")
	require.NoError(t, err)
	require.Equal(t, []string{"nothing-except", "exact:utf8:my file.txt"}, p.Parts())
}

func TestASummaryOfAPolicyIsShort(t *testing.T) {
	p, err := policy.NothingExcept(policy.Prefix([]byte("a")), policy.Exact([]byte("b")))
	require.NoError(t, err)
	require.Equal(t, p.String(), p.Summary(len(p.String())))
	require.Equal(t, "nothing-except, 2 filters", p.Summary(len(p.String())-1))
	require.Equal(t, "everything", policy.Everything().Summary(60))
}

func TestWhatIsNoPolicyIsNamed(t *testing.T) {
	many := append([]string{"nothing-except"}, slices.Repeat([]string{"exact:utf8:a"}, policy.MaxFilters+1)...)
	for _, c := range []struct {
		parts []string
		says  string
	}{
		{nil, "no policy"},
		{[]string{"all"}, `policy "all": everything, nothing`},
		{[]string{""}, `policy ""`},
		{[]string{"everything", "prefix:utf8:a"}, `say "everything-except"`},
		{[]string{"nothing-except"}, `say "nothing", or add filters`},
		{[]string{"everything-except"}, `say "everything"`},
		{[]string{"nothing-except", "photos/"}, `filter "photos/": prefix:utf8:TEXT`},
		{[]string{"nothing-except", "suffix:utf8:a"}, `filter "suffix:utf8:a"`},
		{[]string{"nothing-except", "exact:utf16:a"}, `filter "exact:utf16:a"`},
		{[]string{"nothing-except", "exact:hex:0g"}, `filter "exact:hex:0g": encoding/hex: invalid byte`},
		{[]string{"nothing-except", "prefix:utf8:"}, `say "everything" or "nothing"`},
		{[]string{"nothing-except", "exact:hex:"}, "no key is empty"},
		{[]string{"nothing-except", "exact:utf8:" + strings.Repeat("x", policy.MaxFilter+1)}, "at most 1024 are right"},
		{many, "policy with 1025 filters"},
	} {
		_, err := policy.Parse(c.parts...)
		require.ErrorContains(t, err, c.says)
		require.Less(t, len(err.Error()), 300, "an error does not repeat a page")
	}
}

func TestDefaultIsEverything(t *testing.T) {
	var p policy.Policy
	require.True(t, p.Equal(policy.Everything()))
	require.True(t, p.Covers([]byte("a")))
	require.False(t, policy.Nothing().Covers([]byte("a")))
	require.Empty(t, policy.Nothing().Ranges(nil))
	require.Len(t, p.Ranges(nil), 1)
}

// What is kept of a policy may be damaged, and what comes from others may be anything.
func FuzzUnmarshal(f *testing.F) {
	for _, parts := range [][]string{{"everything"}, {"nothing-except", "prefix:utf8:a", "exact:hex:00ff"}} {
		p, err := policy.Parse(parts...)
		require.NoError(f, err)
		data, err := p.MarshalBinary()
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add(bytes.Repeat([]byte{1}, 3*policy.MaxFilters+9))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p, again policy.Policy
		if p.UnmarshalBinary(data) == nil {
			out, err := p.MarshalBinary()
			require.NoError(t, err)
			require.LessOrEqual(t, len(out), len(data))
			require.NoError(t, again.UnmarshalBinary(out))
			require.True(t, p.Equal(again))
		}
		if p.UnmarshalText(data) == nil {
			require.NoError(t, again.UnmarshalText([]byte(p.String())))
			require.True(t, p.Equal(again), "%q was printed as %q", data, p)
		}
	})
}

// A key is looked up in 2 × 10 steps among a thousand filters.
func BenchmarkCovers(b *testing.B) {
	for _, n := range []int{1, policy.MaxFilters} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			of := make([]policy.Filter, n)
			for i := range of {
				if of[i] = policy.Prefix(fmt.Appendf(nil, "photos/%06d/", i)); i%2 == 1 {
					of[i] = policy.Exact(fmt.Appendf(nil, "photos/%06d", i))
				}
			}
			p, err := policy.NothingExcept(of...)
			require.NoError(b, err)
			key := fmt.Appendf(nil, "photos/%06d/picture.jpg", rand.IntN(n))
			for b.Loop() {
				p.Covers(key)
			}
		})
	}
}
