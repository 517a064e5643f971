package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/adapter/dag/pins"
	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

type getOptions struct {
	sourceOptions
	partOptions
	output    string
	overwrite bool
	part      func(path string, below bool) bool
	pin       bool
	pinName   string
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
where it stopped when it is run again. With --only and --except it writes and
fetches a part of a directory; paths begin below what is got.`,
		Example: `  souk get bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354 -o photos
  souk get bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354/2024 \
    --peer /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo… --timeout 5m
  souk get bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354 \
    --namespace photos --trackers /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo…
  souk get bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354 -o photos \
    --only prefix:utf8:2024/ --except exact:utf8:2024/list.txt`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), a, args[0])
		},
	}
	o.sourceOptions.flags(cmd.Flags())
	o.partOptions.flags(cmd.Flags())
	cmd.Flags().BoolVar(&o.pin, "pin", false, "pin it, so that it stays in the repository")
	cmd.Flags().StringVar(&o.pinName, "pin-name", "", "name of the pin")
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "where to write (default: the last element of the argument)")
	cmd.Flags().BoolVar(&o.overwrite, "overwrite", false, "replace files that exist")
	return cmd
}

func (o *getOptions) run(ctx context.Context, a *app, path string) error {
	if o.pinName != "" && !o.pin {
		return usagef("--pin-name is the name of a pin: give --pin, too")
	}
	if err := pins.CheckName(o.pinName); err != nil {
		return usagef("--pin-name: %w", err)
	}
	wanted, err := o.wanted()
	if err != nil {
		return err
	}
	if wanted != nil && o.pin {
		return usagef("--pin keeps all of it, which --only and --except do not get: import it as a document with a policy (souk doc import, souk doc policy)")
	}
	o.part = wanted
	from, err := o.source()
	if err != nil {
		return err
	}
	return o.within(ctx, func(ctx context.Context) error {
		return a.withNode(ctx, func(n node.Node) error { return o.getFrom(ctx, a, n, from, path) })
	})
}

// getFrom gets what is to be got, and pins it if it is to be pinned.
func (o *getOptions) getFrom(ctx context.Context, a *app, n node.Node, from node.Source, path string) (err error) {
	var root cid.Cid
	get := func(ctx context.Context, f node.Fetcher) (err error) {
		root, err = o.get(ctx, a, f, path)
		return err
	}
	if !o.pin {
		return fetchWith(ctx, n, from, get)
	}
	release, err := n.Hold(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := fetchWith(ctx, n, from, get); err != nil {
		return err
	}
	_, err = n.Pin(ctx, node.PinRequest{CID: root, Name: o.pinName, Kind: roots.Recursive, From: from}, nil)
	return err
}

func (o *getOptions) get(ctx context.Context, a *app, f node.Fetcher, path string) (cid.Cid, error) {
	output := o.output
	if output == "" {
		output = lastElement(path)
	}
	begin := time.Now()
	root, err := resolve(ctx, f, path)
	if err != nil {
		return root, err
	}
	bar := a.newProgress("getting " + printable(output))
	summary, err := unixfs.Get(ctx, f, root, output, unixfs.GetOptions{Overwrite: o.overwrite, Wanted: o.part, Progress: bar.hook()})
	bar.end()
	if err != nil {
		return root, err
	}
	done := got{
		CID: root.String(), Output: output, Seconds: time.Since(begin).Seconds(),
		Files: summary.Files, Dirs: summary.Dirs, Symlinks: summary.Symlinks, Bytes: summary.Bytes, Blocks: summary.Blocks,
	}
	return root, done.print(a)
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
