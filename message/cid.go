package message

import (
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// minDigest is the shortest digest that proves anything: 160 bits, as in boxo's
// verifcid.
const minDigest = 20

// CIDError says why a CID is refused.
type CIDError struct {
	CID   cid.Cid
	Fault Fault // FaultCID, FaultCIDTooLong, FaultIdentity or FaultHash
	why   string
}

func (e *CIDError) Error() string {
	if e.Fault == FaultCID || e.Fault == FaultCIDTooLong {
		return "cid: " + e.why // nothing that could be printed
	}
	return fmt.Sprintf("cid %s: %s", e.CID, e.why)
}

// CheckCID returns a [*CIDError] unless blocks may be asked for, sent, accepted
// and stored under c. Refused are CIDs that are undefined or malformed, longer
// than [MaxCID], identity CIDs (they carry their data and never travel), and
// hashes that prove nothing: unknown functions, broken ones (SHA-1 only passes
// for git objects, which have no other) and digests under 20 bytes.
func CheckCID(c cid.Cid) error {
	if fault, why := cidFault(c, MaxCID); fault != 0 {
		return &CIDError{CID: c, Fault: fault, why: why}
	}
	return nil
}

// Multihash returns the part of a CID that names bytes: CIDs of the same bytes have
// it in common. Unlike [cid.Cid.Hash] it makes no copy. It is empty for a CID that
// is undefined or malformed.
func Multihash(c cid.Cid) string {
	key := c.KeyString()
	if c.Version() == 0 {
		return key
	}
	return skipVarint(skipVarint(key)) // the version and the codec
}

func skipVarint(s string) string {
	for i := range len(s) {
		if s[i] < 0x80 {
			return s[i+1:]
		}
	}
	return ""
}

// cidFault returns what is wrong with c, and zero if nothing is.
func cidFault(c cid.Cid, limit int) (Fault, string) {
	switch {
	case ordinary(c.KeyString()) && limit >= ordinarySize:
		return 0, ""
	case !c.Defined():
		return FaultCID, "undefined"
	case c.ByteLen() > limit:
		return FaultCIDTooLong, fmt.Sprintf("longer than %d bytes", limit)
	}
	p := c.Prefix()
	if c.ByteLen() != cidSize(p) {
		return FaultCID, "digest is not as long as announced"
	}
	return hashFault(p)
}

// ordinarySize is the length of a CID with version, codec, hash function and digest
// length of a byte each, and a digest of SHA-256.
const ordinarySize = 4 + 32

// ordinary reports whether the CID with these bytes is like nearly every one, and
// so known to be good without being taken apart: version 1, a codec of one byte, a
// whole digest of SHA-256.
func ordinary(key string) bool {
	return len(key) == ordinarySize && key[0] == 1 && key[1] < 0x80 && key[2] == multihash.SHA2_256 && key[3] == 32
}

// hashFault returns what is wrong with the hash that p names, and zero if it
// proves the content of a block.
func hashFault(p cid.Prefix) (Fault, string) {
	if p.MhType == multihash.IDENTITY {
		return FaultIdentity, "identity hash"
	}
	size := digestSize(p)
	switch {
	case size == 0:
		return FaultHash, "hash function is unknown or broken"
	case p.MhLength < minDigest:
		return FaultHash, "digest is too short to prove anything"
	case p.MhLength > size:
		return FaultHash, "digest is longer than its hash function gives"
	}
	return 0, ""
}

// digestSize returns the longest digest in bytes of the hash function that p
// names, and zero if the function does not prove the content of a block. It
// accepts what Kubo accepts (boxo's verifcid) and the multihash library computes.
func digestSize(p cid.Prefix) int {
	switch p.MhType {
	case multihash.SHA2_256, multihash.DBL_SHA2_256,
		multihash.SHA3_256, multihash.KECCAK_256, multihash.BLAKE2S_MAX:
		return 32
	case multihash.SHA2_512, multihash.SHA3_512, multihash.KECCAK_512, multihash.SHAKE_256:
		return 64
	case multihash.SHA3_224:
		return 28
	case multihash.SHA3_384:
		return 48
	case multihash.BLAKE3:
		return 128
	case multihash.SHA1:
		return sha1Size(p.Codec)
	}
	if p.MhType >= multihash.BLAKE2B_MIN && p.MhType <= multihash.BLAKE2B_MAX {
		return int(p.MhType - multihash.BLAKE2B_MIN + 1)
	}
	return 0
}

func sha1Size(codec uint64) int {
	if codec == cid.GitRaw {
		return 20
	}
	return 0
}
