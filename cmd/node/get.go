package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

type getOptions struct {
	sourceOptions
	output    string
	overwrite bool
}

// got is what is printed when everything is there.
type got struct {
	CID      string  `json:"cid"`
	Output   string  `json:"output"`
	Files    uint64  `json:"files"`
	Dirs     uint64  `json:"dirs"`
	Symlinks uint64  `json:"symlinks"`
	Bytes    uint64  `json:"bytes"`
	Blocks   uint64  `json:"blocks"`
	Seconds  float64 `json:"seconds"`
}

func newGet(a *app) *cobra.Command {
	var o getOptions
	cmd := &cobra.Command{
		Use:   "get CID[/PATH]",
		Short: "Fetch a file or directory and write it",
		Long: `Fetches a file or directory and writes it to a name of its own, or to --output.
Blocks that came are kept in the repository: a get that was interrupted goes on
where it stopped when it is run again.`,
		Example: `  souk get bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354 -o photos
  souk get bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354/2024 \
    --peer /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo… --timeout 5m
  souk get bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354 \
    --namespace photos --trackers /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo…`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.fetch(cmd.Context(), a, func(ctx context.Context, f node.Fetcher) error {
				return o.get(ctx, a, f, args[0])
			})
		},
	}
	o.flags(cmd.Flags())
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "where to write (default: the last element of the argument)")
	cmd.Flags().BoolVar(&o.overwrite, "overwrite", false, "replace files that exist")
	return cmd
}

func (o *getOptions) get(ctx context.Context, a *app, f node.Fetcher, path string) error {
	output := o.output
	if output == "" {
		output = lastElement(path)
	}
	begin := time.Now()
	root, err := resolve(ctx, f, path)
	if err != nil {
		return err
	}
	bar := a.newProgress("getting " + printable(output))
	summary, err := unixfs.Get(ctx, f, root, output, unixfs.GetOptions{Overwrite: o.overwrite, Progress: bar.hook()})
	bar.end()
	if err != nil {
		return err
	}
	done := got{
		CID: root.String(), Output: output, Seconds: time.Since(begin).Seconds(),
		Files: summary.Files, Dirs: summary.Dirs, Symlinks: summary.Symlinks, Bytes: summary.Bytes, Blocks: summary.Blocks,
	}
	return done.print(a)
}

func (g *got) print(a *app) error {
	if a.json {
		return printJSON(a.out, g)
	}
	_, err := fmt.Fprintf(a.out, "saved %s: %s, %s in %.1f s\n",
		printable(g.Output), plural(g.Files, "file", "files"), formatBytes(g.Bytes), g.Seconds)
	return err
}

// lastElement is the name that a path gives to what is at its end.
func lastElement(path string) string {
	path = strings.TrimRight(path, "/")
	return path[strings.LastIndexByte(path, '/')+1:]
}
