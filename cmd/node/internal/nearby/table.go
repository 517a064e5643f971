package nearby

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	// mostNeighbours are remembered: more than there are nodes on a network that a
	// multicast reaches and that are worth a connection each.
	mostNeighbours = 64
	// mostAddrs are those of a neighbour that are tried: TCP and QUIC, over IPv4 and
	// IPv6, of two network cards.
	mostAddrs = 8
	// mostDials are under way at a time.
	mostDials = 4

	// A neighbour that does not answer is dialled again after firstPause, then after
	// twice as long each time, and after mostFailures it is forgotten.
	firstPause   = 5 * time.Second
	mostFailures = 6
	// checkPause is after how long a neighbour that was connected is looked at again.
	checkPause = 30 * time.Second
)

// neighbour is one who was heard of.
type neighbour struct {
	peer.AddrInfo
	heard    time.Time // first
	next     time.Time // when it is dialled, unless it is connected
	dialling bool
	failures int // in a row
}

// table is who was heard of.
type table struct {
	all map[peer.ID]*neighbour
	own []netip.Prefix // networks that this machine is in
}

func newTable() table { return table{all: make(map[peer.ID]*neighbour)} }

// hear notes that a neighbour announces itself. When the table is full it takes the
// place of the one that failed most often, if there is one.
func (t *table) hear(p peer.AddrInfo, now time.Time) {
	p.Addrs = local(p.Addrs, t.own)
	if len(p.Addrs) == 0 {
		return
	}
	if n := t.all[p.ID]; n != nil {
		n.Addrs = p.Addrs
		return
	}
	if len(t.all) >= mostNeighbours {
		worst := t.worst()
		if worst == nil {
			return
		}
		delete(t.all, worst.ID)
	}
	t.all[p.ID] = &neighbour{AddrInfo: p, heard: now, next: now}
}

// worst is the neighbour that failed most often, of several the one that was heard
// of last.
func (t *table) worst() (worst *neighbour) {
	for _, n := range t.all {
		if n.failures > 0 && !n.dialling && (worst == nil || order(n, worst) > 0) {
			worst = n
		}
	}
	return worst
}

// order puts those first that failed least often, and of these who was heard of first.
func order(a, b *neighbour) int {
	return cmp.Or(cmp.Compare(a.failures, b.failures), a.heard.Compare(b.heard), cmp.Compare(a.ID, b.ID))
}

// due returns who is to be dialled now, and counts them as being dialled.
func (t *table) due(now time.Time, connected func(peer.ID) bool) []peer.AddrInfo {
	var ready []*neighbour
	room := mostDials
	for _, n := range t.all {
		switch {
		case n.dialling:
			room--
		case n.next.After(now):
		case connected(n.ID):
			n.failures, n.next = 0, now.Add(checkPause)
		default:
			ready = append(ready, n)
		}
	}
	slices.SortFunc(ready, order)
	var dials []peer.AddrInfo
	for _, n := range ready[:min(max(room, 0), len(ready))] {
		n.dialling = true
		dials = append(dials, n.AddrInfo)
	}
	return dials
}

// dialled notes how a dial has ended. It reports whether the neighbour is forgotten.
func (t *table) dialled(p peer.ID, err error, now time.Time) (forgotten bool) {
	n := t.all[p]
	n.dialling = false
	if err == nil {
		n.failures, n.next = 0, now.Add(checkPause)
		return false
	}
	n.next = now.Add(firstPause << n.failures)
	if n.failures++; n.failures >= mostFailures {
		delete(t.all, p)
		return true
	}
	return false
}

// local are those addresses that are on a local network: private ones, and those of
// the networks that this machine is in. Others would let whoever is on the local
// network make us dial whom they like.
func local(addrs []ma.Multiaddr, own []netip.Prefix) []ma.Multiaddr {
	var near []ma.Multiaddr
	for _, a := range addrs {
		if (manet.IsPrivateAddr(a) || isWithin(a, own)) && !isRelayed(a) && len(near) < mostAddrs {
			near = append(near, a)
		}
	}
	return near
}

func isWithin(a ma.Multiaddr, own []netip.Prefix) bool {
	ip, err := manet.ToIP(a)
	if err != nil {
		return false
	}
	at, _ := netip.AddrFromSlice(ip) // The zero Addr is in no network.
	return slices.ContainsFunc(own, func(p netip.Prefix) bool { return p.Contains(at.Unmap()) })
}

func isRelayed(a ma.Multiaddr) bool {
	_, err := a.ValueForProtocol(ma.P_CIRCUIT)
	return err == nil
}

// ownNetworks are those that this machine is in.
func ownNetworks() []netip.Prefix {
	cards, err := net.InterfaceAddrs()
	if err != nil {
		return nil // Private addresses are local all the same.
	}
	var own []netip.Prefix
	for _, card := range cards {
		if p, err := netip.ParsePrefix(card.String()); err == nil {
			own = append(own, p.Masked())
		}
	}
	return own
}
