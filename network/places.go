package network

import (
	"net/netip"
	"time"

	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// provingTime is how long a peer may stay without being of use before
	// another may have its place: longer than finding and getting a first block.
	provingTime = 10 * time.Second
	// refillAfter is how long after a place was left those are looked for that
	// were turned away.
	refillAfter = time.Second
)

// The codes of IP addresses in a multiaddr.
const (
	codeIP4 = 4
	codeIP6 = 41
)

// places bounds how many peers behind one address, and in one network, take part
// at a time. An identity costs nothing, an address does: without the bound,
// whoever makes up a thousand identities has a thousand times what one peer may
// have. It belongs to the roster, and to its lock.
//
// A peer that exchanged blocks keeps its place. Of the others, the one that has
// been there longest leaves it to a newcomer, once it had the time to prove
// itself.
type places struct {
	address, network int // the bounds
	proven           func(peer.ID) bool
	taken            map[netip.Prefix]map[peer.ID]*remote
}

func newPlaces(cfg *Config) *places {
	return &places{
		address: cfg.PeersPerAddress, network: cfg.PeersPerNetwork, proven: cfg.Proven,
		taken: make(map[netip.Prefix]map[peer.ID]*remote),
	}
}

// take gives m its place among those of the address. It reports whether there is
// one, and who has to leave for that.
func (s *places) take(m *remote, from netip.Addr, now time.Time) (evicted *remote, ok bool) {
	if !from.IsValid() || from.IsLoopback() {
		return nil, true
	}
	address, network := around(from, 32, 64), around(from, 24, 48)
	full := netip.Prefix{}
	switch {
	case len(s.taken[address]) >= s.address:
		full = address // Who leaves that leaves the network as well.
	case len(s.taken[network]) >= s.network:
		full = network
	}
	if full.IsValid() {
		if evicted = s.dispensable(full, now); evicted == nil {
			return nil, false
		}
	}
	m.since = now
	s.put(address, m)
	s.put(network, m)
	return evicted, true
}

// around is the prefix of an address that has so many bits.
func around(a netip.Addr, bits4, bits6 int) netip.Prefix {
	bits := bits6
	if a.Is4() {
		bits = bits4
	}
	p, _ := a.WithZone("").Prefix(bits) // The bits are those of the address's kind.
	return p
}

func (s *places) put(prefix netip.Prefix, m *remote) {
	if s.taken[prefix] == nil {
		s.taken[prefix] = make(map[peer.ID]*remote)
	}
	s.taken[prefix][m.id] = m
	m.places = append(m.places, prefix)
}

// dispensable returns who has been there longest without being of use, if there
// is one.
func (s *places) dispensable(prefix netip.Prefix, now time.Time) *remote {
	var first *remote
	for _, m := range s.taken[prefix] {
		if now.Sub(m.since) < provingTime || first != nil && !m.since.Before(first.since) {
			continue
		}
		if s.proven == nil || !s.proven(m.id) {
			first = m
		}
	}
	return first
}

// leave gives the place of m back and reports whether it had one.
func (s *places) leave(m *remote) bool {
	had := len(m.places) > 0
	for _, prefix := range m.places {
		delete(s.taken[prefix], m.id)
		if len(s.taken[prefix]) == 0 {
			delete(s.taken, prefix)
		}
	}
	m.places = nil
	return had
}

// origin is the address that p connects from. It is not valid when we dialled p:
// those whom we choose are not the crowd.
func (n *Network) origin(p peer.ID) netip.Addr {
	var from netip.Addr
	for _, c := range n.cfg.Host.Network().ConnsToPeer(p) {
		if c.IsClosed() || (!n.cfg.AllowLimited && c.Stat().Limited) {
			continue
		}
		if c.Stat().Direction == p2pnet.DirOutbound {
			return netip.Addr{}
		}
		if !from.IsValid() {
			from = addressOf(c)
		}
	}
	return from
}

func addressOf(c p2pnet.Conn) netip.Addr {
	for _, code := range []int{codeIP4, codeIP6} {
		if text, err := c.RemoteMultiaddr().ValueForProtocol(code); err == nil {
			from, _ := netip.ParseAddr(text) // The zero Addr is not counted.
			return from.Unmap()
		}
	}
	return netip.Addr{}
}

// admit gives m a place, if there is one. Who has to leave for it goes at once.
func (r *roster) admit(m *remote) bool {
	if m.crowded {
		return false
	}
	evicted, ok := r.places.take(m, r.from(m.id), time.Now())
	if !ok {
		m.crowded, r.turnedAway = true, true
		r.n.count.turnedAway.Add(1)
		return false
	}
	if evicted != nil {
		evicted.crowded = true
		r.n.count.turnedAway.Add(1)
		r.fall(evicted)
		r.n.life.spawn("close", func() { r.n.budget.endStreams(evicted.id) })
	}
	return true
}

// vacate gives the place of m back. If somebody was turned away before, the host's
// peers are looked through once more.
func (r *roster) vacate(m *remote) {
	if !r.places.leave(m) || !r.turnedAway || r.closed {
		return
	}
	r.turnedAway = false
	r.again = r.n.life.after(refillAfter, "events", r.n.meetConnected)
}
