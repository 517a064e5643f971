package table

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
)

// Set holds hashes of byte strings, for those that must be remembered by the million
// and are not asked for again: what a walk has seen, what a collection keeps.
//
// It takes 16 bytes a place and has 1.25 to 1.75 places for each string, so 20 to 28
// bytes a string, however long that is: 28 MB at most for a million, and it grows part
// by part, so that what it takes while it grows is the same.
//
// A hash is the first half of a SHA-256 under a key of its own for each set, so nobody
// can choose strings that meet, and by chance two of a thousand million do with a
// probability below 2⁻⁶⁸.
type Set struct {
	key    [sha256.Size / 2]byte
	shards [setShards]shard
	live   int
}

// setShards is how many parts a set has: the largest array that is copied at once is
// 1/256 of the set.
const setShards = 256

// Hash is what a [Set] holds of a string.
type Hash [2]uint64

// shard is one part: the places of those whose hash begins with its number.
type shard struct {
	places []Hash // the zero hash is an empty place
	live   int
}

// NewSet returns an empty set.
func NewSet() *Set {
	s := &Set{}
	rand.Read(s.key[:])
	return s
}

// Len is how many strings there are.
func (s *Set) Len() int { return s.live }

// Hash returns what stands for a string in this set, and in no other. Unlike the other
// methods it may be called by many goroutines at a time.
func (s *Set) Hash(text string) Hash {
	var room [len(s.key) + 64]byte // a multihash of 32 bytes fits
	sum := sha256.Sum256(append(append(room[:0], s.key[:]...), text...))
	h := Hash{binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])}
	if h == (Hash{}) {
		h[1] = 1
	}
	return h
}

// Add adds a string's hash and reports whether it is new.
func (s *Set) Add(h Hash) bool {
	part := s.part(h)
	if (part.live+1)*of > len(part.places)*most {
		part.grow()
	}
	i := part.find(h)
	if part.places[i] == h {
		return false
	}
	part.places[i] = h
	part.live++
	s.live++
	return true
}

// Has reports whether a string's hash was added.
func (s *Set) Has(h Hash) bool {
	part := s.part(h)
	return part.live > 0 && part.places[part.find(h)] == h
}

func (s *Set) part(h Hash) *shard { return &s.shards[h[1]%setShards] }

// find returns the place of a hash, or the one where it would go.
func (p *shard) find(h Hash) int {
	i := int(h[0] % uint64(len(p.places)))
	for p.places[i] != (Hash{}) && p.places[i] != h {
		if i++; i == len(p.places) {
			i = 0
		}
	}
	return i
}

func (p *shard) grow() {
	old := p.places
	p.places = make([]Hash, max(smallest, p.live*7/4))
	for _, h := range old {
		if h != (Hash{}) {
			p.places[p.find(h)] = h
		}
	}
}
