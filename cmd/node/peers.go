package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// peerOrders are what peers can be sorted by, each with the first on top.
var peerOrders = map[string]func(a, b *souk.PeerStat) int{
	"peer":  func(a, b *souk.PeerStat) int { return cmp.Compare(a.Peer.String(), b.Peer.String()) },
	"agent": func(a, b *souk.PeerStat) int { return cmp.Compare(a.Agent, b.Agent) },
	"since": func(a, b *souk.PeerStat) int { return a.Since.Compare(b.Since) },
	"rate":  func(a, b *souk.PeerStat) int { return cmp.Compare(b.Rate, a.Rate) },
	"score": func(a, b *souk.PeerStat) int { return cmp.Compare(b.Score, a.Score) },
	"rtt": func(a, b *souk.PeerStat) int { // Those that were never measured come last.
		return cmp.Compare(cmp.Or(a.RTT, time.Duration(1<<63-1)), cmp.Or(b.RTT, time.Duration(1<<63-1)))
	},
	"wants": func(a, b *souk.PeerStat) int {
		return cmp.Compare(b.WantsReceived+wantsOut(b), a.WantsReceived+wantsOut(a))
	},
	"strikes": func(a, b *souk.PeerStat) int { return cmp.Compare(b.Strikes, a.Strikes) },
}

func wantsOut(p *souk.PeerStat) int { return p.WantsSent.Queued + p.WantsSent.Unanswered }

func newPeers(a *app) *cobra.Command {
	var sort string
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "List the peers that the running node is connected to",
		Long: `Lists the peers that the running node is connected to and that speak Bitswap: for how
long, how far away they are, how fast they were of late, how much they are asked for
at a time, and how many wants are open in both directions. A peer of class "new" has
exchanged no block yet. With --json everything that is known of each.`,
		Example: `  souk peers
  souk peers --sort rate
  souk peers --json | jq -r 'select(.agent | startswith("kubo")) | .peer'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			order, ok := peerOrders[sort]
			if !ok {
				return usagef("--sort %q is not one of %s", sort, strings.Join(slices.Sorted(maps.Keys(peerOrders)), ", "))
			}
			return a.withNode(cmd.Context(), func(n node.Node) error { return listPeers(cmd.Context(), a, n, order) })
		},
	}
	cmd.Flags().StringVar(&sort, "sort", "peer", "sort by "+strings.Join(slices.Sorted(maps.Keys(peerOrders)), ", "))
	return cmd
}

func listPeers(ctx context.Context, a *app, n node.Node, order func(a, b *souk.PeerStat) int) error {
	all, err := n.Peers(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(x, y souk.PeerStat) int { return order(&x, &y) })
	if a.json {
		return printEach(a.out, all)
	}
	return writePeers(a.out, all, time.Now())
}

func writePeers(w io.Writer, all []souk.PeerStat, now time.Time) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no peer that speaks Bitswap is connected")
		return err
	}
	t := newTable(w)
	fmt.Fprintln(t, "PEER\tFOR\tRTT\tRATE\tWINDOW\tWANTS OUT\tWANTS IN\tSCORE\tCLASS\tAGENT\tADDRESS")
	for i := range all {
		p := &all[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s/s\t%s\t%d\t%d\t%.2f\t%s\t%s\t%s\n", p.Peer, since(now, p.Since), formatTime(p.RTT),
			formatRate(p.Rate), formatBytes(uint64(p.Window)), wantsOut(p), p.WantsReceived, p.Score, classOf(p), orDash(p.Agent), addressOf(p))
	}
	return t.Flush()
}

// classOf is the class, and how near a peer is to being refused.
func classOf(p *souk.PeerStat) string {
	if p.Strikes == 0 {
		return p.Class
	}
	return fmt.Sprintf("%s, %d/%d strikes", p.Class, p.Strikes, p.StrikeLimit)
}

func addressOf(p *souk.PeerStat) string {
	if len(p.Connections) == 0 {
		return "-"
	}
	return printable(p.Connections[0].Address)
}

// orDash is a text of somebody else's, or a dash.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return printable(text)
}

// since is how long ago something was, or a dash when that is not known.
func since(now, then time.Time) string {
	if then.IsZero() {
		return "-"
	}
	return max(now.Sub(then), 0).Truncate(time.Second).String()
}

// formatTime writes a short time, or a dash when it was not measured.
func formatTime(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}
