package table

import (
	"iter"
	"slices"

	"github.com/ipfs/go-cid"
)

// Next returns the first most of many CIDs that come after a given one in the order
// of their bytes, in that order. It keeps twice as many at a time, however many
// there are.
func Next(cids iter.Seq[cid.Cid], after cid.Cid, most int) []cid.Cid {
	var next []cid.Cid
	last := "" // beyond which nothing counts any more
	for c := range cids {
		if key := c.KeyString(); key <= after.KeyString() || last != "" && key >= last {
			continue
		}
		if next = append(next, c); len(next) >= 2*most {
			next = inOrder(next, most)
			last = next[len(next)-1].KeyString()
		}
	}
	return inOrder(next, most)
}

func inOrder(cids []cid.Cid, most int) []cid.Cid {
	slices.SortFunc(cids, Compare)
	return cids[:min(most, len(cids))]
}
