package node

import (
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

var _ connmgr.ConnectionGater = (*Gate)(nil)

// Gate decides who may be connected: everybody, or those on a list, which can change
// at any time. The zero Gate lets everybody in. Who somebody is, is known after the
// handshake, so that a stranger costs no more than that.
type Gate struct {
	allowed atomic.Pointer[map[peer.ID]struct{}] // nil for everybody
}

// Allow lets those on the list in and nobody else from now on, or everybody when it
// is empty. Connections that there are stay.
func (g *Gate) Allow(peers []peer.ID) {
	if len(peers) == 0 {
		g.allowed.Store(nil)
		return
	}
	allowed := make(map[peer.ID]struct{}, len(peers))
	for _, p := range peers {
		allowed[p] = struct{}{}
	}
	g.allowed.Store(&allowed)
}

// Allows reports whether a peer may be connected.
func (g *Gate) Allows(p peer.ID) bool {
	allowed := g.allowed.Load()
	if allowed == nil {
		return true
	}
	_, ok := (*allowed)[p]
	return ok
}

// InterceptPeerDial implements [connmgr.ConnectionGater].
func (g *Gate) InterceptPeerDial(p peer.ID) bool { return g.Allows(p) }

// InterceptAddrDial implements [connmgr.ConnectionGater].
func (g *Gate) InterceptAddrDial(p peer.ID, _ ma.Multiaddr) bool { return g.Allows(p) }

// InterceptAccept implements [connmgr.ConnectionGater]. Nobody has said yet who it is.
func (g *Gate) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured implements [connmgr.ConnectionGater].
func (g *Gate) InterceptSecured(_ network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	return g.Allows(p)
}

// InterceptUpgraded implements [connmgr.ConnectionGater].
func (g *Gate) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// Allow changes who may be connected, as [Gate.Allow], and parts with the others.
func (n *Online) Allow(peers []peer.ID) {
	n.gate.Allow(peers)
	for _, p := range n.Host.Network().Peers() {
		if !n.gate.Allows(p) {
			n.work.Go(func() { _ = n.Host.Network().ClosePeer(p) }) // It is gone, or goes with the host.
		}
	}
}
