package blockstore

import (
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"

	"github.com/souk-p2p/souk/message"
)

// admit decides what may be asked of the store. For an identity CID it returns
// the block that the CID carries, and true.
func admit(c cid.Cid) (inline []byte, isInline bool, err error) {
	if !c.Defined() {
		return nil, false, &NotFoundError{CID: c}
	}
	if inline, ok := identity(c); ok {
		return inline, true, nil
	}
	return nil, false, message.CheckCID(c)
}

// admitBlock decides what may be stored. It reports false for a block that
// needs no storing.
func admitBlock(b blocks.Block) (store bool, err error) {
	c := b.Cid()
	if _, ok := identity(c); ok {
		return false, nil
	}
	if err := message.CheckCID(c); err != nil {
		return false, err
	}
	if size := len(b.RawData()); size > MaxBlock {
		return false, &TooLargeError{CID: c, Size: size}
	}
	return true, nil
}

// identity returns the block that an identity CID within the limit carries.
func identity(c cid.Cid) ([]byte, bool) {
	if hash := message.Multihash(c); hash == "" || hash[0] != multihash.IDENTITY {
		return nil, false
	}
	decoded, err := multihash.Decode(c.Hash())
	if err != nil || decoded.Length > MaxIdentity {
		return nil, false
	}
	return decoded.Digest, true
}
