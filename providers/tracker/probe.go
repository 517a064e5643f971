package tracker

import (
	"context"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"net/netip"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/record"
)

// probe asks an announcer for what it says it has, in a goroutine of its own; the
// place for its result is reserved.
func (s *shell) probe(ctx context.Context, p Probe) {
	s.probed <- probed{p, s.ask(ctx, p)}
}

func (s *shell) ask(ctx context.Context, p Probe) ProbeResult {
	c, err := cid.Cast([]byte(p.CID))
	addrs := dialable(p)
	if err != nil || len(addrs) == 0 {
		return ProbeSkipped
	}
	ctx, cancel := context.WithTimeout(ctx, probeDeadline)
	defer cancel()
	has := false
	err = actor.Guard("probe", s.cfg.Panicked, func() (err error) {
		has, err = s.cfg.Probe(ctx, peer.AddrInfo{ID: p.Peer, Addrs: addrs}, c)
		return err
	})
	switch {
	case err != nil:
		return ProbeUnreached
	case has:
		return ProbeHad
	}
	return ProbeMissed
}

// dialable are the addresses at which the announcer was seen and that mean the
// same everywhere: nobody makes the tracker dial a third party, or into the
// network that it is in.
func dialable(p Probe) []multiaddr.Multiaddr {
	s, err := record.Parse(p.Record)
	if err != nil {
		return nil
	}
	var addrs []multiaddr.Multiaddr
	for _, a := range s.Record().Select(p.Verified) {
		ip, err := manet.ToIP(a)
		if err != nil {
			continue
		}
		if addr, ok := netip.AddrFromSlice(ip); ok && record.ScopeOf(addr) == record.ScopePublic {
			addrs = append(addrs, a)
		}
	}
	return addrs
}
