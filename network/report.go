package network

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/souk-p2p/souk/message"
)

// PeerReport is a connected peer, for people to look at.
type PeerReport struct {
	Peer        peer.ID
	Version     message.Version
	Protocol    protocol.ID // of the version
	Since       time.Time   // when it came to have a usable connection
	Strikes     int         // points of late
	StrikeLimit int         // at which it is refused
}

// Connected returns the peers that are connected and speak Bitswap, by id. It waits
// for no actor.
func (n *Network) Connected() []PeerReport {
	all := n.peers.report()
	now := time.Now()
	for i := range all {
		p := &all[i]
		p.Protocol = n.protocols.ids[p.Version]
		p.Strikes, p.StrikeLimit = n.strikes.points(p.Peer, now), n.strikes.limit
	}
	slices.SortFunc(all, func(a, b PeerReport) int { return cmp.Compare(a.Peer, b.Peer) })
	return all
}

func (r *roster) report() []PeerReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]PeerReport, 0, len(r.byID))
	for id, m := range r.byID {
		if m.up {
			all = append(all, PeerReport{Peer: id, Version: m.versions.newest(), Since: m.rose})
		}
	}
	return all
}

// points are those that a peer has in its present window.
func (s *strikes) points(p peer.ID, now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.offenders[p]
	if o == nil || now.Sub(o.since) > s.window {
		return 0
	}
	return o.points
}
