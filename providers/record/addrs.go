package record

import (
	"math/bits"
	"net/netip"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// What the addresses of a record may be.
const (
	MaxAddrs      = 16  // in a record
	MaxAddr       = 256 // bytes of one: a relay's, with certificate hashes and two peers, has about 200
	MaxUnverified = 4   // that a tracker keeps of those it could not verify: how often a client may dial a third party
)

// Scope is how far an IP address means something.
type Scope uint8

// The scopes.
const (
	ScopeNone     Scope = iota // nowhere: unspecified, multicast, reserved, or no address
	ScopeLoopback              // on one machine
	ScopePrivate               // in one network: private, shared behind a carrier's NAT, link-local
	ScopePublic
)

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")     // RFC 1122, 3.2.1.3
	reserved    = netip.MustParsePrefix("240.0.0.0/4")   // RFC 1112, 4; with the broadcast address
	carrier     = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
)

// ScopeOf returns the scope of ip. An IPv4 address inside of an IPv6 one counts
// as what it is.
func ScopeOf(ip netip.Addr) Scope {
	ip = ip.Unmap().WithZone("")
	switch {
	case !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || thisNetwork.Contains(ip) || reserved.Contains(ip):
		return ScopeNone
	case ip.IsLoopback():
		return ScopeLoopback
	case ip.IsPrivate() || ip.IsLinkLocalUnicast() || carrier.Contains(ip):
		return ScopePrivate
	}
	return ScopePublic
}

// Standing is what a tracker thinks of an address of an announcer.
type Standing uint8

// The standings.
const (
	Refused    Standing = iota // nobody is told to dial it
	Unverified                 // handed out last: it may belong to a third party
	Verified                   // the announcer was seen there
)

// Classify returns the standing of addr when the tracker sees the announcer at
// observed, which is invalid when it does not know, and in the scope seen, which
// is that of observed unless the tracker knows better.
//
//   - Verified is the observed IP, or one in its /64, or the same machine when it
//     is seen over loopback. Ports and transports do not matter.
//   - Unverified is what cannot be compared: a relay, a DNS name, the other
//     family.
//   - Refused is another IP of the same family, an IP of a scope in which the
//     announcer is not seen or that is no host's, and what is not understood.
func Classify(addr multiaddr.Multiaddr, observed netip.Addr, seen Scope) Standing {
	host, ok := hostOf(addr)
	switch {
	case !ok:
		return Refused
	case !host.ip.IsValid():
		return Unverified
	}
	scope := ScopeOf(host.ip)
	if scope == ScopeNone || scope != ScopePublic && scope != seen {
		return Refused
	}
	if host.relayed {
		return Unverified
	}
	return compare(host.ip, observed.Unmap().WithZone(""), scope)
}

// compare returns the standing of an address in a scope that is right.
func compare(ip, observed netip.Addr, scope Scope) Standing {
	switch {
	case scope == ScopeLoopback && observed.IsLoopback():
		return Verified
	case !observed.IsValid() || ip.Is4() != observed.Is4():
		return Unverified
	case sameHost(ip, observed):
		return Verified
	}
	return Refused
}

// sameHost reports whether two addresses of one family are one host's: a host
// with IPv6 has a /64.
func sameHost(a, b netip.Addr) bool {
	if a.Is4() {
		return a == b
	}
	// 64 is within an IPv6 address, so there is no error.
	net, _ := a.Prefix(64)
	return net.Contains(b)
}

// host is where an address leads first.
type host struct {
	ip      netip.Addr // invalid: a name, or a relay that is named by its peer alone
	relayed bool
}

// hostOf returns the host of addr, and false when addr does not say one, says a
// second one, or one that means something on one machine alone.
func hostOf(addr multiaddr.Multiaddr) (h host, ok bool) {
	for i, c := range addr {
		switch c.Code() {
		case multiaddr.P_IP4, multiaddr.P_IP6:
			if i > 0 {
				return host{}, false
			}
			h.ip, ok = netip.AddrFromSlice(c.RawValue())
			h.ip = h.ip.Unmap()
		case multiaddr.P_DNS, multiaddr.P_DNS4, multiaddr.P_DNS6, multiaddr.P_DNSADDR:
			if i > 0 {
				return host{}, false
			}
			ok = true
		case multiaddr.P_CIRCUIT:
			h.relayed = true
			ok = ok || addr[0].Code() == multiaddr.P_P2P
		case multiaddr.P_IP6ZONE, multiaddr.P_UNIX:
			return host{}, false
		}
	}
	return h, ok
}

// AddrSet is a set of the addresses of a record, by their positions in it.
type AddrSet uint16

// Has reports whether the address at position i is in the set.
func (s AddrSet) Has(i int) bool { return i >= 0 && i < MaxAddrs && s>>i&1 == 1 }

// Len returns the number of addresses in the set.
func (s AddrSet) Len() int { return bits.OnesCount16(uint16(s)) }

// Reach returns which addresses of r are verified and which are unverified for a
// tracker that sees the announcer at observed and in the scope seen: see
// [Classify]. Of the unverified ones the first [MaxUnverified] count.
func (r *Record) Reach(observed netip.Addr, seen Scope) (verified, unverified AddrSet) {
	for i, a := range r.Addrs {
		switch Classify(a, observed, seen) {
		case Verified:
			verified |= 1 << i
		case Unverified:
			if unverified.Len() < MaxUnverified {
				unverified |= 1 << i
			}
		}
	}
	return verified, unverified
}

// Select returns the addresses in set, in order, without those whose protocol is
// not known here.
func (r *Record) Select(set AddrSet) []multiaddr.Multiaddr {
	var out []multiaddr.Multiaddr
	for i, a := range r.Addrs {
		if set.Has(i) && len(a) > 0 {
			out = append(out, a)
		}
	}
	return out
}

// parseAddrs parses what was received as the addresses of id. One whose protocol
// is not known here stays empty, because newer peers have newer transports.
func parseAddrs(raw [][]byte, id peer.ID) ([]multiaddr.Multiaddr, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	addrs := make([]multiaddr.Multiaddr, len(raw))
	for i, b := range raw {
		a, err := multiaddr.NewMultiaddrBytes(b)
		if err != nil {
			continue
		}
		if addrs[i], err = bare(a, id); err != nil {
			return nil, err
		}
	}
	return addrs, nil
}

// bare returns addr without the /p2p of id at its end. That of another peer is an
// error, and so is one with nothing else.
func bare(addr multiaddr.Multiaddr, id peer.ID) (multiaddr.Multiaddr, error) {
	rest, owner := peer.SplitAddr(addr)
	if owner != "" && owner != id {
		return nil, refuse(FaultAddrs, "address %s: one of %s is right", addr, id)
	}
	if len(rest) == 0 {
		return nil, refuse(FaultAddrs, "address %q: a host is missing", addr)
	}
	return rest, nil
}

// bareAddrs returns what addrs of id are in a record.
func bareAddrs(addrs []multiaddr.Multiaddr, id peer.ID, most int) ([]multiaddr.Multiaddr, error) {
	if len(addrs) > most {
		return nil, refuse(FaultAddrs, "%d addresses: at most %d are right", len(addrs), most)
	}
	var out []multiaddr.Multiaddr
	for _, a := range addrs {
		a, err := bare(a, id)
		if err != nil {
			return nil, err
		}
		if n := len(a.Bytes()); n > MaxAddr {
			return nil, refuse(FaultAddrs, "address of %d bytes: at most %d are right", n, MaxAddr)
		}
		out = append(out, a)
	}
	return out, nil
}
