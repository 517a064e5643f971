package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ipfs/go-cid"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/adapter/dag/car"
	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

func newCAR(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "car",
		Short: "Write data to CAR files, and read it from them",
		Long: `CAR files carry blocks between programs and machines. "ipfs dag export" writes what
"souk car import" reads, and "ipfs dag import" reads what "souk car export" writes.`,
		Example: `  souk car export bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354 -o photos.car
  souk car import photos.car`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCARExport(a), newCARImport(a))
	return cmd
}

type carExportOptions struct {
	sourceOptions
	output  string
	version int
	partial bool
}

// carExported is a line of JSON.
type carExported struct {
	Output string   `json:"output"`
	Roots  []string `json:"roots"`
	car.Exported
}

func newCARExport(a *app) *cobra.Command {
	var o carExportOptions
	cmd := &cobra.Command{
		Use:   "export CID[/PATH]...",
		Short: "Write data with everything below it to a CAR file",
		Long: `Writes the CIDs with everything below them to standard output, or to --output: each
block once, depth first, so that the file is always the same. What is not stored here is
fetched as by "souk get". Version 2 has an index of the blocks and needs --output.`,
		Example: `  souk car export bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354 -o photos.car
  souk car export CID | ssh HOST souk car import -
  souk car export CID --version 2 -o photos.car`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error { return o.run(cmd.Context(), a, paths) },
	}
	f := cmd.Flags()
	o.flags(f)
	f.StringVarP(&o.output, "output", "o", "", "write to this file, in place of one that is there")
	f.IntVar(&o.version, "version", 1, "version of the file: 1 or 2")
	f.BoolVar(&o.partial, "partial", false, "leave out what cannot be had")
	return cmd
}

func (o *carExportOptions) run(ctx context.Context, a *app, paths []string) error {
	switch {
	case o.version != 1 && o.version != 2:
		return usagef("--version %d is neither 1 nor 2", o.version)
	case o.version == 2 && o.output == "":
		return usagef("--version 2 cannot be written to standard output: name a file with --output")
	}
	from, err := o.source()
	if err != nil {
		return err
	}
	return o.within(ctx, func(ctx context.Context) error {
		return a.withNode(ctx, func(n node.Node) error { return o.export(ctx, a, n, from, paths) })
	})
}

func (o *carExportOptions) export(ctx context.Context, a *app, n node.Node, from node.Source, paths []string) error {
	line := carExported{Output: o.output}
	var cs []cid.Cid
	for _, path := range paths {
		c, err := rootOf(ctx, n, from, path)
		if err != nil {
			return err
		}
		cs = append(cs, c)
		line.Roots = append(line.Roots, c.String())
	}
	err := fetchWith(ctx, n, from, func(ctx context.Context, f node.Fetcher) (err error) {
		if o.output == "" {
			line.Exported, err = o.write(ctx, a, f, cs, a.out)
			return err
		}
		return replaceFile(o.output, func(to *os.File) (err error) {
			line.Exported, err = o.write(ctx, a, f, cs, to)
			return err
		})
	})
	if err != nil {
		return err
	}
	return o.report(a, &line)
}

// write writes a file of the version that was asked for.
func (o *carExportOptions) write(ctx context.Context, a *app, f node.Fetcher, cs []cid.Cid, to io.Writer) (done car.Exported, err error) {
	bar := a.newStatus("exporting")
	defer bar.end()
	options := car.ExportOptions{Partial: o.partial, Progress: func(e car.Exported) {
		bar.show(fmt.Sprintf("exporting: %s, %s", plural(uint64(e.Blocks), "block", "blocks"), formatBytes(uint64(e.Bytes))), e.Bytes)
	}}
	if file, ok := to.(*os.File); ok && o.version == 2 {
		return car.ExportIndexed(ctx, f, cs, file, options)
	}
	w := bufio.NewWriterSize(to, 1<<20)
	if done, err = car.Export(ctx, f, cs, w, options); err != nil {
		return done, err
	}
	return done, w.Flush()
}

// report says what was written, where standard output is not the file itself.
func (o *carExportOptions) report(a *app, line *carExported) error {
	to := a.out
	if o.output == "" {
		to = a.err
	}
	switch {
	case a.json:
		return printJSON(to, line)
	case o.output == "" && line.Missing == 0:
		return nil
	}
	text := fmt.Sprintf("exported %s, %s", plural(uint64(line.Blocks), "block", "blocks"), formatBytes(uint64(line.Bytes)))
	if line.Missing > 0 {
		text += fmt.Sprintf("; %s missing", plural(uint64(line.Missing), "block is", "blocks are"))
	}
	_, err := fmt.Fprintln(to, text)
	return err
}

type carImportOptions struct {
	pinRoots bool
	pinName  string
}

// carImported is a line of JSON.
type carImported struct {
	File  string   `json:"file"`
	Roots []string `json:"roots"`
	car.Imported
	Pinned bool `json:"pinned"`
}

func newCARImport(a *app) *cobra.Command {
	var o carImportOptions
	cmd := &cobra.Command{
		Use:   "import FILE|-...",
		Short: "Store the blocks of CAR files",
		Long: `Verifies and stores the blocks of CAR files of version 1 and 2, and pins the roots that
they name, for which everything below them has to be in the files or stored here: with
--pin-roots=false that does not matter. When a file is damaged, what came before is kept
until the next "souk gc".`,
		Example: `  souk car import photos.car
  ipfs dag export CID | souk car import -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error { return o.run(cmd.Context(), a, files) },
	}
	cmd.Flags().BoolVar(&o.pinRoots, "pin-roots", true, "pin the roots that the files name")
	cmd.Flags().StringVar(&o.pinName, "pin-name", "", "name of the pins (default: that of the file)")
	return cmd
}

func (o *carImportOptions) run(ctx context.Context, a *app, files []string) error {
	if err := checkPaths(files); err != nil {
		return err
	}
	return a.withNode(ctx, func(n node.Node) error {
		for _, file := range files {
			if err := o.importFile(ctx, a, n, file); err != nil {
				return fmt.Errorf("%s: %w", printable(file), err)
			}
		}
		return nil
	})
}

func (o *carImportOptions) importFile(ctx context.Context, a *app, n node.Node, file string) (err error) {
	in := a.in
	if file != stdin {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	release, err := n.Hold(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	line := carImported{File: file, Roots: []string{}}
	bar := a.newStatus("importing")
	line.Imported, err = car.Import(ctx, n, in, car.ImportOptions{Progress: func(i car.Imported) {
		bar.show(fmt.Sprintf("importing: %s, %s", plural(uint64(i.Blocks), "block", "blocks"), formatBytes(uint64(i.Bytes))), i.Bytes)
	}})
	bar.end()
	if err != nil {
		return fmt.Errorf("%w (%s of it are stored)", err, plural(uint64(line.Blocks), "block", "blocks"))
	}
	if err := o.pin(ctx, n, file, &line); err != nil {
		return err
	}
	return line.print(a)
}

// pin pins the roots, if they are to be pinned.
func (o *carImportOptions) pin(ctx context.Context, n node.Node, file string, line *carImported) error {
	name := o.pinName
	if name == "" && file != stdin {
		name = pinName(filepath.Base(file))
	}
	for _, root := range line.Imported.Roots {
		line.Roots = append(line.Roots, root.String())
		if !o.pinRoots {
			continue
		}
		if _, err := n.Pin(ctx, node.PinRequest{CID: root, Name: name, Kind: roots.Recursive, Offline: true}, nil); err != nil {
			return fmt.Errorf("%w (its %s are stored; import it with --pin-roots=false, or pin the root where the rest can be fetched from)",
				err, plural(uint64(line.Blocks), "block", "blocks"))
		}
		line.Pinned = true
	}
	return nil
}

func (i *carImported) print(a *app) error {
	if a.json {
		return printJSON(a.out, i)
	}
	fmt.Fprintf(a.out, "imported %s, %s\n", plural(uint64(i.Blocks), "block", "blocks"), formatBytes(uint64(i.Bytes)))
	verb := "root"
	if i.Pinned {
		verb = "pinned root"
	}
	for _, root := range i.Roots {
		fmt.Fprintf(a.out, "%s %s\n", verb, root)
	}
	return nil
}
