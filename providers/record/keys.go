package record

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
)

// What key ranges may be.
const (
	MaxKeyRanges = 16 // in a record; with bounds of full length they are 2 KiB
	MaxKey       = 64 // bytes of a bound, and of the key in a query: a digest in text
)

// KeyRange is the keys from From to below To in the order of their bytes. An
// empty To means that there is no end.
type KeyRange struct{ From, To string }

func (r KeyRange) String() string { return fmt.Sprintf("[%q, %q)", r.From, r.To) }

func (r KeyRange) check() error {
	switch {
	case len(r.From) > MaxKey || len(r.To) > MaxKey:
		return refuse(FaultKeys, "key range %.80s: bounds of at most %d bytes are right", r, MaxKey)
	case r.To != "" && r.From >= r.To:
		return refuse(FaultKeys, "key range %s: a start below the end is right", r)
	}
	return nil
}

// KeyRanges is the part of a namespace whose keys are not CIDs that a provider
// holds: at most [MaxKeyRanges] ranges in order, none of which touches another.
// The zero KeyRanges says nothing about keys.
type KeyRanges struct{ list []KeyRange }

// NewKeyRanges returns the union of the ranges. An [*Error] with [FaultKeys] says
// that one is empty or has too long a bound, or that more than [MaxKeyRanges]
// remain when those that touch are one.
func NewKeyRanges(ranges ...KeyRange) (KeyRanges, error) {
	for _, r := range ranges {
		if err := r.check(); err != nil {
			return KeyRanges{}, err
		}
	}
	list := slices.Clone(ranges)
	slices.SortFunc(list, func(a, b KeyRange) int { return cmp.Compare(a.From, b.From) })
	list = mergedKeys(list)
	if len(list) > MaxKeyRanges {
		return KeyRanges{}, refuse(FaultKeys, "%d key ranges: at most %d are right", len(list), MaxKeyRanges)
	}
	if len(list) == 0 {
		return KeyRanges{}, nil
	}
	return KeyRanges{list}, nil
}

// mergedKeys makes one range of those that touch or overlap, in place. They are
// sorted by their start.
func mergedKeys(list []KeyRange) []KeyRange {
	out := list[:0]
	for _, r := range list {
		last := len(out) - 1
		switch {
		case last < 0 || out[last].To != "" && r.From > out[last].To:
			out = append(out, r)
		case r.To == "" || out[last].To == "":
			out[last].To = ""
		default:
			out[last].To = max(out[last].To, r.To)
		}
	}
	return out
}

// Empty reports whether there is no range.
func (r KeyRanges) Empty() bool { return len(r.list) == 0 }

// All returns the ranges in order.
func (r KeyRanges) All() iter.Seq[KeyRange] { return slices.Values(r.list) }

// Contains reports whether key lies in one of the ranges.
func (r KeyRanges) Contains(key string) bool {
	i, at := slices.BinarySearchFunc(r.list, key, func(have KeyRange, key string) int { return cmp.Compare(have.From, key) })
	return at || i > 0 && (r.list[i-1].To == "" || key < r.list[i-1].To)
}
