package network

import (
	"math/bits"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/souk-p2p/souk/message"
)

// protocolIDs are those of the Bitswap specification.
var protocolIDs = map[message.Version]protocol.ID{
	message.V120:        "/ipfs/bitswap/1.2.0",
	message.V110:        "/ipfs/bitswap/1.1.0",
	message.V100:        "/ipfs/bitswap/1.0.0",
	message.Unversioned: "/ipfs/bitswap",
}

// Protocols returns the ids of all versions of Bitswap behind a prefix, the newest
// first.
func Protocols(prefix protocol.ID) []protocol.ID {
	var ids []protocol.ID
	for _, v := range []message.Version{message.V120, message.V110, message.V100, message.Unversioned} {
		ids = append(ids, prefix+protocolIDs[v])
	}
	return ids
}

// versionSet is a set of versions, one bit each.
type versionSet uint8

func setOf(v message.Version) versionSet { return 1 << v }

// newest is the zero Version for the empty set.
func (s versionSet) newest() message.Version {
	if s == 0 {
		return 0
	}
	return message.Version(bits.Len8(uint8(s)) - 1)
}

// protocols maps between the versions that are offered and their ids.
type protocols struct {
	ids      map[message.Version]protocol.ID
	versions map[protocol.ID]message.Version
}

func newProtocols(prefix protocol.ID, offered []message.Version) *protocols {
	t := &protocols{ids: make(map[message.Version]protocol.ID), versions: make(map[protocol.ID]message.Version)}
	for _, v := range offered {
		id := prefix + protocolIDs[v]
		t.ids[v], t.versions[id] = id, v
	}
	return t
}

// match returns the versions of ours among ids.
func (t *protocols) match(ids []protocol.ID) versionSet {
	var set versionSet
	for _, id := range ids {
		if v, ours := t.versions[id]; ours {
			set |= setOf(v)
		}
	}
	return set
}
