package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
)

type docSyncOptions struct {
	sourceOptions
	wait, announce bool
	asked          bool // for announce, be it for or against
}

// docSynced is a line of JSON about what has come.
type docSynced struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Done      uint64 `json:"done"`   // files that were fetched
	Active    int    `json:"active"` // that are under way
	Failed    uint64 `json:"failed"`
	Announced bool   `json:"announced"` // trackers are told that this node has files of it
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

A node that knows trackers tells them that it has files of the document, so that others
fetch them from here, too: its author needs no more than this command. It goes on to do so
until "souk doc rm" or "souk announce --withdraw"; with --announce=false it does not begin.`,
		Example: `  souk doc sync photos
  souk doc sync photos --peer /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo…
  souk doc sync photos --wait=false
  souk doc sync photos --announce=false`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeDocuments,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.asked = cmd.Flags().Changed("announce")
			return o.run(cmd.Context(), a, args[0])
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.peers, "peer", nil, "ask this peer, too, as /ip4/ADDRESS/tcp/PORT/p2p/ID; may be repeated")
	f.DurationVar(&o.timeout, "timeout", 0, "give up waiting after this long, as 30s or 5m (default: never)")
	f.BoolVar(&o.wait, "wait", true, "wait until all is here")
	f.BoolVar(&o.announce, "announce", true, "tell trackers, if any are known, that this node has files of the document")
	return cmd
}

func (o *docSyncOptions) run(ctx context.Context, a *app, text string) error {
	from, err := parsePeers("--peer", o.peers)
	if err != nil {
		return err
	}
	return o.within(ctx, func(ctx context.Context) error {
		return a.withDoc(ctx, text, func(n node.Node, d document.Info) error {
			told, err := o.tell(ctx, a, n, d)
			if err != nil {
				return err
			}
			bar := a.newStatus("syncing " + printable(d.Name))
			done, err := n.SyncDocument(ctx, node.SyncRequest{ID: d.ID, From: from, Wait: o.wait}, func(p node.SyncProgress) {
				bar.show(fmt.Sprintf("%s here, %d under way", plural(p.Done, "file", "files"), p.Active), 0)
			})
			bar.end()
			if err == nil && told != nil && told.Partial && o.wait && d.Policy.Equal(policy.Everything()) {
				told, err = o.tell(ctx, a, n, d) // of all of it, now
			}
			if err != nil {
				return err
			}
			return o.print(a, d, done, told != nil)
		})
	})
}

// tell announces a document, and returns what it has told or nil. Who has some of it is
// announced, too, so that those who have some find each other. Only who has asked for it
// wants to fail without it.
func (o *docSyncOptions) tell(ctx context.Context, a *app, n node.Node, d document.Info) (*repo.Announcement, error) {
	if tells, err := o.tells(ctx, n, d); err != nil || !tells {
		return nil, err
	}
	told := repo.Announcement{Namespace: d.ID.Namespace(), Partial: !d.Policy.Equal(policy.Everything())}
	for _, err := range n.Missing(ctx, d.ID) {
		if err != nil {
			return nil, err
		}
		told.Partial = true
		break
	}
	err := n.Announce(ctx, told)
	if err != nil && !o.asked && ctx.Err() == nil {
		fmt.Fprintf(a.err, "souk: %s is synced and not announced: %v\n", printable(d.Name), err)
		return nil, nil
	}
	return &told, err
}

// tells reports whether the document is to be announced: where that was not asked for, if
// there is something to have of it and somebody to tell.
func (o *docSyncOptions) tells(ctx context.Context, n node.Node, d document.Info) (bool, error) {
	if o.asked || !o.announce || d.Policy.Equal(policy.Nothing()) {
		return o.asked && o.announce, nil
	}
	if info, err := n.Info(ctx); err != nil || !info.Running {
		return false, err
	}
	trackers, err := n.Trackers(ctx)
	return len(trackers) > 0, err
}

func (o *docSyncOptions) print(a *app, d document.Info, done node.SyncProgress, announced bool) error {
	if a.json {
		return printJSON(a.out, docSynced{
			ID: d.ID.String(), Name: d.Name, Done: done.Done, Active: done.Active, Failed: done.Failed, Announced: announced,
		})
	}
	text := "syncing %s: %s fetched, " + strconv.Itoa(done.Active) + " under way"
	if o.wait {
		text = "synced %s: all is here, %s fetched"
	}
	if announced {
		text += "; announced to trackers"
	}
	_, err := fmt.Fprintf(a.out, text+"\n", printable(d.Name), plural(done.Done, "file", "files"))
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
