package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// connected is a line of JSON of connect and disconnect.
type connected struct {
	Peer      peer.ID `json:"peer"`
	Connected bool    `json:"connected"`
	Error     string  `json:"error,omitempty"`
}

func newConnect(a *app) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "connect MULTIADDR…",
		Short: "Connect the running node to peers",
		Long: `Connects the running node to peers, each named by an address that ends in its ID. The
connection lasts as long as both sides like; a peer to stay connected to is named
with "souk run --peer". It fails when one of them cannot be reached.`,
		Example: `  souk connect /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo…`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			peers, err := parsePeers("MULTIADDR", args)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return a.withNode(ctx, func(n node.Node) error {
				return eachPeer(a, peers, true, func(p peer.AddrInfo) error { return n.ConnectTo(ctx, p) })
			})
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "give up after this long")
	return cmd
}

func newDisconnect(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "disconnect PEER…",
		Short: "Close the connections of the running node to peers",
		Long: `Closes the connections of the running node to peers, each named by its ID. Either side
may connect again when it has a reason to.`,
		Example: `  souk disconnect 12D3Koo…`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			peers := make([]peer.AddrInfo, len(args))
			for i, name := range args {
				p, err := parsePeer(name)
				if err != nil {
					return err
				}
				peers[i].ID = p
			}
			return a.withNode(cmd.Context(), func(n node.Node) error {
				return eachPeer(a, peers, false, func(p peer.AddrInfo) error { return n.Disconnect(cmd.Context(), p.ID) })
			})
		},
	}
}

// parsePeer reads the ID of a peer.
func parsePeer(name string) (peer.ID, error) {
	p, err := peer.Decode(name)
	if err != nil {
		return "", usagef("%q is not a peer ID (\"souk peers\" lists those that are connected): %w", name, err)
	}
	return p, nil
}

// eachPeer does something with each peer, also after one has failed, and prints what
// came of it.
func eachPeer(a *app, peers []peer.AddrInfo, connects bool, do func(peer.AddrInfo) error) error {
	var failed []error
	for _, p := range peers {
		err := do(p)
		if errors.Is(err, node.ErrNotRunning) {
			return err
		}
		failed = append(failed, err)
		if err := printConnected(a, p.ID, connects, err); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

func printConnected(a *app, p peer.ID, connects bool, failed error) error {
	switch {
	case a.json && failed != nil:
		return printJSON(a.out, connected{Peer: p, Connected: !connects, Error: failed.Error()})
	case a.json:
		return printJSON(a.out, connected{Peer: p, Connected: connects})
	case failed != nil:
		return nil // It is reported on standard error.
	}
	what := "disconnected"
	if connects {
		what = "connected"
	}
	_, err := fmt.Fprintln(a.out, what, p)
	return err
}
