package network

import (
	"net/netip"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	codeCircuit = 290 // p2p-circuit, in the table of multicodecs
	// mostAddrs bounds what is looked at of a peer with very many connections.
	mostAddrs = 16
)

// Addrs returns the addresses that a peer's connections are with, without those of
// relays. It does not block.
func (n *Network) Addrs(p peer.ID) []netip.Addr {
	var addrs []netip.Addr
	_ = n.life.guard("events", func() {
		for _, c := range n.cfg.Host.Network().ConnsToPeer(p) {
			if _, err := c.RemoteMultiaddr().ValueForProtocol(codeCircuit); err == nil || c.IsClosed() {
				continue // The address would be that of the relay.
			}
			if addr := addressOf(c); addr.IsValid() && len(addrs) < mostAddrs {
				addrs = append(addrs, addr)
			}
		}
	})
	return addrs
}
