package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/download/document"
)

type docLsOptions struct {
	prefix string
	long   bool
}

// docEntry is a line of JSON about an entry.
type docEntry struct {
	docKey
	CID      string `json:"cid"`
	Size     uint64 `json:"size"`
	Metadata []byte `json:"metadata,omitempty"`
	Covered  bool   `json:"covered"` // by the policy
}

func newDocLs(a *app) *cobra.Command {
	var o docLsOptions
	cmd := &cobra.Command{
		Use:   "ls [DOC]",
		Short: "List documents, or the files of one",
		Long: `Lists the documents, or the paths of the files in one, in their order. With -l also the
CID and the size in bytes of each file, and whether the policy covers it. Nothing is
fetched for that.`,
		Example: `  souk doc ls
  souk doc ls photos --prefix 2024/ -l`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeDocuments,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if len(args) == 0 {
				if o.prefix != "" || o.long {
					return usagef("--prefix and -l are for the files of a document: name one")
				}
				return a.withNode(ctx, func(n node.Node) error { return listDocs(ctx, a, n) })
			}
			return a.withDoc(ctx, args[0], func(n node.Node, d document.Info) error { return o.list(ctx, a, n, d) })
		},
	}
	cmd.Flags().StringVar(&o.prefix, "prefix", "", "only files whose paths begin with this")
	cmd.Flags().BoolVarP(&o.long, "long", "l", false, "print CID, size and whether it is covered, too")
	return cmd
}

func listDocs(ctx context.Context, a *app, n node.Node) error {
	table := newTable(a.out)
	some := false
	for d, err := range n.Documents(ctx) {
		if err == nil && !a.json && !some {
			_, err = fmt.Fprintln(table, "ID\tNAME\tENTRIES\tSIZE\tPOLICY\t")
		}
		if some = true; err == nil {
			err = listDoc(a, table, d)
		}
		if err != nil {
			return err
		}
	}
	return table.Flush()
}

// mostPolicy is how much of a policy is shown in a list.
const mostPolicy = 60

func listDoc(a *app, table io.Writer, d document.Info) error {
	if a.json {
		return printJSON(a.out, docLineOf(d))
	}
	_, err := fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t\n", shortID(d), printable(d.Name), d.Entries, formatBytes(d.Bytes), d.Policy.Summary(mostPolicy))
	return err
}

func (o *docLsOptions) list(ctx context.Context, a *app, n node.Node, d document.Info) error {
	w := bufio.NewWriter(a.out)
	for e, err := range n.Entries(ctx, d.ID, []byte(o.prefix)) {
		if err == nil {
			err = o.print(w, e, d.Policy.Covers(e.Key), a.json)
		}
		if err != nil {
			w.Flush() // what was listed is right
			return err
		}
	}
	return w.Flush()
}

func (o *docLsOptions) print(w io.Writer, e document.Entry, covered, asJSON bool) error {
	var err error
	switch {
	case asJSON:
		err = printJSON(w, docEntry{docKey: docKeyOf(e.Key), CID: e.CID.String(), Size: e.Size, Metadata: e.Metadata, Covered: covered})
	case o.long:
		state := "covered"
		if !covered {
			state = "-"
		}
		_, err = fmt.Fprintf(w, "%s %12d %-7s %s\n", e.CID, e.Size, state, printable(string(e.Key)))
	default:
		_, err = fmt.Fprintln(w, printable(string(e.Key)))
	}
	return err
}

// docMissing is a line of JSON about an entry that is missing.
type docMissing struct {
	docKey
	CID    string `json:"cid"`
	Size   uint64 `json:"size"`
	State  string `json:"state"`       // absent, or partial
	Blocks uint64 `json:"blocks_here"` // that are stored
	Bytes  uint64 `json:"bytes_here"`  // in those
}

func newDocMissing(a *app) *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "missing DOC",
		Short: "List what the policy of a document covers and is not here",
		Long: `Lists the files that the policy of a document covers and whose data is not in the
repository, or not all of it, and how much of each is. It looks into the repository, and
fetches nothing.`,
		Example: `  souk doc missing photos
  souk doc missing photos --json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeDocuments,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.withDoc(ctx, args[0], func(n node.Node, d document.Info) error {
				return listMissing(ctx, a, n, d, quiet)
			})
		},
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only paths")
	return cmd
}

func listMissing(ctx context.Context, a *app, n node.Node, d document.Info, quiet bool) error {
	w := bufio.NewWriter(a.out)
	var count, bytes uint64
	for l, err := range n.Missing(ctx, d.ID) {
		if err == nil {
			count++
			bytes += l.Size
			err = printMissing(w, l, quiet, a.json)
		}
		if err != nil {
			w.Flush()
			return err
		}
	}
	if !a.json && !quiet {
		fmt.Fprintf(w, "%s missing, %s\n", plural(count, "file is", "files are"), formatBytes(bytes))
	}
	return w.Flush()
}

func printMissing(w io.Writer, l document.Lack, quiet, asJSON bool) error {
	state := "absent"
	if l.Partial() {
		state = "partial"
	}
	var err error
	switch {
	case asJSON:
		err = printJSON(w, docMissing{
			docKey: docKeyOf(l.Key), CID: l.CID.String(), Size: l.Size, State: state, Blocks: l.Blocks, Bytes: l.Presence.Bytes,
		})
	case quiet:
		_, err = fmt.Fprintln(w, printable(string(l.Key)))
	default:
		if l.Partial() {
			state = fmt.Sprintf("partial, %s of %s here", plural(l.Blocks, "block", "blocks"), formatBytes(l.Presence.Bytes))
		}
		_, err = fmt.Fprintf(w, "%s: %s, %s\n", printable(string(l.Key)), formatBytes(l.Size), state)
	}
	return err
}
