package main

import (
	"cmp"
	"net/netip"
	"slices"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/souk-p2p/souk/providers/record"
)

// dialable picks those of a node's own addresses with which another machine gets
// to it: one for each IP, over TCP where it can be, because that passes where UDP
// does and elsewhere, too; the node tells the others once it is connected. Public
// ones come first. Loopback is among them only where there is nothing else.
func dialable(addresses []string) []string {
	var all []reached
	for _, text := range addresses {
		r, ok := reach(text)
		if !ok {
			continue
		}
		i := slices.IndexFunc(all, func(other reached) bool { return other.ip == r.ip })
		switch {
		case i < 0:
			all = append(all, r)
		case r.tcp && !all[i].tcp:
			all[i] = r
		}
	}
	far := slices.DeleteFunc(slices.Clone(all), func(r reached) bool { return r.scope == record.ScopeLoopback })
	if len(far) > 0 {
		all = far
	}
	slices.SortFunc(all, func(a, b reached) int {
		return cmp.Or(-cmp.Compare(a.scope, b.scope), cmp.Compare(a.ip.BitLen(), b.ip.BitLen()), a.ip.Compare(b.ip))
	})
	texts := make([]string, len(all))
	for i, r := range all {
		texts[i] = r.text
	}
	return texts
}

// reached is an address with what matters of it.
type reached struct {
	text  string
	ip    netip.Addr
	scope record.Scope
	tcp   bool
}

// reach reads an address, unless it means nothing to another machine: a
// link-local one names no network card there.
func reach(text string) (r reached, ok bool) {
	addr, err := ma.NewMultiaddr(text)
	if err != nil {
		return r, false
	}
	ip, err := manet.ToIP(addr)
	if err != nil {
		return r, false
	}
	r.text = text
	r.ip, ok = netip.AddrFromSlice(ip)
	r.ip = r.ip.Unmap()
	r.scope = record.ScopeOf(r.ip)
	_, err = addr.ValueForProtocol(ma.P_TCP)
	r.tcp = err == nil
	return r, ok && r.scope != record.ScopeNone && !r.ip.IsLinkLocalUnicast()
}
