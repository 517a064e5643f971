package main

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// sourceOptions say where a verb that fetches may fetch from.
type sourceOptions struct {
	peers   []string
	timeout time.Duration
}

func (o *sourceOptions) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.peers, "peer", nil, "ask this peer and no others, as /ip4/ADDRESS/tcp/PORT/p2p/ID; may be repeated")
	f.DurationVar(&o.timeout, "timeout", 0, "give up after this long, as 30s or 5m (default: never)")
}

// fetch gives do a fetcher for the node of the repository, and the time that the
// command has.
func (o *sourceOptions) fetch(ctx context.Context, a *app, do func(context.Context, node.Fetcher) error) error {
	peers, err := parsePeers(o.peers)
	if err != nil {
		return err
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	err = withFetcher(ctx, a, peers, do)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return &timeoutError{after: o.timeout, error: err}
	}
	return err
}

// withFetcher opens the node and a fetcher for as long as do runs.
func withFetcher(ctx context.Context, a *app, peers []peer.AddrInfo, do func(context.Context, node.Fetcher) error) (err error) {
	n, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	f, err := n.Fetch(ctx, node.Source{Peers: peers})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return do(ctx, f)
}

// parsePeers reads addresses of peers; those of the same peer are put together.
func parsePeers(texts []string) ([]peer.AddrInfo, error) {
	addrs, err := parseAddrs(texts)
	if err != nil {
		return nil, err
	}
	for i, a := range addrs {
		if _, err := peer.AddrInfoFromP2pAddr(a); err != nil {
			return nil, usagef("%q does not end in /p2p/ID: a peer prints its addresses when it runs", texts[i])
		}
	}
	return peer.AddrInfosFromP2pAddrs(addrs...)
}

func parseAddrs(texts []string) ([]ma.Multiaddr, error) {
	addrs := make([]ma.Multiaddr, len(texts))
	for i, text := range texts {
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			return nil, usagef("%q is not an address like /ip4/127.0.0.1/tcp/4101: %w", text, err)
		}
		addrs[i] = a
	}
	return addrs, nil
}
