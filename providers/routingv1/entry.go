package routingv1

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/souk-p2p/souk/providers/record"
)

const (
	schemaPeer    = "peer"
	schemaBitswap = "bitswap" // what routers wrote before there was "peer"

	protocolBitswap = "transport-bitswap"

	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
)

// Texts are measured before they are parsed: base58 takes time that grows with
// the square of the length.
const (
	maxIDText   = 3 * record.MaxPeer // of an identity: in base 16 it takes two characters a byte
	maxAddrText = 4 * record.MaxAddr // of an address: digests and names grow by less
)

// entry is a provider as it is written, in both schemas.
type entry struct {
	Schema    string
	Protocol  string `json:",omitempty"` // of the older schema
	ID        string
	Addrs     []string `json:",omitempty"`
	Protocols []string `json:",omitempty"`
	// Complete is ours: the provider has the whole namespace.
	Complete bool `json:",omitempty"`
}

// candidate returns the peer of an entry, if there is something to be had of it:
// it speaks Bitswap or does not say what it speaks, its identity parses, and one
// of its addresses, if it has any, is of use to who sees its teller in a scope.
func (e *entry) candidate(seen record.Scope) (p peer.AddrInfo, ok bool) {
	if !e.mayServe() || len(e.ID) > maxIDText {
		return p, false
	}
	id, err := peer.Decode(e.ID)
	if err != nil || len(id) > record.MaxPeer {
		return p, false
	}
	p.ID = id
	for _, text := range e.Addrs {
		if a, ok := parseAddr(text, id); ok && reachable(a, seen) {
			p.Addrs = append(p.Addrs, a)
		}
		if len(p.Addrs) == record.MaxAddrs {
			break
		}
	}
	return p, len(p.Addrs) > 0 || len(e.Addrs) == 0
}

func (e *entry) mayServe() bool {
	isBitswap := func(protocol string) bool { return strings.EqualFold(protocol, protocolBitswap) }
	switch e.Schema {
	case schemaPeer:
		return len(e.Protocols) == 0 || slices.ContainsFunc(e.Protocols, isBitswap)
	case schemaBitswap:
		return e.Protocol == "" || isBitswap(e.Protocol)
	}
	return false
}

// parseAddr returns an address of id without id at its end, and false for one of
// another peer, one that is too long and one that is not understood.
func parseAddr(text string, id peer.ID) (multiaddr.Multiaddr, bool) {
	if len(text) > maxAddrText {
		return nil, false
	}
	whole, err := multiaddr.NewMultiaddr(text)
	if err != nil {
		return nil, false
	}
	a, owner := peer.SplitAddr(whole)
	return a, (owner == "" || owner == id) && len(a) > 0 && len(a.Bytes()) <= record.MaxAddr
}

// reachable reports whether an address that is told over a connection means the
// same at both of its ends, which see each other in a scope: over the internet it
// has to be public, and in a network it may be private, too. Who asks its own
// machine is told of its networks as well.
func reachable(a multiaddr.Multiaddr, seen record.Scope) bool {
	in := func(s record.Scope) bool { return record.Classify(a, netip.Addr{}, s) != record.Refused }
	return in(seen) || seen == record.ScopeLoopback && in(record.ScopePrivate)
}
