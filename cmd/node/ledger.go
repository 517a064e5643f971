package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/ledger"
)

func newLedger(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ledger [PEER]",
		Short: "Print what was exchanged with each peer, or with one",
		Long: `Prints what the node exchanged with each peer, the most first: of a node that runs
as of now, else as the repository has it. Ledgers outlast restarts: 10,000 are kept,
and those of who was of use last longest. With a PEER (its ID), everything that is
known about that one. docs/ledgers.md says what the numbers mean.`,
		Example: `  souk ledger
  souk ledger 12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA
  souk ledger --json | jq -r 'select(.value > 2) | .peer'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completePeers,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withNode(cmd.Context(), func(n node.Node) error {
				if len(args) == 0 {
					return printLedgers(cmd.Context(), n, a.out, a.json)
				}
				return printLedger(cmd.Context(), n, args[0], a.out, a.json)
			})
		},
	}
}

func printLedgers(ctx context.Context, n node.Node, w io.Writer, asJSON bool) error {
	receipts, err := n.Ledgers(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return printEach(w, receipts)
	}
	return writeLedgerTable(w, receipts)
}

func printLedger(ctx context.Context, n node.Node, name string, w io.Writer, asJSON bool) error {
	p, err := peer.Decode(name)
	if err != nil {
		return usagef("%q is not a peer ID (\"souk ledger\" lists them): %w", name, err)
	}
	r, err := n.Ledger(ctx, p)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(w, r)
	}
	return writeReceipt(w, r)
}

// writeLedgerTable writes a line for each peer.
func writeLedgerTable(w io.Writer, receipts []ledger.Receipt) error {
	if len(receipts) == 0 {
		_, err := fmt.Fprintln(w, "nothing was exchanged with anybody yet")
		return err
	}
	t := newTable(w)
	fmt.Fprintln(t, "PEER\tRECEIVED\tBLOCKS\tSENT\tBLOCKS\tDEBT\tSCORE\t")
	for _, r := range receipts {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%d\t%.2f\t%.2f\t\n", r.Peer,
			formatBytes(r.BytesReceived), r.BlocksReceived, formatBytes(r.BytesSent), r.BlocksSent, r.Value, r.Score)
	}
	return t.Flush()
}

// writeReceipt writes everything about one peer.
func writeReceipt(w io.Writer, r ledger.Receipt) error {
	t := newTable(w)
	fmt.Fprintf(t, "peer\t%s\n", r.Peer)
	writePresence(t, r)
	fmt.Fprintf(t, "received\t%s in %d blocks, %d of them (%s) duplicates\n",
		formatBytes(r.BytesReceived), r.BlocksReceived, r.Duplicates, formatBytes(r.DuplicateBytes))
	fmt.Fprintf(t, "sent\t%s in %d blocks\n", formatBytes(r.BytesSent), r.BlocksSent)
	fmt.Fprintf(t, "received now\t%s/s over 10 s, %s/s over 1 min\n", formatRate(r.Rates.Received10s), formatRate(r.Rates.Received1m))
	fmt.Fprintf(t, "sent now\t%s/s over 10 s, %s/s over 1 min\n", formatRate(r.Rates.Sent10s), formatRate(r.Rates.Sent1m))
	fmt.Fprintf(t, "debt ratio\t%.3f\n", r.Value)
	fmt.Fprintf(t, "asked\t%d wants, answered by %d have and %d don't have\n", r.WantsSent, r.HavesReceived, r.DontHavesReceived)
	fmt.Fprintf(t, "was asked\t%d wants, answered by %d have and %d don't have\n", r.WantsReceived, r.HavesSent, r.DontHavesSent)
	fmt.Fprintf(t, "latency\t%v, at best %v\n", r.Latency.Round(time.Microsecond), r.LatencyLowest.Round(time.Microsecond))
	if r.Resolver > 0 {
		fmt.Fprintf(t, "resolver latency\t%v\n", r.Resolver.Round(time.Microsecond))
	}
	fmt.Fprintf(t, "throughput\t%s/s\n", formatBytes(uint64(r.Throughput)))
	fmt.Fprintf(t, "score\t%.3f\n", r.Score)
	fmt.Fprintf(t, "faults\t%s\n", formatFaults(r.Faults))
	if !r.LastExchange.IsZero() {
		fmt.Fprintf(t, "last exchange\t%s\n", r.LastExchange.Format(time.RFC3339))
	}
	return t.Flush()
}

// writePresence writes who the peer is and when it was there.
func writePresence(w io.Writer, r ledger.Receipt) {
	if r.Agent != "" {
		fmt.Fprintf(w, "agent\t%s\n", printable(r.Agent))
	}
	for _, at := range r.Addresses {
		fmt.Fprintf(w, "address\t%s\n", printable(at))
	}
	fmt.Fprintf(w, "connected\t%t%s\n", r.Connected, sinceText(r.Since))
	for _, of := range []struct {
		what string
		at   time.Time
	}{{"first seen", r.FirstSeen}, {"last seen", r.LastSeen}} {
		if !of.at.IsZero() {
			fmt.Fprintf(w, "%s\t%s\n", of.what, of.at.Local().Format(time.RFC3339))
		}
	}
}

func sinceText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", since " + at.Local().Format(time.RFC3339)
}

// formatRate writes bytes a second, without the second.
func formatRate(bytes float64) string { return formatBytes(uint64(bytes)) }

func formatFaults(faults map[string]uint64) string {
	if len(faults) == 0 {
		return "none"
	}
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(faults)) {
		parts = append(parts, fmt.Sprintf("%d %s", faults[reason], reason))
	}
	return strings.Join(parts, ", ")
}
