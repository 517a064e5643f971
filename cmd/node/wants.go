package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

type wantsOptions struct {
	direction string
	peer      string
	limit     int
}

// wantLine is a line of JSON.
type wantLine struct {
	Direction node.Direction `json:"direction"`
	Peer      peer.ID        `json:"peer"`
	CID       string         `json:"cid"`
	Kind      string         `json:"kind"` // "block" or "have"
	Priority  int32          `json:"priority"`
	State     string         `json:"state"`
	Size      int            `json:"size,omitempty"` // of the block, where it is known
	Age       float64        `json:"age_seconds"`    // 0 while not known
}

func newWants(a *app) *cobra.Command {
	var o wantsOptions
	cmd := &cobra.Command{
		Use:   "wants",
		Short: "List what the running node wants of peers, and they of it",
		Long: `Lists the blocks that the running node wants of its peers (sent) and those that its
peers want of it and have not got (received), ordered by peer and CID, and where each
stands. A want that was answered DONT_HAVE stays: who gets the block later sends it.
It prints at most --limit wants in each direction and says how many there are.`,
		Example: `  souk wants
  souk wants --dir received --peer 12D3Koo…
  souk wants --dir sent --limit 0 --json | jq -r .cid`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			directions, p, err := o.parse()
			if err != nil {
				return err
			}
			return a.withNode(cmd.Context(), func(n node.Node) error {
				return o.list(cmd.Context(), a, n, directions, p)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.direction, "dir", "", "only those in one direction, sent or received")
	f.StringVar(&o.peer, "peer", "", "only those at or of the peer with this ID")
	f.IntVar(&o.limit, "limit", 100, "how many in each direction at most; 0 for all")
	return cmd
}

func (o *wantsOptions) parse() (directions []node.Direction, p peer.ID, err error) {
	switch d := node.Direction(o.direction); d {
	case "":
		directions = []node.Direction{node.Sent, node.Received}
	case node.Sent, node.Received:
		directions = []node.Direction{d}
	default:
		return nil, "", usagef("--dir %q is neither sent nor received", o.direction)
	}
	if o.limit < 0 {
		return nil, "", usagef("--limit %d is negative", o.limit)
	}
	if o.peer != "" {
		p, err = parsePeer(o.peer)
	}
	return directions, p, err
}

func (o *wantsOptions) list(ctx context.Context, a *app, n node.Node, directions []node.Direction, p peer.ID) error {
	for _, d := range directions {
		if err := o.listOne(ctx, a, n, d, p); err != nil {
			return err
		}
	}
	return nil
}

// listOne lists the wants of one direction, page by page.
func (o *wantsOptions) listOne(ctx context.Context, a *app, n node.Node, d node.Direction, p peer.ID) error {
	t := newTable(a.out)
	q := souk.WantQuery{Peer: p}
	for listed := 0; ; {
		if q.Limit = souk.MostWants; o.limit > 0 {
			q.Limit = min(o.limit-listed, souk.MostWants)
		}
		page, err := n.Wants(ctx, d, q)
		if err != nil {
			return err
		}
		if !a.json && listed == 0 {
			writeWantsHead(t, d, &page)
		}
		for i := range page.Wants {
			if err := printWant(a, t, d, &page.Wants[i]); err != nil {
				return err
			}
		}
		listed += len(page.Wants)
		if q.After = page.Next; q.After == (souk.WantCursor{}) || o.limit > 0 && listed >= o.limit {
			break
		}
	}
	return t.Flush()
}

func writeWantsHead(w io.Writer, d node.Direction, page *souk.WantPage) {
	what := map[node.Direction]string{node.Sent: "wanted of", node.Received: "wanted by"}[d]
	fmt.Fprintf(w, "%s, %s %s\n", plural(uint64(page.Total), "block", "blocks"), what, plural(uint64(page.Peers), "peer", "peers"))
	if page.Total > 0 {
		fmt.Fprintln(w, "PEER\tCID\tKIND\tSTATE\tSIZE\tAGE")
	}
}

func printWant(a *app, w io.Writer, d node.Direction, s *souk.WantStat) error {
	if a.json {
		return printJSON(a.out, wantLine{
			Direction: d, Peer: s.Peer, CID: s.CID.String(), Kind: s.Kind, Priority: s.Priority, State: s.State, Size: s.Size, Age: s.Age.Seconds(),
		})
	}
	size, age := "-", "-"
	if s.Age > 0 {
		age = s.Age.Round(time.Second).String()
	}
	if s.Size > 0 {
		size = formatBytes(uint64(s.Size))
	}
	_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Peer, s.CID, s.Kind, s.State, size, age)
	return err
}
