package resources

import (
	"net/netip"
	"time"

	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"

	"github.com/souk-p2p/souk/network"
)

const (
	// connsEach is how many connections a peer may have where those of an address are
	// counted: one over each transport.
	connsEach = 2
	// comeback is how often each of the peers behind an address may connect again.
	comeback = time.Minute
)

// around are how many peers the exchange takes from one address and from one
// network, by the length of the prefix that stands for it.
var (
	around4 = map[int]int{32: network.DefaultPerAddress, 24: network.DefaultPerNetwork}
	around6 = map[int]int{64: network.DefaultPerAddress, 48: network.DefaultPerNetwork}
)

// byAddress bounds connections from one address as the exchange bounds peers:
// libp2p's own eight for an address would leave most of those behind a router out.
func byAddress() rcmgr.Option {
	return rcmgr.WithLimitPerSubnet(countOf(around4), countOf(around6))
}

func countOf(peers map[int]int) []rcmgr.ConnLimitPerSubnet {
	var limits []rcmgr.ConnLimitPerSubnet
	for bits, n := range peers {
		limits = append(limits, rcmgr.ConnLimitPerSubnet{PrefixLength: bits, ConnCount: connsEach * n})
	}
	return limits
}

// byAddressAndTime bounds how fast they come: all of an address at once, and each of
// them once in a while.
func byAddressAndTime() rcmgr.Option {
	loopback := []rate.PrefixLimit{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")}}
	return rcmgr.WithConnRateLimiters(&rate.Limiter{
		NetworkPrefixLimits: loopback,
		SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: rateOf(around4), IPv6SubnetLimits: rateOf(around6), GracePeriod: comeback,
		},
	})
}

func rateOf(peers map[int]int) []rate.SubnetLimit {
	var limits []rate.SubnetLimit
	for bits, n := range peers {
		limits = append(limits, rate.SubnetLimit{
			PrefixLength: bits, Limit: rate.Limit{RPS: float64(n) / comeback.Seconds(), Burst: connsEach * n},
		})
	}
	return limits
}
