package tracker

import (
	"encoding/binary"
	"math/bits"
)

// secret keys the table's hashes: nobody outside can choose names that meet in
// one chain, one bucket or one meter. The function is SipHash-1-3.
type secret [2]uint64

func newSecret(seed uint64) secret {
	return secret{mix(seed), mix(seed + 0x9e3779b97f4a7c15)}
}

// mix spreads a number over all bits (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

type sip struct{ v0, v1, v2, v3 uint64 }

func (k secret) sip() sip {
	return sip{k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d, k[0] ^ 0x6c7967656e657261, k[1] ^ 0x7465646279746573}
}

func (s *sip) round() {
	s.v0 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v0 = bits.RotateLeft64(s.v0, 32)
	s.v2 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v2 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v2 = bits.RotateLeft64(s.v2, 32)
}

func (s *sip) word(w uint64) {
	s.v3 ^= w
	s.round()
	s.v0 ^= w
}

func (s *sip) sum() uint64 {
	s.v2 ^= 0xff
	s.round()
	s.round()
	s.round()
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3
}

func (k secret) text(text string) uint64 {
	s := k.sip()
	var tail [8]byte
	for ; len(text) >= 8; text = text[8:] {
		copy(tail[:], text)
		s.word(binary.LittleEndian.Uint64(tail[:]))
	}
	tail = [8]byte{7: byte(len(text))}
	copy(tail[:], text)
	s.word(binary.LittleEndian.Uint64(tail[:]))
	return s.sum()
}

func (k secret) words(words ...uint64) uint64 {
	s := k.sip()
	for _, w := range words {
		s.word(w)
	}
	return s.sum()
}
