// Package corpus makes the blocks that the tests exchange. Everything follows
// from a seed, so that a run can be repeated.
package corpus

import (
	"encoding/binary"
	"math/rand/v2"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
)

// Blocks returns n raw CIDv1 blocks of size bytes each. Blocks of fewer than
// eight bytes repeat when n is large.
func Blocks(seed uint64, n, size int) []blocks.Block {
	return build(seed, n, size, func(int) cid.Prefix { return raw })
}

// Mixed is [Blocks] with CIDv0 and CIDv1 in turn.
func Mixed(seed uint64, n, size int) []blocks.Block {
	return build(seed, n, size, func(i int) cid.Prefix {
		if i%2 == 0 {
			return v0
		}
		return raw
	})
}

// V0 is [Blocks] with CIDv0 only.
func V0(seed uint64, n, size int) []blocks.Block {
	return build(seed, n, size, func(int) cid.Prefix { return v0 })
}

// CIDs returns the CIDs of bs in their order.
func CIDs(bs []blocks.Block) []cid.Cid {
	cs := make([]cid.Cid, len(bs))
	for i, b := range bs {
		cs[i] = b.Cid()
	}
	return cs
}

// Bytes is the size of all blocks together.
func Bytes(bs []blocks.Block) int64 {
	var n int64
	for _, b := range bs {
		n += int64(len(b.RawData()))
	}
	return n
}

var (
	raw = cid.Prefix{Version: 1, Codec: cid.Raw, MhType: mh.SHA2_256, MhLength: -1}
	v0  = cid.Prefix{Version: 0, Codec: cid.DagProtobuf, MhType: mh.SHA2_256, MhLength: -1}
)

func build(seed uint64, n, size int, prefix func(i int) cid.Prefix) []blocks.Block {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	source := rand.NewChaCha8(key)
	bs := make([]blocks.Block, n)
	for i := range bs {
		data := make([]byte, size)
		_, _ = source.Read(data) // never fails
		bs[i] = block(data, prefix(i))
	}
	return bs
}

func block(data []byte, p cid.Prefix) blocks.Block {
	c, err := p.Sum(data)
	if err != nil {
		panic(err) // sha2-256 is always there
	}
	b, err := blocks.NewBlockWithCid(data, c)
	if err != nil {
		panic(err)
	}
	return b
}
