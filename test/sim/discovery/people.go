//go:build simulation

package discovery

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	mh "github.com/multiformats/go-multihash"

	"github.com/souk-p2p/souk/providers/record"
)

// person is a peer that fetches nothing at the moment.
type person struct {
	id    peer.ID
	first int32 // of its holdings; -1 for none
	life  uint16
	up    bool
	ends  bool // it announces, leaves, and never comes back
}

// holding is what a peer holds of a namespace.
type holding struct {
	peer, space uint32
	next        int32 // of the same peer; -1 for none
	kind        copyKind
	from        uint8 // first of the shards, in a copy of some
	sequence    uint64
}

// copyKind is how much of a namespace a holder has.
type copyKind uint8

const (
	whole  copyKind = iota // everything
	patchy                 // some of everything, which it says
	wide                   // wideShards of the shards
	narrow                 // narrowShards of them: of the hot namespace, which is large
)

const wideShards, narrowShards = 64, 4

// shards are those that a copy covers.
func (h *holding) shards() (first, last int) {
	switch h.kind {
	case wide:
		return int(h.from), int(h.from) + wideShards - 1
	case narrow:
		return int(h.from), int(h.from) + narrowShards - 1
	}
	return 0, 255
}

func (h *holding) ranges() record.Ranges {
	first, last := h.shards()
	r, err := record.NewRanges(record.Range{From: record.Point(first << 8), To: record.Point(last<<8 | 0xff)})
	if err != nil {
		panic(err) // A range of our own.
	}
	return r
}

// has reports whether a block is in a copy.
func (h *holding) has(c cid.Cid) bool {
	point, _ := record.PointOf(c)
	first, last := h.shards()
	if shard := int(point.Shard()); shard < first || shard > last {
		return false
	}
	return h.kind != patchy || (uint32(point)*2654435761^h.peer*2246822519)>>13&1 == 0
}

// population is everybody, and who holds what.
type population struct {
	people   []person
	holdings []holding
	spaces   [][]uint32 // holdings of each namespace; the first is the hot one
	index    map[peer.ID]uint32
}

func populate(s *Setup, dice *rand.Rand, ids func(i int) peer.ID) *population {
	p := &population{
		people: make([]person, s.Peers), spaces: make([][]uint32, s.namespaces()+1), index: make(map[peer.ID]uint32, s.Peers),
	}
	for i := range p.people {
		p.people[i] = person{id: ids(i), first: -1, up: true}
		p.index[p.people[i].id] = uint32(i)
	}
	for space := range p.spaces {
		holders := leastHolders + dice.IntN(mostHolders-leastHolders+1)
		if space == 0 {
			holders = max(mostHolders, int(hotPart*float64(s.Peers)))
		}
		p.hold(dice, space, holders)
	}
	return p
}

// hold gives a namespace to so many peers.
func (p *population) hold(dice *rand.Rand, space, holders int) {
	holders = min(holders, len(p.people)/2)
	chosen := make(map[int]bool, holders)
	for len(chosen) < holders {
		i := dice.IntN(len(p.people))
		if chosen[i] {
			continue
		}
		chosen[i] = true
		h := holding{peer: uint32(i), space: uint32(space), next: p.people[i].first, kind: copyKindOf(space, dice.IntN(10))}
		first, last := h.shards()
		h.from = uint8(dice.IntN(256 - (last - first)))
		p.people[i].first = int32(len(p.holdings))
		p.people[i].ends = p.people[i].ends || dice.Float64() < deadPart
		p.spaces[space] = append(p.spaces[space], uint32(len(p.holdings)))
		p.holdings = append(p.holdings, h)
	}
}

// copyKindOf makes half of the copies whole ones.
func copyKindOf(space, of10 int) copyKind {
	switch {
	case of10 < 5:
		return whole
	case of10 < 7:
		return patchy
	case of10 < 9 || space > 0:
		return wide
	}
	return narrow
}

// of are the holdings of a peer.
func (p *population) of(who uint32) []uint32 {
	var all []uint32
	for h := p.people[who].first; h >= 0; h = p.holdings[h].next {
		all = append(all, uint32(h))
	}
	return all
}

// holds returns what a peer holds of a namespace, or nil.
func (p *population) holds(who uint32, space int) *holding {
	for h := p.people[who].first; h >= 0; h = p.holdings[h].next {
		if int(p.holdings[h].space) == space {
			return &p.holdings[h]
		}
	}
	return nil
}

// neighbours is how many peers have addresses of one /24.
const neighbours = 8

// addr is where a peer is.
func addr(who uint32) netip.Addr {
	var ip [4]byte
	binary.BigEndian.PutUint32(ip[:], 20<<24+who/neighbours<<8+1+who%neighbours)
	return netip.AddrFrom4(ip)
}

func addrs(who uint32) []multiaddr.Multiaddr {
	a, err := multiaddr.NewMultiaddr(fmt.Sprintf("/ip4/%s/udp/4001/quic-v1", addr(who)))
	if err != nil {
		panic(err) // An address of our own.
	}
	return []multiaddr.Multiaddr{a}
}

func spaceName(space int) record.Namespace {
	if space == 0 {
		return "hot"
	}
	return record.Namespace(fmt.Sprintf("dataset-%d", space))
}

// blockOf is one of the blocks of a namespace.
func blockOf(space, n int) blocks.Block {
	data := make([]byte, blockSize)
	copy(data, fmt.Sprintf("%s/%d", spaceName(space), n))
	c, err := cid.Prefix{Version: 1, Codec: cid.Raw, MhType: mh.SHA2_256, MhLength: -1}.Sum(data)
	if err != nil {
		panic(err) // Nothing can fail in this.
	}
	b, err := blocks.NewBlockWithCid(data, c)
	if err != nil {
		panic(err)
	}
	return b
}
