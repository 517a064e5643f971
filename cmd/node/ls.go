package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

type lsOptions struct {
	sourceOptions
	long bool
}

// entry is a line of JSON.
type entry struct {
	Name string `json:"name"`
	CID  string `json:"cid"`
	Type string `json:"type"`
	Size uint64 `json:"size"`
}

func newLs(a *app) *cobra.Command {
	var o lsOptions
	cmd := &cobra.Command{
		Use:   "ls CID[/PATH]",
		Short: "List a directory",
		Long: `Lists the names in a directory, in the order in which the directory has them.
With -l or --json also the CID, the type and the size in bytes of each, for which
it fetches the first block of every entry.`,
		Example: `  souk ls bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354
  souk ls -l bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354/2024`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.fetch(cmd.Context(), a, func(ctx context.Context, f node.Fetcher) error {
				return o.list(ctx, a, f, args[0])
			})
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().BoolVarP(&o.long, "long", "l", false, "print CID, type and size, too")
	return cmd
}

func (o *lsOptions) list(ctx context.Context, a *app, f node.Fetcher, path string) error {
	dir, err := resolve(ctx, f, path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(a.out)
	for link, err := range unixfs.List(ctx, f, dir, unixfs.ListOptions{Types: o.long || a.json}) {
		if err != nil {
			w.Flush() // what was listed is right
			return err
		}
		if err := o.print(w, link, a.json); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (o *lsOptions) print(w io.Writer, l unixfs.Link, asJSON bool) error {
	var err error
	switch {
	case asJSON:
		err = printJSON(w, entry{Name: l.Name, CID: l.CID.String(), Type: l.Type.String(), Size: l.Size})
	case o.long:
		_, err = fmt.Fprintf(w, "%s %-9s %12d %s\n", l.CID, l.Type, l.Size, printable(l.Name))
	default:
		_, err = fmt.Fprintln(w, printable(l.Name))
	}
	return err
}
