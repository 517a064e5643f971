package tracker

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Replicas is at how many trackers a row is placed.
const Replicas = 3

// Place is what trackers are chosen for: a namespace, or one of its 256
// divisions by the first 8 bits of the digest, where narrow rows are.
type Place struct {
	Namespace string
	Narrow    bool
	Division  uint8 // if Narrow
}

// Rank orders trackers for a place, the same for everyone whatever the order in
// which they know them. It leaves the argument alone. When a tracker comes or
// goes, the order of the others stays.
func Rank(at Place, trackers []peer.ID) []peer.ID {
	type ranked struct {
		id     peer.ID
		weight [sha256.Size]byte
	}
	all := make([]ranked, len(trackers))
	for i, id := range trackers {
		all[i] = ranked{id, at.weight(id)}
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(bytes.Compare(b.weight[:], a.weight[:]), cmp.Compare(a.id, b.id))
	})
	order := make([]peer.ID, len(all))
	for i, r := range all {
		order[i] = r.id
	}
	return slices.Compact(order)
}

// Top is the first Replicas of the order that are alive.
func Top(at Place, trackers []peer.ID, alive func(peer.ID) bool) []peer.ID {
	var top []peer.ID
	for _, id := range Rank(at, trackers) {
		if len(top) < Replicas && alive(id) {
			top = append(top, id)
		}
	}
	return top
}

// weight is a cryptographic hash, because who could choose a key with a high one
// for a namespace would become its tracker.
func (at Place) weight(tracker peer.ID) [sha256.Size]byte {
	text := append([]byte("souk tracker rank 1\x00"), byte(len(at.Namespace)>>8), byte(len(at.Namespace)))
	text = append(text, at.Namespace...)
	if at.Narrow {
		text = append(text, 1, at.Division)
	} else {
		text = append(text, 0, 0)
	}
	return sha256.Sum256(append(text, tracker...))
}
