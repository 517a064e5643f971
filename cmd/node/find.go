package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// mostFound is how many peers the directory names at most.
const mostFound = 32

type findOptions struct {
	namespace string
	trackers  []string
	most      int
	timeout   time.Duration
}

// candidate is a line of JSON.
type candidate struct {
	ID        peer.ID  `json:"id"`
	Addresses []string `json:"addresses"` // each with the ID, as --peer takes it
}

func newFind(a *app) *cobra.Command {
	var o findOptions
	cmd := &cobra.Command{
		Use:   "find CID|NAMESPACE",
		Short: "Ask trackers who holds a namespace, or a block of one",
		Long: `Asks trackers for peers that hold a namespace, and prints at most k of them with
their addresses, the best first. With a CID it asks for those that hold the part of
--namespace in which the CID lies. It goes through the running node, or without one
starts a network for as long as it takes, for which --trackers is needed.`,
		Example: `  souk find photos
  souk find photos --trackers /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo… -k 3
  souk find bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e --namespace photos`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := o.search(args)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), a, s)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.namespace, "namespace", "", "the namespace, if the argument is a CID")
	trackersFlag(f, &o.trackers, "ask these trackers")
	f.IntVarP(&o.most, "k", "k", 8, fmt.Sprintf("how many peers at most, from 1 to %d", mostFound))
	f.DurationVar(&o.timeout, "timeout", time.Minute, "give up after this long")
	return cmd
}

// search is what the command line asks for.
func (o *findOptions) search(args []string) (s node.Search, err error) {
	s.Namespace = o.namespace
	if len(args) > 0 {
		c, err := cid.Decode(args[0])
		switch {
		case err == nil && o.namespace == "":
			return s, usagef("%q is a CID: say with --namespace what it belongs to, because trackers know namespaces and not single CIDs", args[0])
		case err == nil:
			s.CID = c
		case o.namespace != "":
			return s, usagef("%q is no CID: give one, or leave it or --namespace out", args[0])
		default:
			s.Namespace = args[0]
		}
	}
	if s.Namespace == "" && len(args) == 0 {
		return s, usagef("which NAMESPACE, or CID of a --namespace?")
	}
	if err := checkNamespace("NAMESPACE", s.Namespace); err != nil {
		return s, err
	}
	if o.most < 1 || o.most > mostFound {
		return s, usagef("-k %d is not from 1 to %d", o.most, mostFound)
	}
	s.Most = o.most
	s.Trackers, err = parsePeers("--trackers", o.trackers)
	return s, err
}

func (o *findOptions) run(ctx context.Context, a *app, s node.Search) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	return a.withNode(ctx, func(n node.Node) error {
		found, err := n.Find(ctx, s)
		if err != nil {
			return err
		}
		for _, p := range found {
			if err := printCandidate(a, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func printCandidate(a *app, p peer.AddrInfo) error {
	at := node.Addresses(p)
	if a.json {
		return printJSON(a.out, candidate{ID: p.ID, Addresses: append([]string{}, at...)})
	}
	_, err := fmt.Fprintln(a.out, strings.Join(append([]string{p.ID.String()}, at...), " "))
	return err
}
