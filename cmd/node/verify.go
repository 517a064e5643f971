package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// verifyLine is a line of JSON: a broken block, or at the end what was found.
type verifyLine struct {
	Broken *brokenLine        `json:"broken,omitempty"`
	Result *node.VerifyResult `json:"result,omitempty"`
}

type brokenLine struct {
	CID         string `json:"cid"` // version 1, codec raw
	Reason      string `json:"reason"`
	Quarantined bool   `json:"quarantined"`
}

func newVerify(a *app) *cobra.Command {
	var r node.VerifyRequest
	var rate int
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Hash everything that is stored, and find what is broken",
		Long: `Reads and hashes every block, and lists those whose bytes have changed or cannot be read;
then the exit status is 1. With --quarantine they are put aside, with the reason, in the
repository, so that "souk get" or "souk pin add" fetches them again; "souk quarantine ls"
lists them. One that was interrupted goes on where it ended. CIDs are of codec raw, since
the codec is not kept.`,
		Example: `  souk verify
  souk verify --quarantine --rate 50`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rate < 0 {
				return usagef("--rate %d is below 0", rate)
			}
			r.Rate = int64(rate) * 1_000_000
			return a.withNode(cmd.Context(), func(n node.Node) error { return verify(cmd.Context(), a, n, r) })
		},
	}
	f := cmd.Flags()
	f.BoolVar(&r.Quarantine, "quarantine", false, "put broken blocks aside")
	f.BoolVar(&r.Restart, "restart", false, "begin at the begin")
	f.IntVar(&rate, "rate", 0, "read at most this many MB a second (default: no limit)")
	return cmd
}

func verify(ctx context.Context, a *app, n node.Node, r node.VerifyRequest) error {
	bar := a.newStatus("verifying")
	var failed error
	done, err := n.Verify(ctx, r, func(p node.VerifyProgress) {
		bar.show(fmt.Sprintf("verifying: %s, %s, %d broken", plural(uint64(p.Blocks), "block", "blocks"), formatBytes(uint64(p.Bytes)), p.Broken), p.Bytes)
	}, func(b node.BrokenBlock) { failed = errors.Join(failed, printBroken(a, b)) })
	bar.end()
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	if a.json {
		err = printJSON(a.out, verifyLine{Result: &done})
	} else {
		since := ""
		if done.Resumed {
			since = " since the last one was interrupted"
		}
		_, err = fmt.Fprintf(a.out, "verified %s, %s%s: %d broken\n", plural(uint64(done.Blocks), "block", "blocks"), formatBytes(uint64(done.Bytes)), since, done.Broken)
	}
	if err == nil && done.Broken > 0 {
		err = fmt.Errorf("%s", plural(uint64(done.Broken), "block is broken", "blocks are broken"))
	}
	return err
}

func printBroken(a *app, b node.BrokenBlock) error {
	if a.json {
		return printJSON(a.out, verifyLine{Broken: &brokenLine{CID: b.CID.String(), Reason: b.Reason, Quarantined: b.Quarantined}})
	}
	what := "broken"
	if b.Quarantined {
		what = "put aside"
	}
	_, err := fmt.Fprintf(a.out, "%s %s: %s\n", what, b.CID, b.Reason)
	return err
}
