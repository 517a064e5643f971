package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/sim"
)

// link is what is between two nodes, and how many bytes each lets a stream send
// before it has read any.
type link struct {
	sim.Link
	window uint32
}

// node is a host with an exchange.
type node struct {
	host.Host
	exchanges.Exchange
}

func (n *node) close() error { return errors.Join(n.Exchange.Close(), n.Host.Close()) }

// pair are two nodes and the link between them.
type pair struct {
	seed, client *node
	link         *proxy
}

// newPair returns nodes that are connected and know each other's protocols.
func newPair(ctx context.Context, sides sim.Sides, l link) (p *pair, err error) {
	p = &pair{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.seed, err = newNode(sides.Seed, l.window, libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0")); err != nil {
		return nil, err
	}
	listens, err := manet.ToNetAddr(p.seed.Network().ListenAddresses()[0])
	if err != nil {
		return nil, err
	}
	if p.link, err = newProxy(listens.String(), l.Link); err != nil {
		return nil, err
	}
	if p.client, err = newNode(sides.Client, l.window, libp2p.NoListenAddrs); err != nil {
		return nil, err
	}
	there, err := manet.FromNetAddr(p.link.addr())
	if err != nil {
		return nil, err
	}
	if err := p.client.Connect(ctx, peer.AddrInfo{ID: p.seed.ID(), Addrs: []ma.Multiaddr{there}}); err != nil {
		return nil, fmt.Errorf("connect through the proxy: %w", err)
	}
	return p, pause(ctx, 3*l.RoundTrip) // Identifying takes the seed as long as us.
}

// newNode makes a node that tells nobody where it is, so that no connection goes
// past the proxy.
func newNode(m exchanges.Make, window uint32, where libp2p.Option) (*node, error) {
	windows := *yamux.DefaultTransport
	windows.Config().InitialStreamWindowSize = window
	h, err := libp2p.New(
		where,
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, &windows),
		libp2p.AddrsFactory(func([]ma.Multiaddr) []ma.Multiaddr { return nil }),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
	)
	if err != nil {
		return nil, err
	}
	x, err := exchanges.New(m, h)
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &node{Host: h, Exchange: x}, nil
}

// close ends what there is of a pair. What it fails with has been measured by then.
func (p *pair) close() {
	if p.client != nil {
		_ = p.client.close()
	}
	if p.seed != nil {
		_ = p.seed.close()
	}
	if p.link != nil {
		p.link.close()
	}
}
