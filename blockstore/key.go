package blockstore

import (
	"encoding/base32"
	"strings"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/multiformats/go-multihash"

	"github.com/souk-p2p/souk/message"
)

const separator = "/"

// prefix is where Kubo keeps its blocks in its datastore.
var prefix = datastore.NewKey("/blocks")

// alphabet is that of Kubo's datastore keys (RFC 4648, upper case, no padding).
var alphabet = base32.StdEncoding.WithPadding(base32.NoPadding)

// keyOf returns the key of a block. It depends on the multihash alone.
func keyOf(c cid.Cid) datastore.Key {
	hash := message.Multihash(c)
	var digest [message.MaxCID]byte
	var room [256]byte // Enough for a digest of 150 bytes: the key costs one allocation.
	key := append(room[:0], prefix.String()...)
	key = append(key, separator...)
	key = alphabet.AppendEncode(key, append(digest[:0], hash...))
	return datastore.RawKey(string(key))
}

// cidOf is the inverse of [keyOf]. It reports false for a key that is not that
// of a block.
func cidOf(key string) (cid.Cid, bool) {
	name, ok := strings.CutPrefix(key, prefix.String()+separator)
	if !ok {
		return cid.Undef, false
	}
	raw, err := alphabet.DecodeString(name)
	if err != nil {
		return cid.Undef, false
	}
	hash, err := multihash.Cast(raw)
	if err != nil {
		return cid.Undef, false
	}
	return cid.NewCidV1(cid.Raw, hash), true
}
