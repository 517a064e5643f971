package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
)

func newDoc(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doc",
		Short: "Keep a part of a collection of files: documents and their policies",
		Long: `A document is a named list of files, each with its path, its CID and its size. The list
is always here; a policy says of which files the data is to be: of everything, or of
everything or nothing except some paths. What it covers and is here stays when garbage
is collected.

DOC is the name of a document, its ID, or the first 8 digits of that or more.`,
		Example: `  souk doc import ./photos
  souk doc policy photos nothing-except prefix:utf8:2024/`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDocImport(a), newDocLs(a), newDocMissing(a), newDocPolicy(a), newDocSync(a), newDocCancel(a), newDocStatus(a), newDocRm(a))
	return cmd
}

// docLine is a line of JSON about a document.
type docLine struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Root      string    `json:"root"`
	Namespace string    `json:"namespace"`
	Entries   uint64    `json:"entries"`
	Bytes     uint64    `json:"bytes"`
	Created   time.Time `json:"created"`
	Policy    []string  `json:"policy"`  // as "souk doc policy" reads it
	Syncing   bool      `json:"syncing"` // what is missing is fetched whenever the node runs
}

func docLineOf(d document.Info) docLine {
	return docLine{
		ID: d.ID.String(), Name: d.Name, Root: d.Root.String(), Namespace: d.ID.Namespace(),
		Entries: d.Entries, Bytes: d.Bytes, Created: d.Created, Policy: d.Policy.Parts(), Syncing: d.Syncing,
	}
}

// printDoc prints a document, for people as what a function says of it.
func printDoc(a *app, d document.Info, says func(document.Info) string) error {
	if a.json {
		return printJSON(a.out, docLineOf(d))
	}
	_, err := fmt.Fprintln(a.out, says(d))
	return err
}

// describeDoc is a document for people.
func describeDoc(d document.Info) string {
	return fmt.Sprintf("%s %s: %s, %s", shortID(d), printable(d.Name), plural(d.Entries, "entry", "entries"), formatBytes(d.Bytes))
}

// idDigits of an ID are shown to people: enough to name it by.
const idDigits = 12

func shortID(d document.Info) string { return d.ID.String()[:idDigits] }

// docKey is the key of an entry as JSON has it.
type docKey struct {
	Key    string `json:"key,omitempty"`     // when it is UTF-8
	KeyHex string `json:"key_hex,omitempty"` // otherwise
}

func docKeyOf(key []byte) docKey {
	if utf8.Valid(key) {
		return docKey{Key: string(key)}
	}
	return docKey{KeyHex: hex.EncodeToString(key)}
}

// withDoc opens the node and finds a document for as long as do runs.
func (a *app) withDoc(ctx context.Context, text string, do func(node.Node, document.Info) error) error {
	return a.withNode(ctx, func(n node.Node) error {
		d, err := n.FindDocument(ctx, text)
		if err != nil {
			return err
		}
		return do(n, d)
	})
}

// eachDoc does something with one document after the other, up to the first error.
func (a *app) eachDoc(ctx context.Context, texts []string, do func(node.Node, document.Info) error) error {
	for _, text := range texts {
		if err := a.withDoc(ctx, text, do); err != nil {
			return err
		}
	}
	return nil
}

// completeDocuments completes the first argument to the name of a document of the
// running node.
func (a *app) completeDocuments(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.completeWith(cmd, args, func(ctx context.Context, n node.Node) (names []cobra.Completion) {
		for d, err := range n.Documents(ctx) {
			if err != nil {
				break
			}
			names = append(names, cobra.CompletionWithDesc(d.Name, shortID(d)))
		}
		return names
	})
}

// completePolicies completes the second argument to what a policy begins with.
func (a *app) completePolicies(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return a.completeDocuments(cmd, args, toComplete)
	case 1:
		return []cobra.Completion{"everything", "everything-except", "nothing", "nothing-except"}, cobra.ShellCompDirectiveNoFileComp
	default:
		return []cobra.Completion{"prefix:utf8:", "exact:utf8:"}, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

func newDocPolicy(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "policy DOC [POLICY [FILTER]...]",
		Short: "Show or set which files of a document are kept here",
		Long: `Without POLICY, prints the policy of a document, a part of it a line. With it, sets the
policy: everything, nothing, or everything-except or nothing-except with filters, each
of which is one of

  prefix:utf8:TEXT   paths that begin with TEXT
  exact:utf8:TEXT    the path TEXT
  prefix:hex:DIGITS  likewise, in hexadecimal digits
  exact:hex:DIGITS

What a policy covers no more stays until garbage is collected.`,
		Example: `  souk doc policy photos
  souk doc policy photos nothing-except prefix:utf8:2024/ exact:utf8:list.txt
  souk doc policy photos everything-except prefix:utf8:raw/
  souk doc policy photos everything`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completePolicies,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			var p policy.Policy
			if len(args) > 1 {
				var err error
				if p, err = policy.Parse(args[1:]...); err != nil {
					return &usageError{err}
				}
			}
			return a.withDoc(ctx, args[0], func(n node.Node, d document.Info) error {
				if len(args) > 1 {
					if err := n.SetPolicy(ctx, d.ID, p); err != nil {
						return err
					}
					d.Policy = p
				}
				return printPolicy(a, d)
			})
		},
	}
}

func printPolicy(a *app, d document.Info) error {
	if a.json {
		return printJSON(a.out, docLineOf(d))
	}
	for _, part := range d.Policy.Parts() {
		if _, err := fmt.Fprintln(a.out, part); err != nil {
			return err
		}
	}
	return nil
}

func newDocRm(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "rm DOC...",
		Short: "Remove documents, so that their data can be collected",
		Long: `Removes documents with their lists and policies, and prints which. The files' data stays
until the next "souk gc", unless it is pinned or belongs to another document.`,
		Example: `  souk doc rm photos
  souk doc rm 3f8a11c09b7e && souk gc`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeDocuments,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.eachDoc(ctx, args, func(n node.Node, d document.Info) error {
				gone, err := n.RemoveDocument(ctx, d.ID)
				if err != nil {
					return err
				}
				return printDoc(a, gone, func(d document.Info) string { return "removed " + describeDoc(d) })
			})
		},
	}
}
