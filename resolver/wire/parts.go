package wire

import (
	"crypto/sha256"
	"slices"
)

// List names a value by the hashes of its parts: the sha2-256 of all of them, one
// behind the other. The zero List is none.
type List [HashSize]byte

// Parts says what the parts of a value larger than [PartSize] are. The zero Parts
// are those of a value that is one part.
type Parts struct {
	Size   int    // bytes of the value
	Hashes []byte // the sha2-256 of each part, one behind the other
}

// Split returns the parts of value, which it reads and does not keep. Those of a
// value of at most PartSize bytes are zero. It hashes all of the value: 16 MiB take
// some ten milliseconds.
func Split(value []byte) Parts {
	if len(value) <= PartSize {
		return Parts{}
	}
	p := Parts{Size: len(value), Hashes: make([]byte, 0, count(len(value))*HashSize)}
	for part := range slices.Chunk(value, PartSize) {
		h := sha256.Sum256(part)
		p.Hashes = append(p.Hashes, h[:]...)
	}
	return p
}

// count returns how many parts a value of so many bytes has.
func count(size int) int { return (size + PartSize - 1) / PartSize }

// Count returns how many parts there are, and 1 for the zero Parts.
func (p Parts) Count() int { return max(count(p.Size), 1) }

// List returns the name of the value, and the zero List for the zero Parts.
func (p Parts) List() List {
	if p.Size == 0 {
		return List{}
	}
	return sha256.Sum256(p.Hashes)
}

// Range returns where in the value part i begins and ends. A part that the value
// has not got is empty.
func (p Parts) Range(i int) (from, to int) {
	if i < 0 || i >= count(p.Size) {
		return 0, 0
	}
	return i * PartSize, min((i+1)*PartSize, p.Size)
}

// Holds reports whether data is part i: it has its length and its hash.
func (p Parts) Holds(i int, data []byte) bool {
	from, to := p.Range(i)
	if to == 0 || len(data) != to-from || len(p.Hashes) < (i+1)*HashSize {
		return false
	}
	return sha256.Sum256(data) == [HashSize]byte(p.Hashes[i*HashSize:])
}

// check returns an error if size, hashes and the first part do not agree.
func (p Parts) check(first []byte) error {
	if p.Size == 0 {
		if len(p.Hashes) > 0 {
			return refuse(FaultParts, "hashes of parts without a size")
		}
		return nil
	}
	switch {
	case p.Size <= PartSize || p.Size > MaxValue:
		return refuse(FaultSize, "a value of %d bytes in parts: %d to %d are right", p.Size, PartSize+1, MaxValue)
	case len(p.Hashes) != count(p.Size)*HashSize:
		return refuse(FaultParts, "%d bytes of hashes for a value of %d: %d are right", len(p.Hashes), p.Size, count(p.Size)*HashSize)
	case len(first) != PartSize:
		return refuse(FaultParts, "a first part of %d bytes: %d are right", len(first), PartSize)
	}
	return nil
}
