package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
)

type docSyncOptions struct {
	sourceOptions
	wait, announce bool
}

// docSynced is a line of JSON about what has come.
type docSynced struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Done   uint64 `json:"done"`   // files that were fetched
	Active int    `json:"active"` // that are under way
	Failed uint64 `json:"failed"`
}

func newDocSync(a *app) *cobra.Command {
	var o docSyncOptions
	cmd := &cobra.Command{
		Use:   "sync DOC",
		Short: "Fetch what is missing of a document, now and whenever the node runs",
		Long: `Has what the policy of a document covers fetched, and waits until all of it is here. The
running node goes on when this command is interrupted, after a restart, and when the
policy is changed, until "souk doc cancel". It asks peers that are connected, those that
trackers name for the document's namespace, and those of --peer. Without a node that runs,
the peers of --peer are asked until the command ends, and the next node goes on.

With --announce trackers are told that this node has files of the document, so that
others fetch them from here, too; "souk announce --withdraw" takes that back.`,
		Example: `  souk doc sync photos
  souk doc sync photos --announce
  souk doc sync photos --peer /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo…
  souk doc sync photos --wait=false`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeDocuments,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), a, args[0]) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.peers, "peer", nil, "ask this peer, too, as /ip4/ADDRESS/tcp/PORT/p2p/ID; may be repeated")
	f.DurationVar(&o.timeout, "timeout", 0, "give up waiting after this long, as 30s or 5m (default: never)")
	f.BoolVar(&o.wait, "wait", true, "wait until all is here")
	f.BoolVar(&o.announce, "announce", false, "tell trackers that this node has files of the document")
	return cmd
}

func (o *docSyncOptions) run(ctx context.Context, a *app, text string) error {
	from, err := parsePeers("--peer", o.peers)
	if err != nil {
		return err
	}
	return o.within(ctx, func(ctx context.Context) error {
		return a.withDoc(ctx, text, func(n node.Node, d document.Info) error {
			whole, err := o.tell(ctx, n, d)
			if err != nil {
				return err
			}
			bar := a.newStatus("syncing " + printable(d.Name))
			done, err := n.SyncDocument(ctx, node.SyncRequest{ID: d.ID, From: from, Wait: o.wait}, func(p node.SyncProgress) {
				bar.show(fmt.Sprintf("%s here, %d under way", plural(p.Done, "file", "files"), p.Active), 0)
			})
			bar.end()
			if err == nil && !whole && o.wait && done.Failed == 0 && d.Policy.Equal(policy.Everything()) {
				_, err = o.tell(ctx, n, d) // of all of it, now
			}
			if err != nil {
				return err
			}
			return printSynced(a, d, done)
		})
	})
}

// tell announces a document, if that is asked for, and reports whether all of it is here.
// Who has some of it is announced, too, so that those who have some find each other.
func (o *docSyncOptions) tell(ctx context.Context, n node.Node, d document.Info) (whole bool, err error) {
	if !o.announce {
		return false, nil
	}
	whole = d.Policy.Equal(policy.Everything())
	for _, err := range n.Missing(ctx, d.ID) {
		if err != nil {
			return false, err
		}
		whole = false
		break
	}
	return whole, n.Announce(ctx, repo.Announcement{Namespace: d.ID.Namespace(), Partial: !whole})
}

func printSynced(a *app, d document.Info, done node.SyncProgress) error {
	if a.json {
		return printJSON(a.out, docSynced{ID: d.ID.String(), Name: d.Name, Done: done.Done, Active: done.Active, Failed: done.Failed})
	}
	_, err := fmt.Fprintf(a.out, "syncing %s: %s fetched, %d under way\n", printable(d.Name), plural(done.Done, "file", "files"), done.Active)
	return err
}

func newDocCancel(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "cancel DOC...",
		Short: "Fetch no more of documents",
		Long: `Ends what "souk doc sync" has begun, here and for the next start of the node. What has
come stays, and another sync goes on from there.`,
		Example:           `  souk doc cancel photos`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeDocuments,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.eachDoc(ctx, args, func(n node.Node, d document.Info) error {
				if err := n.CancelDocument(ctx, d.ID); err != nil {
					return err
				}
				d.Syncing = false
				return printDoc(a, d, func(d document.Info) string { return "not syncing " + describeDoc(d) })
			})
		},
	}
}

// docStatus is a line of JSON about how a document is doing.
type docStatus struct {
	docLine
	Covered      uint64    `json:"covered"` // files, by the policy
	CoveredBytes uint64    `json:"covered_bytes"`
	Missing      uint64    `json:"missing"` // of these
	MissingBytes uint64    `json:"missing_bytes"`
	Partial      uint64    `json:"partial"` // of the missing
	Done         uint64    `json:"done"`    // fetched since the node began to sync it
	Active       int       `json:"active"`
	Failed       uint64    `json:"failed"`
	Files        []docFile `json:"files"` // under way or failed, 272 at most
	Next         time.Time `json:"next,omitzero"`
}

// docFile is a file that is under way or has failed.
type docFile struct {
	docKey
	CID   string    `json:"cid"`
	Size  uint64    `json:"size"`
	Bytes uint64    `json:"bytes"`
	State string    `json:"state"`
	Peers []peer.ID `json:"peers,omitempty"`
	Error string    `json:"error,omitempty"`
}

func newDocStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status [DOC]",
		Short: "Show what of documents is here, what is being fetched, and what failed why",
		Long: `Shows, of all documents or of one, how much the policy covers, how much of that is missing,
what the running node fetches of it and from whom, and what it could not get and why.`,
		Example: `  souk doc status
  souk doc status photos --json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeDocuments,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if len(args) == 1 {
				return a.withDoc(ctx, args[0], func(n node.Node, d document.Info) error { return showStatus(ctx, a, n, d.ID) })
			}
			return a.withNode(ctx, func(n node.Node) error {
				for d, err := range n.Documents(ctx) {
					if err == nil {
						err = showStatus(ctx, a, n, d.ID)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func showStatus(ctx context.Context, a *app, n node.Node, id document.ID) error {
	st, err := n.DocumentStatus(ctx, id)
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, docStatusOf(st))
	}
	return describeStatus(a.out, st)
}

func docStatusOf(st node.DocumentStatus) docStatus {
	line := docStatus{
		docLine: docLineOf(st.Info), Covered: st.Covered, CoveredBytes: st.CoveredBytes, Missing: st.Missing, MissingBytes: st.MissingBytes,
		Partial: st.Partial, Done: st.Done, Active: st.Active, Failed: st.Failed, Files: []docFile{}, Next: st.Next,
	}
	for _, f := range st.Files {
		line.Files = append(line.Files, docFile{
			docKey: docKeyOf(f.Key), CID: f.CID, Size: f.Size, Bytes: f.Bytes, State: f.State, Peers: f.Peers, Error: f.Error,
		})
	}
	return line
}

func describeStatus(w io.Writer, st node.DocumentStatus) error {
	state := "not synced"
	switch {
	case st.Syncing && st.Missing == 0:
		state = "synced"
	case st.Syncing:
		state = fmt.Sprintf("syncing, %d under way, %d failed", st.Active, st.Failed)
	}
	_, err := fmt.Fprintf(w, "%s: %s\n  covered: %s, %s; missing: %d, %s\n", describeDoc(st.Info), state,
		plural(st.Covered, "file", "files"), formatBytes(st.CoveredBytes), st.Missing, formatBytes(st.MissingBytes))
	for _, f := range st.Files {
		if err != nil {
			break
		}
		why := ""
		if f.Error != "" {
			why = ": " + f.Error
		}
		_, err = fmt.Fprintf(w, "  %s %s, %s of %s%s\n", f.State, printable(string(f.Key)), formatBytes(f.Bytes), formatBytes(f.Size), why)
	}
	return err
}
