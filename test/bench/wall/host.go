package main

import (
	"context"
	"errors"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// transport is a way in which two hosts reach each other.
type transport struct {
	name   string
	listen string
	opts   []libp2p.Option
}

// transports are the ways by the names of their flag.
var transports = map[string]transport{
	"noise": {"TCP Noise", "/ip4/127.0.0.1/tcp/0", []libp2p.Option{
		libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New),
	}},
	"tls": {"TCP TLS", "/ip4/127.0.0.1/tcp/0", []libp2p.Option{
		libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(libp2ptls.ID, libp2ptls.New),
	}},
	"quic": {"QUIC", "/ip4/127.0.0.1/udp/0/quic-v1", []libp2p.Option{
		libp2p.Transport(libp2pquic.NewTransport),
	}},
}

// host makes a host that listens on loopback. Its resource manager counts and
// refuses nothing: all peers come from one address here.
func (t transport) host() (host.Host, error) {
	limits := rcmgr.NewFixedLimiter(rcmgr.InfiniteLimits)
	manager, err := rcmgr.NewResourceManager(limits)
	if err != nil {
		return nil, err
	}
	opts := append([]libp2p.Option{
		libp2p.ListenAddrStrings(t.listen), libp2p.DisableRelay(), libp2p.DisableMetrics(),
		libp2p.ResourceManager(manager),
	}, t.opts...)
	return libp2p.New(opts...)
}

// node is a host with an exchange.
type node struct {
	host.Host
	exchanges.Exchange
}

func newNode(t transport, m exchanges.Make) (*node, error) {
	h, err := t.host()
	if err != nil {
		return nil, err
	}
	x, err := exchanges.New(m, h)
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &node{Host: h, Exchange: x}, nil
}

// Close ends the exchange and its host.
func (n *node) Close() error { return errors.Join(n.Exchange.Close(), n.Host.Close()) }

// addrs is how to reach a host.
func addrs(h host.Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

// newNodes makes n nodes that are connected to one peer.
func newNodes(ctx context.Context, t transport, m exchanges.Make, n int, to peer.AddrInfo) ([]*node, error) {
	nodes := make([]*node, 0, n)
	for range n {
		next, err := newNode(t, m)
		if err != nil {
			return nil, errors.Join(err, closeAll(nodes))
		}
		nodes = append(nodes, next)
		if err := next.Connect(ctx, to); err != nil {
			return nil, errors.Join(err, closeAll(nodes))
		}
	}
	return nodes, nil
}

func closeAll(nodes []*node) error {
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.Close())
	}
	return errors.Join(errs...)
}
