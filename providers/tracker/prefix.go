package tracker

import (
	"encoding/binary"
	"net/netip"
)

// prefix is the network that an address is in: /24 of IPv4, /48 of IPv6. Zero
// stands for all that came from no address, such as through a relay.
type prefix uint64

const (
	prefix4 prefix = 1 << 56
	prefix6 prefix = 2 << 56
)

func prefixOf(a netip.Addr) prefix {
	a = a.Unmap()
	switch {
	case a.Is4():
		b := a.As4()
		return prefix4 | prefix(binary.BigEndian.Uint32(b[:])>>8)
	case a.Is6():
		b := a.As16()
		return prefix6 | prefix(binary.BigEndian.Uint64(b[:8])>>16)
	}
	return 0
}
