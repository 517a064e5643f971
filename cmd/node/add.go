package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// stdin is the PATH that stands for standard input.
const stdin = "-"

type addOptions struct {
	chunker  string
	hidden   bool
	onlyHash bool
	quiet    bool
	quieter  bool
	pin      bool
}

// added is what is printed for each path.
type added struct {
	CID   string `json:"cid"`
	Name  string `json:"name"`
	Size  uint64 `json:"size"` // bytes of content
	Files uint64 `json:"files"`
}

func newAdd(a *app) *cobra.Command {
	var o addOptions
	cmd := &cobra.Command{
		Use:   "add PATH...",
		Short: "Store files and directories and print their CIDs",
		Long: `Stores files, directories and symbolic links as UnixFS and prints the CID of each
PATH. The CIDs are those of "ipfs add -r --cid-version=1 --raw-leaves". A PATH of -
is standard input. Names that begin with a dot are left out unless --hidden is
given or they are a PATH themselves. Each PATH is pinned under its last element, so
that it stays in the repository until "souk pin rm".`,
		Example: `  souk add photos/
  souk add -Q video.mp4                print nothing but the CID
  echo hello | souk add -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error { return o.run(cmd.Context(), a, paths) },
	}
	f := cmd.Flags()
	o.layoutFlags(f)
	f.BoolVarP(&o.onlyHash, "only-hash", "n", false, "store nothing")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print only CIDs")
	f.BoolVar(&o.pin, "pin", true, "pin each PATH under its name")
	f.BoolVarP(&o.quieter, "quieter", "Q", false, "print only the CID of the last PATH")
	return cmd
}

// layoutFlags say what of a path is added and how.
func (o *addOptions) layoutFlags(f *pflag.FlagSet) {
	f.StringVar(&o.chunker, "chunker", "size-262144", "how files are cut, as size-BYTES")
	f.BoolVar(&o.hidden, "hidden", false, "include names that begin with a dot")
}

func (o *addOptions) run(ctx context.Context, a *app, paths []string) error {
	size, err := parseChunker(o.chunker)
	if err != nil {
		return err
	}
	if err := checkPaths(paths); err != nil {
		return err
	}
	if o.onlyHash {
		return o.add(a, paths, func(path string) (unixfs.Root, error) { return o.addOne(ctx, a, discard{}, size, path) })
	}
	return a.withNode(ctx, func(n node.Node) error {
		return o.add(a, paths, func(path string) (unixfs.Root, error) { return o.keep(ctx, a, n, size, path) })
	})
}

// checkPaths finds out what is missing before anything is stored.
func checkPaths(paths []string) error {
	for _, path := range paths {
		if path == stdin {
			continue
		}
		if _, err := os.Lstat(path); err != nil {
			return err
		}
	}
	return nil
}

func (o *addOptions) add(a *app, paths []string, one func(path string) (unixfs.Root, error)) error {
	for i, path := range paths {
		root, err := one(path)
		if err != nil {
			return err
		}
		if o.quieter && i < len(paths)-1 {
			continue
		}
		if err := o.print(a, path, root); err != nil {
			return err
		}
	}
	return nil
}

// keep adds one path and pins it, unless it is not to be pinned.
func (o *addOptions) keep(ctx context.Context, a *app, n node.Node, size int, path string) (root unixfs.Root, err error) {
	if !o.pin {
		return o.addOne(ctx, a, n, size, path)
	}
	release, err := n.Hold(ctx)
	if err != nil {
		return root, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if root, err = o.addOne(ctx, a, n, size, path); err != nil {
		return root, err
	}
	r := node.PinRequest{CID: root.CID, Kind: roots.Recursive, Complete: true}
	if path != stdin {
		r.Name = pinName(nameOf(path, root.CID))
	}
	_, err = n.Pin(ctx, r, nil)
	return root, err
}

func (o *addOptions) addOne(ctx context.Context, a *app, put unixfs.Putter, size int, path string) (unixfs.Root, error) {
	options := unixfs.AddOptions{ChunkSize: size, Hidden: o.hidden}
	if !o.quiet && !o.quieter {
		bar := a.newProgress("adding " + printable(path))
		defer bar.end()
		options.Progress = bar.hook()
	}
	if path == stdin {
		return unixfs.AddReader(ctx, put, a.in, options)
	}
	return unixfs.Add(ctx, put, path, options)
}

func (o *addOptions) print(a *app, path string, root unixfs.Root) error {
	name := nameOf(path, root.CID)
	var err error
	switch {
	case a.json:
		err = printJSON(a.out, added{CID: root.CID.String(), Name: name, Size: root.Size, Files: root.Files})
	case o.quiet || o.quieter:
		_, err = fmt.Fprintln(a.out, root.CID)
	default:
		_, err = fmt.Fprintf(a.out, "added %s %s\n", root.CID, printable(name))
	}
	return err
}

// nameOf is what a path is called in the output: its last element, or the CID
// where it has none.
func nameOf(path string, root cid.Cid) string {
	if path == stdin {
		return root.String()
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return filepath.Base(path)
}

func parseChunker(text string) (int, error) {
	digits, ok := strings.CutPrefix(text, "size-")
	size, err := strconv.Atoi(digits)
	if !ok || err != nil || size < 1 || size > unixfs.MaxChunkSize {
		return 0, usagef("--chunker %q is not size-N with N from 1 to %d", text, unixfs.MaxChunkSize)
	}
	return size, nil
}

// discard is a store for those who want only the CIDs.
type discard struct{}

func (discard) PutMany(context.Context, []blocks.Block) error { return nil }
