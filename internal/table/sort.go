package table

import (
	"cmp"
	"maps"
	"slices"

	"github.com/ipfs/go-cid"
)

// Compare orders CIDs by their bytes, as a comparison of the standard library does.
func Compare(a, b cid.Cid) int { return cmp.Compare(a.KeyString(), b.KeyString()) }

// Sorted returns the keys of a map in the order of [Compare], so that what is done with
// them is the same in every run. Of an empty map it is nil and takes no memory.
func Sorted[V any](m map[cid.Cid]V) []cid.Cid {
	if len(m) == 0 {
		return nil
	}
	return slices.SortedFunc(maps.Keys(m), Compare)
}
