package policy

import (
	"bytes"
	"slices"
)

// Range is the keys from one on, and below another. Without an end there is none.
type Range struct{ From, To []byte }

// Ranges returns what is covered of the keys from one on: ranges in the order of keys,
// with something not covered between any two. A scan that goes through them, and through
// nothing else, meets all that is covered and nothing that is not.
func (p Policy) Ranges(from []byte) []Range {
	ranges := p.filtered()
	if !p.only {
		ranges = complement(ranges)
	}
	first := slices.IndexFunc(ranges, func(r Range) bool { return r.To == nil || bytes.Compare(r.To, from) > 0 })
	if first < 0 {
		return nil
	}
	ranges = ranges[first:]
	if bytes.Compare(ranges[0].From, from) < 0 {
		ranges[0].From = from
	}
	return ranges
}

// filtered are the ranges of the keys that filters match.
func (p Policy) filtered() []Range {
	all := make([]Range, 0, len(p.prefixes)+len(p.exact))
	for f := range p.Filters() {
		all = append(all, f.keys())
	}
	slices.SortFunc(all, func(a, b Range) int { return bytes.Compare(a.From, b.From) })
	joined := all[:0]
	for _, r := range all {
		if last := len(joined) - 1; last >= 0 && bytes.Equal(joined[last].To, r.From) {
			joined[last].To = r.To
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// complement is what lies between ranges, before and behind them.
func complement(ranges []Range) []Range {
	var between []Range
	from := []byte{}
	for _, r := range ranges {
		if !bytes.Equal(from, r.From) {
			between = append(between, Range{From: from, To: r.From})
		}
		if r.To == nil {
			return between
		}
		from = r.To
	}
	return append(between, Range{From: from})
}

// keys are those that a filter matches.
func (f Filter) keys() Range {
	if f.exact {
		return Range{From: f.text, To: append(bytes.Clone(f.text), 0)}
	}
	return Range{From: f.text, To: Behind(f.text)}
}

// Behind returns the first key that is above every key with a prefix, and nil when there
// is none.
func Behind(prefix []byte) []byte {
	for n := len(prefix); n > 0; n-- {
		if prefix[n-1] != 0xff {
			above := bytes.Clone(prefix[:n])
			above[n-1]++
			return above
		}
	}
	return nil
}
