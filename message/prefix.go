package message

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"google.golang.org/protobuf/encoding/protowire"
)

// maxPrefix is the longest prefix in bytes: four varints of 63 bits.
const maxPrefix = 4 * 9

var (
	errPrefixVarint = errors.New("prefix is not four minimal varints")
	errPrefixShape  = errors.New("prefix contradicts itself")
)

// v0Prefix is the prefix of every CIDv0.
var v0Prefix = cid.Prefix{Version: 0, Codec: cid.DagProtobuf, MhType: multihash.SHA2_256, MhLength: sha256.Size}

// parsePrefix parses a block's prefix: CID version, codec, hash function and
// digest length, each a minimal varint, and nothing behind them.
func parsePrefix(b []byte) (cid.Prefix, error) {
	var fields [4]uint64
	for i := range fields {
		v, n := binary.Uvarint(b)
		if n <= 0 || n > 1 && b[n-1] == 0 || v > math.MaxInt64 {
			return cid.Prefix{}, errPrefixVarint
		}
		fields[i], b = v, b[n:]
	}
	p := cid.Prefix{Version: fields[0], Codec: fields[1], MhType: fields[2], MhLength: int(fields[3])}
	if len(b) > 0 || p.Version > 1 || p.Version == 0 && p != v0Prefix {
		return cid.Prefix{}, errPrefixShape
	}
	return p, nil
}

// prefixFault returns the fault in an encoded prefix, and zero with the prefix
// if blocks that hash to it are accepted.
func prefixFault(b []byte) (cid.Prefix, Fault) {
	p, err := parsePrefix(b)
	if err != nil {
		return cid.Prefix{}, FaultPrefix
	}
	if size := digestSize(p); size > 0 && p.MhLength > size {
		return cid.Prefix{}, FaultPrefix
	}
	fault, _ := hashFault(p)
	return p, fault
}

// sum hashes data and returns its CID under p, which prefixFault accepted. It
// may overwrite scratch.
func sum(scratch []byte, p cid.Prefix, data []byte) (cid.Cid, error) {
	if p.MhType != multihash.SHA2_256 {
		return p.Sum(data)
	}
	// By far the commonest function takes a path without garbage.
	b := scratch[:0]
	if p.Version == 1 {
		b = protowire.AppendVarint(append(b, 1), p.Codec)
	}
	digest := sha256.Sum256(data)
	b = append(b, multihash.SHA2_256, byte(p.MhLength))
	return cid.Cast(append(b, digest[:p.MhLength]...))
}

func prefixSize(p cid.Prefix) int {
	return protowire.SizeVarint(p.Version) + protowire.SizeVarint(p.Codec) +
		protowire.SizeVarint(p.MhType) + protowire.SizeVarint(uint64(p.MhLength))
}

func appendPrefix(b []byte, p cid.Prefix) []byte {
	b = protowire.AppendVarint(b, p.Version)
	b = protowire.AppendVarint(b, p.Codec)
	b = protowire.AppendVarint(b, p.MhType)
	return protowire.AppendVarint(b, uint64(p.MhLength))
}

// cidSize returns the length in bytes of a CID with prefix p.
func cidSize(p cid.Prefix) int {
	if p.Version == 0 {
		return 2 + sha256.Size
	}
	return prefixSize(p) + p.MhLength
}
