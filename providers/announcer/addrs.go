package announcer

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/souk-p2p/souk/providers/record"
)

// signable returns the addresses that a record of self may have, in binary. Those
// that mean something to most come first, because a record has room for
// record.MaxAddrs; their order does not depend on that of the host, so that only
// what has changed is signed again.
func signable(self peer.ID, addrs []multiaddr.Multiaddr) []string {
	var bare []multiaddr.Multiaddr
	for _, a := range addrs {
		b, of := peer.SplitAddr(a)
		if len(b) > 0 && (of == "" || of == self) && len(b.Bytes()) <= record.MaxAddr {
			bare = append(bare, b)
		}
	}
	slices.SortFunc(bare, func(a, b multiaddr.Multiaddr) int {
		return cmp.Or(cmp.Compare(reach(b), reach(a)), cmp.Compare(string(a.Bytes()), string(b.Bytes())))
	})
	all := make([]string, len(bare))
	for i, a := range bare {
		all[i] = string(a.Bytes())
	}
	all = slices.Compact(all)
	return all[:min(len(all), record.MaxAddrs)]
}

// reach is the scope in which an address means something. A name is for all.
func reach(a multiaddr.Multiaddr) record.Scope {
	ip, err := manet.ToIP(a)
	if err != nil {
		return record.ScopePublic
	}
	parsed, _ := netip.AddrFromSlice(ip)
	return record.ScopeOf(parsed)
}
