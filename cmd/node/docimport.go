package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ipfs/go-cid"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
)

type docImportOptions struct {
	sourceOptions
	partOptions
	adding addOptions
	name   string
}

func newDocImport(a *app) *cobra.Command {
	var o docImportOptions
	cmd := &cobra.Command{
		Use:   "import PATH|CID[/PATH]",
		Short: "Make a document of the files below a directory",
		Long: `Makes a document of a directory: one entry for each file and symbolic link below it, under
its path. A directory of this machine is added first. Of one that is named by its CID the
list is fetched, and no more of the files than their sizes take; with --only or --except
the document begins with that policy. The same directory under the same name is the same
document, here and everywhere, and a second import changes nothing.

Without --peer and --namespace, but with --name, trackers are asked who has announced the
document of that CID and name. A file of this machine whose name is a CID is named as ./CID.`,
		Example: `  souk doc import ./photos --name photos
  souk doc import bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354 --name photos \
    --only prefix:utf8:2024/ --peer /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo…`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), a, args[0]) },
	}
	f := cmd.Flags()
	o.sourceOptions.flags(f)
	o.partOptions.flags(f)
	o.adding.layoutFlags(f)
	f.StringVar(&o.name, "name", "", "name of the document (default: that of the directory)")
	return cmd
}

func (o *docImportOptions) run(ctx context.Context, a *app, what string) error {
	if o.name != "" {
		if err := document.CheckName(o.name); err != nil {
			return usagef("--name: %w", err)
		}
	}
	o.guessNamespace(what)
	r := node.DocumentRequest{}
	var err error
	if r.Policy, err = o.policy(); err != nil {
		return err
	}
	if r.From, err = o.source(); err != nil {
		return err
	}
	size, err := parseChunker(o.adding.chunker)
	if err != nil {
		return err
	}
	return o.within(ctx, func(ctx context.Context) error {
		return a.withNode(ctx, func(n node.Node) error {
			if _, err := unixfs.ParsePath(what); err != nil {
				return o.ofPath(ctx, a, n, r, size, what)
			}
			return o.ofCID(ctx, a, n, r, what)
		})
	})
}

// guessNamespace has those asked for the list who have announced the same document: its ID
// is known from the CID and the name.
func (o *docImportOptions) guessNamespace(what string) {
	if len(o.peers) > 0 || o.namespace != "" || o.name == "" {
		return
	}
	if root, err := parseCID(what); err == nil {
		o.namespace = document.IDOf(root, o.name).Namespace()
	}
}

// policy is that with which the document begins.
func (o *docImportOptions) policy() (policy.Policy, error) {
	switch {
	case len(o.only) > 0 && len(o.except) > 0:
		return policy.Policy{}, usagef("--only and --except are two policies, and a document has one: give one of them")
	case len(o.only) > 0:
		return parseFilters("--only", o.only, policy.NothingExcept)
	default:
		return parseFilters("--except", o.except, policy.EverythingExcept)
	}
}

func (o *docImportOptions) ofCID(ctx context.Context, a *app, n node.Node, r node.DocumentRequest, path string) (err error) {
	if r.Root, err = rootOf(ctx, n, r.From, path); err != nil {
		return err
	}
	return o.document(ctx, a, n, r, lastElement(path))
}

// ofPath makes a document of a directory of this machine. What is added stays until the
// document keeps it.
func (o *docImportOptions) ofPath(ctx context.Context, a *app, n node.Node, r node.DocumentRequest, size int, path string) (err error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%q is neither a CID nor a directory that there is: %w", path, err)
	case err != nil:
		return err
	case !info.IsDir():
		return usagef("%q is no directory: a document is made of one", path)
	}
	release, err := n.Hold(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	root, err := o.adding.addOne(ctx, a, n, size, path)
	if err != nil {
		return err
	}
	r.Root = root.CID
	return o.document(ctx, a, n, r, nameOf(path, root.CID))
}

func (o *docImportOptions) document(ctx context.Context, a *app, n node.Node, r node.DocumentRequest, name string) error {
	if r.Name = o.name; r.Name == "" {
		r.Name = pinName(name)
	}
	bar := a.newStatus("importing " + printable(r.Name))
	d, err := n.ImportDocument(ctx, r, func(p node.DocumentProgress) {
		bar.show(plural(p.Entries, "entry", "entries"), 0)
	})
	bar.end()
	if err != nil {
		return importError(r.Root, err)
	}
	return printDoc(a, d, func(d document.Info) string { return "imported " + describeDoc(d) })
}

// importError says what was to be imported, unless the error does.
func importError(root cid.Cid, err error) error {
	var at *unixfs.Error
	if errors.As(err, &at) {
		return err
	}
	return fmt.Errorf("import %s: %w", root, err)
}
