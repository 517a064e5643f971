package access

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"

	"github.com/souk-p2p/souk/rate"
)

// subject reads whom a line is about.
func (p *parser) subject(what, value string) (subject, error) {
	switch what {
	case "peer":
		id, err := peer.Decode(value)
		if err != nil {
			return 0, fmt.Errorf("%q is not the ID of a peer, such as 12D3KooW…: %w", value, err)
		}
		return number(p.made.peers, id, p.next()), nil
	case "net":
		prefix, err := network(value)
		if err != nil {
			return 0, err
		}
		p.length(prefix)
		return number(p.made.nets, prefix, p.next()), nil
	case "class":
		if !names.MatchString(value) {
			return 0, fmt.Errorf("%q is no name of a class: write small letters, digits and -, at most 32", value)
		}
		if _, there := p.made.named[value]; !there && len(p.made.named) >= rate.MostClasses {
			return 0, fmt.Errorf("there are more than %d classes", rate.MostClasses)
		}
		return number(p.made.named, value, p.next()), nil
	}
	return 0, fmt.Errorf("%q is unknown: write peer ID or net ADDRESS/BITS", what)
}

// next is the number of the next subject.
func (p *parser) next() subject {
	return subject(len(p.made.peers) + len(p.made.nets) + len(p.made.named) + 1)
}

func number[K comparable](known map[K]subject, k K, next subject) subject {
	if s, there := known[k]; there {
		return s
	}
	known[k] = next
	return next
}

// length notes how long a prefix is.
func (p *parser) length(prefix netip.Prefix) {
	bits := prefix.Bits()
	if prefix.Addr().Is4() {
		bits += ipv4
	}
	if !slices.Contains(p.made.lengths, bits) {
		p.made.lengths = append(p.made.lengths, bits)
	}
}

// network reads addresses: ADDRESS/BITS, or one address.
func network(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if addr, single := netip.ParseAddr(text); single == nil {
		addr = addr.Unmap().WithZone("")
		prefix, err = addr.Prefix(addr.BitLen())
	}
	if err != nil || prefix.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is no network: write ADDRESS/BITS, such as 192.0.2.0/24 or 2001:db8::/32", text)
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q has bits beyond its length: write %s", text, prefix.Masked())
	}
	return prefix, nil
}

// block reads which block a line is about.
func (p *parser) block(what, value string) (kind, string, error) {
	switch what {
	case "cid":
		c, err := cid.Decode(strings.TrimPrefix(value, "/ipfs/"))
		if err != nil {
			return 0, "", fmt.Errorf("%q is not a CID: %w", value, err)
		}
		return byMultihash, string(c.Hash()), nil
	case "multihash":
		sum, err := multihash.FromHexString(value)
		if err != nil {
			sum, err = multihash.FromB58String(value)
		}
		if err != nil {
			return 0, "", fmt.Errorf("%q is not a multihash in hexadecimal or base58", value)
		}
		return byMultihash, string(sum), nil
	}
	return p.made.hashes.add(strings.TrimPrefix(value, "//"))
}
