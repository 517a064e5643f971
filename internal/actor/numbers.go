package actor

import (
	"iter"
	"maps"
)

// Numbers gives the parties that an actor serves numbers, which stand for them
// in its state: a state holds no channel, and numbers in the order of arrival
// make its runs replayable. It belongs to the actor's goroutine.
type Numbers[K ~uint64, P comparable] struct {
	last    K
	most    int // parties at once, since the maps are new
	numbers map[P]K
	parties map[K]P
}

// NewNumbers returns numbers without a party.
func NewNumbers[K ~uint64, P comparable]() *Numbers[K, P] {
	return &Numbers[K, P]{numbers: make(map[P]K), parties: make(map[K]P)}
}

// Add gives a party the next number, from 1 on, which no other had before.
func (n *Numbers[K, P]) Add(p P) K {
	n.last++
	n.numbers[p], n.parties[n.last] = n.last, p
	n.most = max(n.most, len(n.parties))
	return n.last
}

// keptParties is how many there may have been at once for the maps, which do not
// shrink, to be kept when all have gone.
const keptParties = 256

// Of returns the number of a party, or 0 when it has none.
func (n *Numbers[K, P]) Of(p P) K { return n.numbers[p] }

// Party returns who has a number. It panics when nobody has: a state then speaks
// of a party that it was told is gone.
func (n *Numbers[K, P]) Party(k K) P {
	p, known := n.parties[k]
	if !known {
		panic("actor: a number that nobody has")
	}
	return p
}

// Remove takes the number from its party, and returns that.
func (n *Numbers[K, P]) Remove(k K) P {
	p := n.Party(k)
	delete(n.parties, k)
	delete(n.numbers, p)
	if len(n.parties) == 0 && n.most > keptParties {
		*n = Numbers[K, P]{last: n.last, numbers: make(map[P]K), parties: make(map[K]P)}
	}
	return p
}

// All are the parties that have a number, in no order.
func (n *Numbers[K, P]) All() iter.Seq[P] { return maps.Values(n.parties) }
