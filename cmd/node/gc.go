package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/adapter/dag/gc"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

func newGC(a *app) *cobra.Command {
	var r node.GarbageRequest
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what is not pinned from the repository",
		Long: `Removes every block that no pin leads to, and says how much that was. It may run while
the node does: what is added, pinned or fetched meanwhile stays until the next time. It
can be interrupted at any time. Nothing is removed while anything is in doubt, as when a
pin lacks blocks that lead to others, and when nothing is pinned, unless --all is given.

The database gives the disk back at once what lies together, and the rest after some
minutes, as it writes its files anew.`,
		Example: `  souk gc --dry-run
  souk gc`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withNode(cmd.Context(), func(n node.Node) error { return collect(cmd.Context(), a, n, r) })
		},
	}
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "remove nothing, and say what would be removed")
	cmd.Flags().BoolVar(&r.All, "all", false, "remove everything when nothing is pinned")
	return cmd
}

// markingGC is the GOGC of a collection. Its marks grow with the store, and with
// [commandGC] its memory would by five times as much: for a million blocks it took 214
// MB, and takes 128, for a tenth more CPU time.
const markingGC = 100

func collect(ctx context.Context, a *app, n node.Node, r node.GarbageRequest) error {
	setGC(markingGC)
	bar := a.newStatus("collecting garbage")
	done, err := n.CollectGarbage(ctx, r, func(p gc.Progress) {
		if p.KeptBlocks+p.RemovedBlocks == 0 {
			bar.show(fmt.Sprintf("%s stay", plural(uint64(p.Marked), "block", "blocks")), 0)
			return
		}
		bar.show(fmt.Sprintf("%s looked at, %s freed", plural(uint64(p.KeptBlocks+p.RemovedBlocks), "block", "blocks"), formatBytes(uint64(p.RemovedBytes))), p.KeptBytes+p.RemovedBytes)
	})
	bar.end()
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, done)
	}
	return printCollected(a, done)
}

func printCollected(a *app, r node.GarbageResult) error {
	verb := "removed"
	if r.DryRun {
		verb = "would remove"
	}
	fmt.Fprintf(a.out, "%s %s, %s\n", verb, plural(uint64(r.RemovedBlocks), "block", "blocks"), formatBytes(uint64(r.RemovedBytes)))
	_, err := fmt.Fprintf(a.out, "kept %s, %s\n", plural(uint64(r.KeptBlocks), "block", "blocks"), formatBytes(uint64(r.KeptBytes)))
	if r.HeldBlocks > 0 {
		_, err = fmt.Fprintf(a.out, "of these, %s only because they were in use meanwhile\n", plural(uint64(r.HeldBlocks), "block", "blocks"))
	}
	if r.RemovedBlocks > 0 && !r.DryRun && r.DiskBefore > 0 {
		_, err = fmt.Fprintf(a.out, "the disk got back %s so far; the database takes %s\n",
			formatBytes(r.DiskBefore-min(r.DiskAfter, r.DiskBefore)), formatBytes(r.DiskAfter))
	}
	return err
}
