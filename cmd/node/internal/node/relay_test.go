package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/marcopolo/simnet"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/souk-p2p/souk/test/eventually"
)

// dialInVain is how long a dial may take on a network without delay.
const dialInVain = 500 * time.Millisecond

// noisy are blocks of which no two are equal.
func noisy(n, size int) (bs []blocks.Block, cs []cid.Cid) {
	random := rand.NewChaCha8([32]byte{1})
	for range n {
		data := make([]byte, size)
		random.Read(data)
		bs = append(bs, blocks.NewBlock(data))
		cs = append(cs, bs[len(bs)-1].Cid())
	}
	return bs, cs
}

// hidden is a node that only its relay can reach, and how it is named.
func hidden(t *testing.T, cfg Config, relay *Online) (*Online, peer.AddrInfo) {
	t.Helper()
	cfg.Relaying.Client, cfg.Relaying.Relays = true, []peer.AddrInfo{addressOf(relay)}
	n := startAs(t, cfg)
	var behind []ma.Multiaddr
	eventually.True(t, func() bool {
		info, err := n.Info(t.Context())
		require.NoError(t, err)
		for _, a := range info.Addresses {
			if strings.Contains(a, "p2p-circuit") {
				behind = append(behind, ma.StringCast(a))
			}
		}
		return len(behind) > 0
	})
	named, err := Peers(behind...)
	require.NoError(t, err)
	return n, named[0]
}

func startRelay(t *testing.T, most int64) *Online {
	t.Helper()
	return startAs(t, Config{Listen: loopback, Relaying: Relaying{Service: &RelayService{Bytes: most, Time: time.Minute}}})
}

// What a relay passes on one connection is less than all, so it is passed on several.
func TestAFetchGoesOnWhenARelayHasCutIt(t *testing.T) {
	relay := startRelay(t, 1<<20)
	holder, named := hidden(t, Config{}, relay)
	bs, cs := noisy(24, 64<<10)
	require.NoError(t, holder.PutMany(t.Context(), bs))

	reader := startAs(t, Config{Relaying: Relaying{Client: true}})
	f, err := reader.Fetch(t.Context(), Source{Peers: []peer.AddrInfo{named}})
	require.NoError(t, err)
	defer f.Close()
	in, err := f.GetBlocks(t.Context(), cs)
	require.NoError(t, err)
	got := 0
	for range in {
		got++
	}
	require.Equal(t, len(cs), got)
	require.Equal(t, p2pnet.Limited, reader.Host.Network().Connectedness(holder.Host.ID()))
}

func TestABlockThatARelayDoesNotPassIsNotGot(t *testing.T) {
	holder, named := hidden(t, Config{}, startRelay(t, 64<<10))
	bs, cs := noisy(1, 128<<10)
	small, _ := noisy(1, 1<<10)
	require.NoError(t, holder.PutMany(t.Context(), append(bs, small...)))
	reader := startAs(t, Config{Relaying: Relaying{Client: true}})
	_, err := get(t, reader, small[0].Cid(), named)
	require.NoError(t, err)

	f, err := reader.Fetch(t.Context(), Source{Peers: []peer.AddrInfo{named}})
	require.NoError(t, err)
	defer f.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = f.GetBlock(ctx, cs[0])
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestWithoutBeingAskedNobodyIsReachedThroughARelay(t *testing.T) {
	_, named := hidden(t, Config{}, startRelay(t, 1<<20))
	var unreachable *UnreachableError
	require.ErrorAs(t, startNode(t).ConnectTo(t.Context(), named), &unreachable)
	require.ErrorContains(t, unreachable, "no transport for protocol")
}

func TestTheLogSaysWhyANodeCannotBeReachedThroughARelay(t *testing.T) {
	core, log := observer.New(zap.InfoLevel)
	relay, plain := startRelay(t, 1<<20), startNode(t, loopback...)
	n, _ := hidden(t, Config{Log: zap.New(core)}, relay)
	require.NoError(t, n.ConnectTo(t.Context(), addressOf(plain)))
	for _, p := range []peer.ID{relay.Host.ID(), plain.Host.ID(), nobody(t).ID} {
		n.tellOfRelay(p, hasPlace(n.Host, p))
	}
	var said []string
	for _, line := range log.All() {
		said = append(said, line.Message)
	}
	require.Equal(t, []string{
		"can be reached through the relay",
		"the relay gives no place: it is full, or runs without --relay-service",
		"the relay cannot be reached, nor this node through it",
	}, said)
}

func TestAKeptPeerBehindARelayCountsAsConnected(t *testing.T) {
	holder, named := hidden(t, Config{}, startRelay(t, 1<<20))
	reader := startAs(t, Config{Peers: []peer.AddrInfo{named}, Relaying: Relaying{Client: true}})
	eventually.True(t, func() bool { return reader.isConnected(holder.Host.ID()) })
	require.Equal(t, keepInterval, reader.attend(t.Context(), named, time.Hour))
	require.Len(t, reader.Host.Network().ConnsToPeer(holder.Host.ID()), 1)
}

// internet is a network of public addresses behind firewalls that let in who was
// written to before.
type internet struct{ simnet.SimpleFirewallRouter }

// source is the one address of a host.
type source struct{ ip atomic.Pointer[net.IP] }

func (s *source) PreferredSourceIPForDestination(*net.UDPAddr) (net.IP, error) {
	return *s.ip.Load(), nil
}

// closed closes what libp2p does not that was constructed for it.
func closed[R, T any](t *testing.T, construct func(R, T, ...quicreuse.Option) (*quicreuse.ConnManager, error)) any {
	return func(reset R, token T, opts ...quicreuse.Option) (*quicreuse.ConnManager, error) {
		m, err := construct(reset, token, opts...)
		if err == nil {
			t.Cleanup(func() { require.NoError(t, m.Close()) })
		}
		return m, err
	}
}

// at puts a node at an address of the internet, over QUIC.
func (i *internet) at(t *testing.T, cfg Config, address string, open bool) Config {
	self := &source{}
	cfg.Listen = []ma.Multiaddr{ma.StringCast("/ip4/" + address + "/udp/4101/quic-v1")}
	cfg.under = []libp2p.Option{libp2p.QUICReuse(closed(t, quicreuse.NewConnManager),
		quicreuse.OverrideSourceIPSelector(func() (quicreuse.SourceIPSelector, error) { return self, nil }),
		quicreuse.OverrideListenUDP(func(_ string, a *net.UDPAddr) (net.PacketConn, error) {
			self.ip.Store(&a.IP)
			if open {
				i.SetAddrPubliclyReachable(a)
			}
			c := simnet.NewSimConn(a)
			c.SetUpPacketReceiver(i)
			i.AddNode(a, c)
			return c, nil
		}))}
	if cfg.Relaying.HolePunching {
		// A peer behind a firewall is dialled in vain first.
		cfg.under = append(cfg.under, libp2p.EnableHolePunching(holepunch.DirectDialTimeout(dialInVain)))
	}
	return cfg
}

func TestHolesArePunchedThroughFirewalls(t *testing.T) {
	var world internet
	relay := startAs(t, world.at(t, Config{Relaying: Relaying{Service: &RelayService{Bytes: 16 << 20, Time: time.Minute}}}, "1.2.0.1", true))
	punching := Config{Relaying: Relaying{Client: true, HolePunching: true}}
	holder, named := hidden(t, world.at(t, punching, "2.2.0.1", false), relay)
	reader := startAs(t, world.at(t, punching, "2.2.0.2", false))
	for _, n := range []*Online{holder, reader} {
		eventually.True(t, func() bool {
			return strings.Contains(fmt.Sprint(n.Host.Mux().Protocols()), string(holepunch.Protocol))
		})
	}
	bs, cs := noisy(2, 64<<10)
	require.NoError(t, holder.PutMany(t.Context(), bs))
	_, err := get(t, reader, cs[0], named)
	require.NoError(t, err)
	eventually.True(t, func() bool {
		return reader.Host.Network().Connectedness(holder.Host.ID()) == p2pnet.Connected
	}, "a direct connection")

	require.NoError(t, relay.Close())
	_, err = get(t, reader, cs[1], named)
	require.NoError(t, err)
}
