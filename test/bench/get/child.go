package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
)

// childArg is the first argument of a process that the benchmark starts of itself.
const childArg = "process"

// child is such a process. The first argument says what it does.
func child(ctx context.Context, args []string) error {
	parts := map[string]struct {
		args int
		run  func(ctx context.Context, args []string) error
	}{
		"serve-bare": {2, func(ctx context.Context, a []string) error { return serveBare(ctx, a[0], a[1]) }},
		"get-bare":   {2, func(ctx context.Context, a []string) error { return getBare(ctx, a[0], a[1]) }},
		"serve-boxo": {2, func(ctx context.Context, a []string) error { return serveBoxo(ctx, a[0], a[1]) }},
		"get-boxo":   {4, func(ctx context.Context, a []string) error { return getBoxo(ctx, a[0], a[1], a[2], a[3]) }},
	}
	if len(args) == 0 || parts[args[0]].args != len(args)-1 {
		return fmt.Errorf("no such process: %q", args)
	}
	return parts[args[0]].run(ctx, args[1:])
}

// newHost is a host as the command has one.
func newHost(listen ...string) (host.Host, error) {
	where := libp2p.NoListenAddrs
	if len(listen) > 0 {
		where = libp2p.ListenAddrStrings(listen...)
	}
	return libp2p.New(
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Transport(libp2pquic.NewTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		where,
	)
}

// serve says where a host is reached, and waits for the end.
func serve(ctx context.Context, h host.Host) error {
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()})
	if err != nil {
		return err
	}
	var l listening
	for _, a := range addrs {
		l.Addresses = append(l.Addresses, a.String())
	}
	err = json.NewEncoder(os.Stdout).Encode(l)
	if err == nil {
		<-ctx.Done()
	}
	return errors.Join(err, h.Close())
}

// connect returns a host that is connected to the peer at an address.
func connect(ctx context.Context, address string) (host.Host, peer.ID, error) {
	a, err := ma.NewMultiaddr(address)
	if err != nil {
		return nil, "", err
	}
	to, err := peer.AddrInfoFromP2pAddr(a)
	if err != nil {
		return nil, "", err
	}
	h, err := newHost()
	if err != nil {
		return nil, "", err
	}
	if err := h.Connect(ctx, *to); err != nil {
		return nil, "", errors.Join(err, h.Close())
	}
	return h, to.ID, nil
}
