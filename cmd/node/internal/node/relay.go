package node

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	p2pnet "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	relayv2 "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"go.uber.org/zap"
)

// Relaying says what a node has to do with relays. The zero Relaying is nothing.
type Relaying struct {
	// Client lets the node use connections through relays, which end after some bytes
	// and some time.
	Client bool
	// Relays are those through which others reach the node. It needs Client.
	Relays []peer.AddrInfo
	// HolePunching turns connections through relays into direct ones. It needs Client.
	HolePunching bool
	// Service makes the node a relay for whoever asks, unless it is nil.
	Service *RelayService
}

// RelayService bounds what a node relays: for one connection, in each direction.
type RelayService struct {
	Bytes int64
	Time  time.Duration
}

const (
	// relayRetry is after how long a relay is asked for a place again that gave none.
	// libp2p waits an hour, in which a node that was started first is out of reach.
	relayRetry = time.Minute
	// relayTries is how often relays are looked at.
	relayTries = 10 * time.Second
)

// options are those of the host. libp2p waits for others to tell it whether it can
// be reached before it looks for relays, or is one; the user has said so already.
func (r *Relaying) options(near *nearRelays) []libp2p.Option {
	var options []libp2p.Option
	if r.Client {
		options = append(options, libp2p.EnableRelay())
	} else {
		options = append(options, libp2p.DisableRelay())
	}
	if len(r.Relays) > 0 {
		options = append(options, libp2p.ForceReachabilityPrivate(), libp2p.AddrsFactory(near.add), libp2p.EnableAutoRelayWithStaticRelays(r.Relays,
			autorelay.WithMinCandidates(1), autorelay.WithBackoff(relayRetry), autorelay.WithMinInterval(relayTries)))
	}
	if r.HolePunching {
		options = append(options, libp2p.EnableHolePunching())
	}
	if r.Service != nil {
		limit := relayv2.RelayLimit{Data: r.Service.Bytes, Duration: r.Service.Time}
		options = append(options, libp2p.ForceReachabilityPublic(), libp2p.EnableRelayService(relayv2.WithLimit(&limit)))
	}
	return options
}

// reservedTag is what libp2p protects the connection to a relay with that has given the
// node a place.
const reservedTag = "autorelay"

// nearRelays adds the addresses behind relays that are not on the public network to
// those of a host. libp2p knows only public ones.
type nearRelays struct {
	relays []peer.AddrInfo
	host   atomic.Pointer[host.Host] // nil until it is there
}

func (n *nearRelays) add(addrs []ma.Multiaddr) []ma.Multiaddr {
	h := n.host.Load()
	if h == nil {
		return addrs
	}
	addrs = slices.Clip(addrs)
	for _, r := range n.relays {
		if !hasPlace(*h, r.ID) {
			continue
		}
		behind := ma.StringCast("/p2p/" + r.ID.String() + "/p2p-circuit")
		for _, a := range r.Addrs {
			if !manet.IsPublicAddr(a) {
				addrs = append(addrs, a.Encapsulate(behind))
			}
		}
	}
	return addrs
}

// hasPlace reports whether a relay has given the host a place.
func hasPlace(h host.Host, relay peer.ID) bool {
	return h.Network().Connectedness(relay) == p2pnet.Connected && h.ConnManager().IsProtected(relay, reservedTag)
}

// watchRelays says in the log when a relay gives the node no place, and when it has
// one. libp2p says neither.
func (n *Online) watchRelays(relays []peer.AddrInfo) {
	placed := make(map[peer.ID]bool, len(relays))
	for first := true; ; first = false {
		select {
		case <-time.After(relayTries):
		case <-n.ctx.Done():
			return
		}
		for _, r := range relays {
			has := hasPlace(n.Host, r.ID)
			if has == placed[r.ID] && (has || !first) {
				continue
			}
			placed[r.ID] = has
			n.tellOfRelay(r.ID, has)
		}
	}
}

func (n *Online) tellOfRelay(relay peer.ID, has bool) {
	switch {
	case has:
		n.log.Info("can be reached through the relay", zap.Stringer("relay", relay))
	case n.Host.Network().Connectedness(relay) == p2pnet.Connected:
		n.log.Warn("the relay gives no place: it is full, or runs without --relay-service", zap.Stringer("relay", relay))
	default:
		n.log.Warn("the relay cannot be reached, nor this node through it", zap.Stringer("relay", relay))
	}
}

// IsRelayed reports whether an address is one behind a relay.
func IsRelayed(a ma.Multiaddr) bool {
	_, err := a.ValueForProtocol(ma.P_CIRCUIT)
	return err == nil
}

// relayedPeers reports whether one of the peers is named behind a relay.
func relayedPeers(peers []peer.AddrInfo) bool {
	return slices.ContainsFunc(peers, func(p peer.AddrInfo) bool { return slices.ContainsFunc(p.Addrs, IsRelayed) })
}

// reach is for dialling, and for asking whether that is needed.
func (n *Online) reach(ctx context.Context) context.Context {
	if n.relaying {
		return p2pnet.WithAllowLimitedConn(ctx, "souk")
	}
	return ctx
}

// isConnected reports whether there is a connection that can be used.
func (n *Online) isConnected(p peer.ID) bool {
	c := n.Host.Network().Connectedness(p)
	return c == p2pnet.Connected || n.relaying && c == p2pnet.Limited
}

// relayAddresses are those behind the relays where the node has a place.
func (n *Online) relayAddresses() []ma.Multiaddr {
	return slices.DeleteFunc(n.Host.Addrs(), func(a ma.Multiaddr) bool { return !IsRelayed(a) })
}
