package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/cmd/node/internal/logs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// completePatience is how long a node may take to name what a word can be
// completed to: longer, and whoever pressed the key has typed it.
const completePatience = 300 * time.Millisecond

// completeKeys completes the first argument to the key of a setting.
func completeKeys(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var keys []cobra.Completion
	new(runOptions).flagSet().VisitAll(func(f *pflag.Flag) {
		keys = append(keys, cobra.CompletionWithDesc(f.Name, f.Usage))
	})
	return keys, cobra.ShellCompDirectiveNoFileComp
}

// completeLevels completes to subsystems of the log, and to levels.
func completeLevels(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	words := []cobra.Completion{"debug", "info", "warn", "error", "off"}
	switch len(args) {
	case 0:
		words = append(append(words, logs.Names()...), node.EverySubsystem)
	case 1:
	default:
		words = nil
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// completePeers completes the first argument to the ID of a peer that the running
// node has a ledger for.
func (a *app) completePeers(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.completeWith(cmd, args, func(ctx context.Context, n node.Node) []cobra.Completion {
		receipts, err := n.Ledgers(ctx)
		if err != nil {
			return nil
		}
		peers := make([]cobra.Completion, len(receipts))
		for i, r := range receipts {
			peers[i] = r.Peer.String()
		}
		return peers
	})
}

// completeWith completes the first argument to what the running node names.
func (a *app) completeWith(cmd *cobra.Command, args []string, names func(context.Context, node.Node) []cobra.Completion) ([]cobra.Completion, cobra.ShellCompDirective) {
	const nothing = cobra.ShellCompDirectiveNoFileComp
	dir, err := a.repoDir()
	if len(args) > 0 || err != nil {
		return nil, nothing
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completePatience)
	defer cancel()
	n, err := dialNode(ctx, dir)
	if err != nil {
		return nil, nothing
	}
	defer n.Close()
	return names(ctx, n), nothing
}
