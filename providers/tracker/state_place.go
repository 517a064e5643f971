package tracker

import (
	"iter"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
)

// A row of a namespace as a whole is in a space with the name of that. Rows of
// narrow ranges are in one for each shard, whose name goes on with a zero, which
// no namespace has, and the shard.

// name is that of the space of a place.
func (p Place) name() string {
	if !p.Narrow {
		return p.Namespace
	}
	return p.Namespace + string([]byte{0, p.Division})
}

// placeOf undoes name.
func placeOf(name string) Place {
	n := len(name) - 2
	if n < 0 || name[n] != 0 {
		return Place{Namespace: name}
	}
	return Place{Namespace: name[:n], Narrow: true, Division: name[n+1]}
}

// placesOf are where the rows of an announcement are.
func placesOf(namespace string, ranges record.Ranges) iter.Seq[Place] {
	return func(yield func(Place) bool) {
		if !ranges.Narrow() {
			yield(Place{Namespace: namespace})
			return
		}
		for shard := range ranges.Shards() {
			if !yield(Place{Namespace: namespace, Narrow: true, Division: uint8(shard)}) {
				return
			}
		}
	}
}

func countPlaces(ranges record.Ranges) (n int) {
	for range placesOf("", ranges) {
		n++
	}
	return n
}

// places are where a query looks, in this order.
func (q *Query) places() iter.Seq[Place] {
	return func(yield func(Place) bool) {
		if yield(Place{Namespace: q.Namespace}) && q.HasPoint {
			yield(Place{Namespace: q.Namespace, Narrow: true, Division: uint8(q.Point.Shard())})
		}
	}
}

// kin are the rows of a peer for a namespace, wide or narrow. They are valid until
// the next call.
func (t *Table) kin(id peer.ID, namespace string) []handle {
	t.kindred = t.kindred[:0]
	who := t.announcerOf(id)
	if who == 0 {
		return nil
	}
	for h := t.announcers.at(who).rows; h != 0; h = t.rows.at(h).sibling {
		if isPlaceOf(t.spaces.at(t.rows.at(h).space).name, namespace) {
			t.kindred = append(t.kindred, h)
		}
	}
	return t.kindred
}

func isPlaceOf(name, namespace string) bool {
	rest, ok := strings.CutPrefix(name, namespace)
	return ok && (rest == "" || len(rest) == 2 && rest[0] == 0)
}
