package record

import (
	"net/netip"
	"testing"

	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
)

const relayPeer = "/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"

func TestAddressesStandByWhereTheAnnouncerWasSeen(t *testing.T) {
	const (
		public4, public6 = "198.51.100.7", "2001:db8:1:2::7"
		private, loop    = "10.0.0.7", "127.0.0.1"
	)
	for _, tc := range []struct {
		name, addr, observed string
		want                 Standing
	}{
		{"the same IP", "/ip4/198.51.100.7/tcp/1", public4, Verified},
		{"another port and transport", "/ip4/198.51.100.7/udp/9/quic-v1", public4, Verified},
		{"seen as IPv4 in IPv6", "/ip4/198.51.100.7/tcp/1", "::ffff:198.51.100.7", Verified},
		{"said as IPv4 in IPv6", "/ip6/::ffff:198.51.100.7/tcp/1", public4, Verified},
		{"the same /64", "/ip6/2001:db8:1:2:ffff::1/tcp/1", public6, Verified},
		{"the next /64", "/ip6/2001:db8:1:3::7/tcp/1", public6, Refused},
		{"a third party", "/ip4/198.51.100.8/tcp/1", public4, Refused},
		{"the other family", "/ip6/2001:db8:1:2::7/tcp/1", public4, Unverified},
		{"the other family back", "/ip4/198.51.100.7/tcp/1", public6, Unverified},
		{"DNS", "/dns4/example.org/tcp/1", public4, Unverified},
		{"dnsaddr", "/dnsaddr/example.org", public4, Unverified},
		{"a name for TLS behind it", "/dns/example.org/tcp/443/tls/sni/example.org/ws", public4, Unverified},
		{"a relay", "/ip4/203.0.113.1/tcp/1" + relayPeer + "/p2p-circuit", public4, Unverified},
		{"a relay at the same IP", "/ip4/198.51.100.7/tcp/1" + relayPeer + "/p2p-circuit", public4, Unverified},
		{"a relay by its peer alone", relayPeer + "/p2p-circuit", public4, Unverified},
		{"a private relay", "/ip4/10.0.0.1/tcp/1" + relayPeer + "/p2p-circuit", public4, Refused},
		{"a loopback relay", "/ip4/127.0.0.1/tcp/1" + relayPeer + "/p2p-circuit", public4, Refused},
		{"behind a relay", relayPeer + "/p2p-circuit/ip4/203.0.113.9/tcp/1", public4, Refused},
		{"two hosts", "/ip4/198.51.100.7/tcp/1/ip4/203.0.113.9/tcp/22", public4, Refused},
		{"a name behind a host", "/ip4/198.51.100.7/tcp/1/dns4/example.org", public4, Refused},
		{"private, seen in public", "/ip4/10.0.0.7/tcp/1", public4, Refused},
		{"carrier NAT, seen in public", "/ip4/100.64.0.1/tcp/1", public4, Refused},
		{"link-local, seen in public", "/ip6/fe80::1/tcp/1", public6, Refused},
		{"unique local, seen in public", "/ip6/fd00::1/tcp/1", public4, Refused},
		{"loopback, seen in public", "/ip4/127.0.0.1/tcp/1", public4, Refused},
		{"IPv6 loopback, seen in public", "/ip6/::1/tcp/1", public4, Refused},
		{"loopback inside of IPv6", "/ip6/::ffff:127.0.0.1/tcp/1", public6, Refused},
		{"private, seen there", "/ip4/10.0.0.7/tcp/1", private, Verified},
		{"another private, seen in private", "/ip4/192.168.0.1/tcp/1", private, Refused},
		{"private of the other family", "/ip6/fd00::1/tcp/1", private, Unverified},
		{"public, seen in private", "/ip4/198.51.100.7/tcp/1", private, Refused},
		{"loopback, seen in private", "/ip4/127.0.0.1/tcp/1", private, Refused},
		{"loopback, seen there", "/ip4/127.0.0.1/tcp/1", loop, Verified},
		{"loopback, seen there by the other family", "/ip6/::1/tcp/1", loop, Verified},
		{"private, seen over loopback", "/ip4/10.0.0.7/tcp/1", loop, Refused},
		{"unspecified", "/ip4/0.0.0.0/tcp/1", public4, Refused},
		{"this network", "/ip4/0.1.2.3/tcp/1", public4, Refused},
		{"IPv6 unspecified", "/ip6/::/tcp/1", public6, Refused},
		{"multicast", "/ip4/224.0.0.1/udp/1", public4, Refused},
		{"broadcast", "/ip4/255.255.255.255/udp/1", public4, Refused},
		{"a zone", "/ip6zone/eth0/ip6/fe80::1/tcp/1", "fe80::1", Refused},
		{"a socket", "/unix/tmp/socket", public4, Refused},
		{"no host", "/tcp/1", public4, Refused},
		{"public, seen through a relay", "/ip4/198.51.100.7/tcp/1", "", Unverified},
		{"private, seen through a relay", "/ip4/10.0.0.7/tcp/1", "", Refused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			observed, _ := netip.ParseAddr(tc.observed)
			require.Equal(t, tc.want, Classify(multiaddr.StringCast(tc.addr), observed, ScopeOf(observed)))
		})
	}
}

func TestScopes(t *testing.T) {
	for ip, want := range map[string]Scope{
		"":                   ScopeNone,
		"0.0.0.0":            ScopeNone,
		"0.1.2.3":            ScopeNone,
		"224.0.0.1":          ScopeNone,
		"240.0.0.1":          ScopeNone,
		"255.255.255.255":    ScopeNone,
		"::":                 ScopeNone,
		"ff02::1":            ScopeNone,
		"127.3.2.1":          ScopeLoopback,
		"::1":                ScopeLoopback,
		"::ffff:127.0.0.1":   ScopeLoopback,
		"10.0.0.1":           ScopePrivate,
		"172.31.0.1":         ScopePrivate,
		"192.168.0.1":        ScopePrivate,
		"100.64.0.1":         ScopePrivate,
		"100.127.255.255":    ScopePrivate,
		"169.254.0.1":        ScopePrivate,
		"fe80::1%eth0":       ScopePrivate,
		"fd00::1":            ScopePrivate,
		"100.128.0.1":        ScopePublic,
		"172.32.0.1":         ScopePublic,
		"198.51.100.7":       ScopePublic,
		"2001:db8::1":        ScopePublic,
		"::ffff:203.0.113.1": ScopePublic,
	} {
		addr, _ := netip.ParseAddr(ip)
		require.Equal(t, want, ScopeOf(addr), "%q", ip)
	}
}

func TestNoAddressIsRefused(t *testing.T) {
	require.Equal(t, Refused, Classify(nil, netip.MustParseAddr("198.51.100.7"), ScopePublic))
}

func TestReachKeepsFourUnverified(t *testing.T) {
	var r Record
	for _, s := range []string{
		"/dns/a/tcp/1", "/ip4/198.51.100.9/tcp/1", "/dns/b/tcp/1", "/ip4/198.51.100.7/tcp/1",
		"/dns/c/tcp/1", "/dns/d/tcp/1", "/dns/e/tcp/1", "/ip4/198.51.100.7/udp/1/quic-v1",
	} {
		r.Addrs = append(r.Addrs, multiaddr.StringCast(s))
	}
	r.Addrs = append(r.Addrs, nil)
	verified, unverified := r.Reach(netip.MustParseAddr("198.51.100.7"), ScopePublic)
	require.Equal(t, AddrSet(0b10001000), verified)
	require.Equal(t, AddrSet(0b00110101), unverified)
	require.Equal(t, MaxUnverified, unverified.Len())
	require.Equal(t, []multiaddr.Multiaddr{r.Addrs[3], r.Addrs[7]}, r.Select(verified))
	require.False(t, verified.Has(-1))
	require.False(t, AddrSet(0xffff).Has(MaxAddrs))
}
