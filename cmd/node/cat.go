package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

type catOptions struct {
	sourceOptions
	offset, length uint64
}

func newCat(a *app) *cobra.Command {
	var o catOptions
	cmd := &cobra.Command{
		Use:   "cat CID[/PATH]...",
		Short: "Fetch files and write their content to standard output",
		Long: `Writes the content of files one after the other to standard output. Blocks that are
not in the repository are fetched. It is content that is written, also with --json.`,
		Example: `  souk cat bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e
  souk cat bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e --length 4096 > begin
  souk cat bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354/readme.txt \
    --peer /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo…`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			return o.fetch(cmd.Context(), a, func(ctx context.Context, f node.Fetcher) error {
				return o.cat(ctx, a, f, paths)
			})
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().Uint64Var(&o.offset, "offset", 0, "begin at this byte of each file")
	cmd.Flags().Uint64Var(&o.length, "length", 0, "write at most this many bytes of each file (default: all)")
	return cmd
}

func (o *catOptions) cat(ctx context.Context, a *app, f node.Fetcher, paths []string) error {
	for _, path := range paths {
		file, err := resolve(ctx, f, path)
		if err != nil {
			return err
		}
		if err := unixfs.Cat(ctx, f, file, a.out, unixfs.CatOptions{Offset: o.offset, Length: o.length}); err != nil {
			return err
		}
	}
	return nil
}
