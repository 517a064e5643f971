package main

import (
	"context"
	"fmt"
	"io"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

func newID(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "id",
		Short: "Print who this node is and where it listens",
		Long: `Prints the peer ID of the repository, which is made when there is none, and the
addresses at which its node listens if it runs.`,
		Example: `  souk id
  souk id --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := a.repoDir()
			if err != nil {
				return err
			}
			info, err := a.identify(cmd.Context(), dir)
			if err != nil {
				return err
			}
			return printInfo(a.out, info, a.json)
		},
	}
}

// identify asks the running node and otherwise reads the identity, for which it
// needs no lock.
func (a *app) identify(ctx context.Context, dir string) (node.Info, error) {
	key, err := a.identity("", dir)
	if err != nil {
		return node.Info{}, err
	}
	if n, err := dialNode(ctx, dir); err == nil {
		defer n.Close()
		return n.Info(ctx)
	}
	id, err := peer.IDFromPrivateKey(key)
	return node.Info{ID: id, Addresses: []string{}}, err
}

func printInfo(w io.Writer, info node.Info, asJSON bool) error {
	if asJSON {
		return printJSON(w, info)
	}
	fmt.Fprintln(w, info.ID)
	if !info.Running {
		_, err := fmt.Fprintln(w, "not running")
		return err
	}
	for _, a := range info.Addresses {
		if _, err := fmt.Fprintln(w, a); err != nil {
			return err
		}
	}
	return nil
}
