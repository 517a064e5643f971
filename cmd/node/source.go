package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/providers/record"
)

// sourceOptions say where a verb that fetches may fetch from.
type sourceOptions struct {
	peers     []string
	namespace string
	trackers  []string
	timeout   time.Duration
}

func (o *sourceOptions) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.peers, "peer", nil, "ask this peer and no others, as /ip4/ADDRESS/tcp/PORT/p2p/ID; may be repeated")
	f.StringVar(&o.namespace, "namespace", "", "what it belongs to: ask peers, too, that trackers name for this namespace")
	trackersFlag(f, &o.trackers, "ask these trackers for them")
	f.DurationVar(&o.timeout, "timeout", 0, "give up after this long, as 30s or 5m (default: never)")
}

// fetch gives do a fetcher for the node of the repository, and the time that the
// command has.
func (o *sourceOptions) fetch(ctx context.Context, a *app, do func(context.Context, node.Fetcher) error) error {
	from, err := o.source()
	if err != nil {
		return err
	}
	return o.within(ctx, func(ctx context.Context) error { return withFetcher(ctx, a, from, do) })
}

// within gives do the time that the command has.
func (o *sourceOptions) within(ctx context.Context, do func(context.Context) error) error {
	if o.timeout < 0 {
		return usagef("--timeout %v is below 0: give a time such as 30s, or leave it out to wait as long as it takes", o.timeout)
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	err := do(ctx)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		return &timeoutError{after: o.timeout, error: err}
	}
	return err
}

func (o *sourceOptions) source() (from node.Source, err error) {
	if from.Peers, err = parsePeers("--peer", o.peers); err != nil {
		return from, err
	}
	if from.Trackers, err = parsePeers("--trackers", o.trackers); err != nil {
		return from, err
	}
	from.Namespace = o.namespace
	switch {
	case len(from.Peers) > 0 && (from.Namespace != "" || len(from.Trackers) > 0):
		return from, usagef("--peer asks that peer and no others: leave it out, or leave out --namespace and --trackers")
	case len(from.Trackers) > 0 && from.Namespace == "":
		return from, usagef("--trackers needs the namespace that the trackers are to be asked about: give it with --namespace")
	case from.Namespace != "":
		err = checkNamespace("--namespace", from.Namespace)
	}
	return from, err
}

// withFetcher opens the node and a fetcher for as long as do runs.
func withFetcher(ctx context.Context, a *app, from node.Source, do func(context.Context, node.Fetcher) error) error {
	return a.withNode(ctx, func(n node.Node) error { return fetchWith(ctx, n, from, do) })
}

func fetchWith(ctx context.Context, n node.Node, from node.Source, do func(context.Context, node.Fetcher) error) (err error) {
	f, err := n.Fetch(ctx, from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return do(ctx, f)
}

// trackersFlag adds the flag that names trackers.
func trackersFlag(f *pflag.FlagSet, into *[]string, says string) {
	f.StringSliceVar(into, "trackers", nil, says+", as /ip4/ADDRESS/tcp/PORT/p2p/ID with commas in between; may be repeated")
}

func checkNamespace(field, namespace string) error {
	if err := record.Namespace(namespace).Check(); err != nil {
		return usagef("%s %q is no namespace (1 to %d bytes of UTF-8 without control characters is one): %w", field, namespace, record.MaxNamespace, err)
	}
	return nil
}

// parsePeers reads addresses of peers; those of the same peer are put together.
func parsePeers(field string, texts []string) ([]peer.AddrInfo, error) {
	addrs, err := parseAddrs(field, texts)
	if err != nil {
		return nil, err
	}
	for i, a := range addrs {
		if _, err := peer.AddrInfoFromP2pAddr(a); err != nil {
			return nil, usagef("%s %q does not end in /p2p/ID: a peer prints its addresses when it runs", field, texts[i])
		}
	}
	return node.Peers(addrs...)
}

func parseAddrs(field string, texts []string) ([]ma.Multiaddr, error) {
	addrs := make([]ma.Multiaddr, len(texts))
	for i, text := range texts {
		a, err := ma.NewMultiaddr(strings.TrimSpace(text))
		if err != nil {
			return nil, usagef("%s %q is not an address like /ip4/127.0.0.1/tcp/4101: %w", field, text, err)
		}
		addrs[i] = a
	}
	return addrs, nil
}
