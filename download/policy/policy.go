// Package policy says which entries of a collection a node keeps: everything except some,
// or nothing except some. What is named are keys, as bytes, exactly or by a prefix.
package policy

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"sort"
)

// What a policy may hold. Every entry of a collection is looked up in it, and it is kept
// with the collection: at most 1 MiB.
const (
	MaxFilters = 1024
	MaxFilter  = 1024 // bytes; the longest key of a collection
)

// Policy says which keys are covered. The zero value covers everything. It does not
// change, and two that cover the same by the same filters are equal by [Policy.Equal].
//
// Filters are kept in order and without those that others include.
type Policy struct {
	only     bool     // nothing except the filters; otherwise everything except them
	prefixes [][]byte // ascending, none of them begins with another
	exact    [][]byte // ascending, none of them begins with a prefix
}

// Everything returns the policy that covers every key.
func Everything() Policy { return Policy{} }

// Nothing returns the policy that covers no key.
func Nothing() Policy { return Policy{only: true} }

// EverythingExcept returns the policy that covers every key that no filter matches. The
// error names the filter that is wrong.
func EverythingExcept(filters ...Filter) (Policy, error) { return build(false, filters) }

// NothingExcept returns the policy that covers the keys that one of the filters matches.
// The error names the filter that is wrong.
func NothingExcept(filters ...Filter) (Policy, error) { return build(true, filters) }

func build(only bool, filters []Filter) (Policy, error) {
	if len(filters) > MaxFilters {
		return Policy{}, fmt.Errorf("policy with %d filters: at most %d are right", len(filters), MaxFilters)
	}
	p := Policy{only: only}
	for _, f := range filters {
		if err := f.check(); err != nil {
			return Policy{}, err
		}
		if f.exact {
			p.exact = append(p.exact, f.text)
		} else {
			p.prefixes = append(p.prefixes, f.text)
		}
	}
	slices.SortFunc(p.prefixes, bytes.Compare)
	slices.SortFunc(p.exact, bytes.Compare)
	p.prefixes = outermost(p.prefixes)
	p.exact = slices.CompactFunc(p.exact, bytes.Equal)
	p.exact = slices.DeleteFunc(p.exact, p.begins)
	return p, nil
}

// outermost leaves out of ascending prefixes those that begin with another.
func outermost(prefixes [][]byte) [][]byte {
	kept := prefixes[:0]
	for _, p := range prefixes {
		if last := len(kept) - 1; last < 0 || !bytes.HasPrefix(p, kept[last]) {
			kept = append(kept, p)
		}
	}
	return kept
}

// Covers reports whether a key is covered. It takes two binary searches, however many
// filters there are.
func (p Policy) Covers(key []byte) bool {
	if p.begins(key) {
		return p.only
	}
	_, named := slices.BinarySearchFunc(p.exact, key, bytes.Compare)
	return named == p.only
}

// Reaches reports whether a key that begins with a prefix may be covered. When it returns
// false none is.
func (p Policy) Reaches(prefix []byte) bool {
	if p.begins(prefix) {
		return p.only
	}
	return !p.only || anyBegins(p.prefixes, prefix) || anyBegins(p.exact, prefix)
}

// anyBegins reports whether one of ascending texts begins with a prefix.
func anyBegins(texts [][]byte, prefix []byte) bool {
	i, _ := slices.BinarySearchFunc(texts, prefix, bytes.Compare)
	return i < len(texts) && bytes.HasPrefix(texts[i], prefix)
}

// begins reports whether a key begins with one of the prefixes. Only the last that is not
// above the key can be it: one between that and the key would begin with it, too.
func (p Policy) begins(key []byte) bool {
	after := sort.Search(len(p.prefixes), func(i int) bool { return bytes.Compare(p.prefixes[i], key) > 0 })
	return after > 0 && bytes.HasPrefix(key, p.prefixes[after-1])
}

// Filters yields the filters, those of a prefix first.
func (p Policy) Filters() iter.Seq[Filter] {
	return func(yield func(Filter) bool) {
		for _, text := range p.prefixes {
			if !yield(Prefix(text)) {
				return
			}
		}
		for _, text := range p.exact {
			if !yield(Exact(text)) {
				return
			}
		}
	}
}

// Equal reports whether two policies are of the same kind and have the same filters.
func (p Policy) Equal(q Policy) bool {
	return p.only == q.only && slices.EqualFunc(p.prefixes, q.prefixes, bytes.Equal) &&
		slices.EqualFunc(p.exact, q.exact, bytes.Equal)
}
