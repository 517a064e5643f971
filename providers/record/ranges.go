package record

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// MaxRanges is how many ranges a record has at most. With 16-bit points that is
// 256 bytes on the wire.
const MaxRanges = 64

// narrowShards is in how many shards ranges lie at most to be narrow. A narrow
// record goes to the trackers of each of its shards, three for each, and a wide
// one to three in all: eight is 24 announcements for a thirty-second of the
// space, and about as many as a provider should make for a namespace.
const narrowShards = 8

// Point is where a CID lies in a namespace: the first 16 bits of its multihash
// digest, most significant first.
type Point uint16

// PointOf returns the point of c, and false when c is undefined or malformed. A
// digest of less than two bytes is filled up with zeros.
func PointOf(c cid.Cid) (Point, bool) {
	if !c.Defined() {
		return 0, false
	}
	mh, err := multihash.Decode(c.Hash())
	if err != nil {
		return 0, false
	}
	var head [2]byte
	copy(head[:], mh.Digest)
	return Point(binary.BigEndian.Uint16(head[:])), true
}

// Shard returns the shard that p lies in.
func (p Point) Shard() Shard { return Shard(p >> 8) }

// Shard is a 256th of a namespace: the first 8 bits of a digest. Rows for narrow
// ranges are placed by namespace and shard, a division that is the same for
// everybody.
type Shard uint8

// Range is the points from From to To, both of them included.
type Range struct{ From, To Point }

func (r Range) String() string { return fmt.Sprintf("%04x-%04x", uint16(r.From), uint16(r.To)) }

// Ranges is the part of a namespace that a provider holds: at most [MaxRanges]
// ranges in order, none of which touches another. The zero Ranges is everything.
type Ranges struct{ list []Range }

// Everything is all points.
var Everything Ranges

// NewRanges returns the union of the ranges, and [Everything] when there are none
// or they leave nothing out. An [*Error] with [FaultRanges] says that one ends
// before it begins, or that more than [MaxRanges] remain when those that touch
// are one.
func NewRanges(ranges ...Range) (Ranges, error) {
	list := slices.Clone(ranges)
	for _, r := range list {
		if r.From > r.To {
			return Everything, refuse(FaultRanges, "range %s: a start that is not above the end is right", r)
		}
	}
	slices.SortFunc(list, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	list = merged(list)
	if len(list) > MaxRanges {
		return Everything, refuse(FaultRanges, "%d ranges: at most %d are right", len(list), MaxRanges)
	}
	if len(list) == 0 || list[0] == (Range{0, 0xffff}) {
		return Everything, nil
	}
	return Ranges{list}, nil
}

// merged makes one range of those that touch or overlap, in place. They are
// sorted by their start.
func merged(list []Range) []Range {
	out := list[:0]
	for _, r := range list {
		last := len(out) - 1
		if last >= 0 && int(r.From) <= int(out[last].To)+1 {
			out[last].To = max(out[last].To, r.To)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Everything reports whether no point is left out.
func (r Ranges) Everything() bool { return len(r.list) == 0 }

// All returns the ranges in order, and none for everything.
func (r Ranges) All() iter.Seq[Range] { return slices.Values(r.list) }

// Contains reports whether p lies in one of the ranges.
func (r Ranges) Contains(p Point) bool {
	if r.Everything() {
		return true
	}
	i, at := slices.BinarySearchFunc(r.list, p, func(have Range, p Point) int { return cmp.Compare(have.From, p) })
	return at || i > 0 && p <= r.list[i-1].To
}

// Narrow reports whether the record is placed by namespace and shard. What is not
// narrow is wide, and placed under the namespace alone: everything, and ranges in
// more than eight shards.
func (r Ranges) Narrow() bool {
	if r.Everything() {
		return false
	}
	n := 0
	for range r.Shards() {
		if n++; n > narrowShards {
			return false
		}
	}
	return true
}

// Shards returns the shards that the ranges lie in, in order and each once. They
// are all 256 for everything.
func (r Ranges) Shards() iter.Seq[Shard] {
	list := r.list
	if r.Everything() {
		list = []Range{{0, 0xffff}}
	}
	return func(yield func(Shard) bool) {
		next := 0 // the lowest shard that was not yielded
		for _, have := range list {
			for s := max(next, int(have.From.Shard())); s <= int(have.To.Shard()); s++ {
				if !yield(Shard(s)) {
					return
				}
				next = s + 1
			}
		}
	}
}
