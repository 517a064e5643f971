package access

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"

	"github.com/souk-p2p/souk/message"
)

// hashes are the kinds of hashes of names that rules have: each is computed for every
// block that somebody asks for.
type hashes struct {
	codes  []uint64 // of multihashes of the base58 of a multihash
	legacy bool     // SHA-256 of a CID in base32 and a slash
}

// add notes a kind, and returns what is found under it.
func (h *hashes) add(text string) (kind, string, error) {
	if digest, err := hex.DecodeString(text); err == nil && len(digest) == 32 {
		h.legacy = true
		return byLegacy, string(digest), nil
	}
	sum, err := multihash.FromB58String(text)
	if err != nil {
		return 0, "", errors.New("a hash of a name is a multihash in base58, or a SHA-256 in 64 hexadecimal digits")
	}
	decoded, err := multihash.Decode(sum)
	if err == nil {
		_, err = multihash.Sum(nil, decoded.Code, -1)
	}
	if err != nil {
		return 0, "", fmt.Errorf("the hash is of a kind that cannot be computed here: %w", err)
	}
	if !slices.Contains(h.codes, decoded.Code) {
		h.codes = append(h.codes, decoded.Code)
	}
	return byDouble, string(sum), nil
}

// of gives the hashes of a block's names.
func (h *hashes) of(c cid.Cid, take func(kind, string)) {
	if len(h.codes) > 0 {
		name := []byte(multihash.Multihash(message.Multihash(c)).B58String())
		for _, code := range h.codes {
			if sum, err := multihash.Sum(name, code, -1); err == nil {
				take(byDouble, string(sum))
			}
		}
	}
	if h.legacy {
		name := cid.NewCidV1(c.Type(), c.Hash()).String() + "/"
		if sum, err := multihash.Sum([]byte(name), multihash.SHA2_256, -1); err == nil {
			take(byLegacy, string(sum[len(sum)-32:]))
		}
	}
}
