package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// quarantineLine is what is printed of a block that was put aside, as JSON.
type quarantineLine struct {
	CID    string    `json:"cid"` // version 1, codec raw
	Reason string    `json:"reason"`
	Time   time.Time `json:"time"`
	Size   int       `json:"size"`   // of the broken bytes that are kept; 0 if none could be read
	Stored bool      `json:"stored"` // whether the block is here again, whole
}

func newQuarantine(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "List and remove broken blocks that verify has put aside",
		Long: `"souk verify --quarantine" puts broken blocks aside: they are served to nobody and take
room, until they are removed here. "souk get" or "souk pin add" fetches whole ones.`,
		Example: `  souk quarantine ls
  souk quarantine rm --all`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newQuarantineLs(a), newQuarantineRm(a))
	return cmd
}

func newQuarantineLs(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List broken blocks that were put aside",
		Long: `Lists each block that was put aside: when and why, how many of its bytes are kept, and
whether it is stored again, whole. CIDs are of codec raw, since the codec is not kept.`,
		Example: `  souk quarantine ls
  souk quarantine ls --json | jq -r 'select(.stored | not) | .cid'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withNode(cmd.Context(), func(n node.Node) error {
				for b, err := range n.Quarantined(cmd.Context()) {
					if err == nil {
						err = printQuarantined(a, "", b)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func newQuarantineRm(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "rm [CID]...",
		Short: "Remove for good what was put aside",
		Long: `Removes what was put aside of these blocks, under any CID of theirs, or with --all of
every one. Blocks that are stored are not touched.`,
		Example: `  souk quarantine rm bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e
  souk quarantine rm --all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cs, err := parseCIDs(args)
			if err != nil {
				return err
			}
			if all == (len(cs) > 0) {
				return usagef("which blocks? Give CIDs, or --all for every one")
			}
			return a.withNode(cmd.Context(), func(n node.Node) error { return discardAside(cmd.Context(), a, n, cs) })
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "remove everything that was put aside")
	return cmd
}

// discardAside removes what was put aside of blocks, of all when there are none.
func discardAside(ctx context.Context, a *app, n node.Node, cs []cid.Cid) error {
	if len(cs) == 0 {
		for b, err := range n.Quarantined(ctx) {
			if err != nil {
				return err
			}
			cs = append(cs, b.CID)
		}
	}
	for _, c := range cs {
		b, err := n.Discard(ctx, c)
		if err == nil {
			err = printQuarantined(a, "removed ", b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func printQuarantined(a *app, done string, b node.QuarantinedBlock) error {
	if a.json {
		return printJSON(a.out, quarantineLine{CID: b.CID.String(), Reason: b.Reason, Time: b.Time, Size: b.Size, Stored: b.Stored})
	}
	state := "not stored"
	if b.Stored {
		state = "stored again"
	}
	_, err := fmt.Fprintf(a.out, "%s%s %s, %s put aside, %s: %s\n",
		done, b.CID, b.Time.Local().Format(time.DateTime), formatBytes(uint64(b.Size)), state, printable(b.Reason))
	return err
}
