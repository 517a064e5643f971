package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/download/document"
)

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
	Error        string    `json:"error,omitempty"` // why it cannot be found what is missing
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
	info, err := n.Info(ctx)
	if err != nil {
		return err
	}
	return describeStatus(a.out, st, info.Running)
}

func docStatusOf(st node.DocumentStatus) docStatus {
	line := docStatus{
		docLine: docLineOf(st.Info), Covered: st.Covered, CoveredBytes: st.CoveredBytes, Missing: st.Missing, MissingBytes: st.MissingBytes,
		Partial: st.Partial, Done: st.Done, Active: st.Active, Failed: st.Failed, Files: []docFile{}, Next: st.Next, Error: st.Error,
	}
	for _, f := range st.Files {
		line.Files = append(line.Files, docFile{
			docKey: docKeyOf(f.Key), CID: f.CID, Size: f.Size, Bytes: f.Bytes, State: f.State, Peers: f.Peers, Error: f.Error,
		})
	}
	return line
}

func describeStatus(w io.Writer, st node.DocumentStatus, running bool) error {
	_, err := fmt.Fprintf(w, "%s: %s\n  covered: %s, %s; missing: %d, %s\n", describeDoc(st.Info), describeSyncing(st, running),
		plural(st.Covered, "file", "files"), formatBytes(st.CoveredBytes), st.Missing, formatBytes(st.MissingBytes))
	if err != nil {
		return err
	}
	if st.Error != "" {
		if _, err := fmt.Fprintf(w, "  what is missing cannot be found: %s\n", printable(st.Error)); err != nil {
			return err
		}
	}
	for _, state := range []string{"active", "failed", "paused", "waiting"} {
		if err := describeFiles(w, state, st.Files); err != nil {
			return err
		}
	}
	return nil
}

// describeSyncing says what becomes of what is missing.
func describeSyncing(st node.DocumentStatus, running bool) string {
	switch {
	case !st.Syncing:
		return "not synced"
	case st.Missing == 0:
		return "synced"
	case !running:
		return "to be synced by the next node that runs"
	}
	text := fmt.Sprintf("syncing, %d under way, %d failed", st.Active, st.Failed)
	if !st.Next.IsZero() {
		text += ", tried again at " + st.Next.Local().Format(time.TimeOnly)
	}
	return text
}

// mostShown is how many files in the same state are shown to people: half a screen.
const mostShown = 12

// describeFiles lists the files that are in a state.
func describeFiles(w io.Writer, state string, all []node.FileStatus) error {
	count := uint64(0)
	for _, f := range all {
		if f.State != state {
			continue
		}
		if count++; count > mostShown {
			continue
		}
		if _, err := fmt.Fprintf(w, "  %s\n", describeFile(f)); err != nil {
			return err
		}
	}
	if count <= mostShown {
		return nil
	}
	_, err := fmt.Fprintf(w, "  %s: %s (see --json)\n", state, plural(count-mostShown, "more file", "more files"))
	return err
}

func describeFile(f node.FileStatus) string {
	text := fmt.Sprintf("%s %s, %s of %s", f.State, printable(string(f.Key)), formatBytes(f.Bytes), formatBytes(f.Size))
	for i, p := range f.Peers {
		text += []string{" from ", ", "}[min(i, 1)] + p.String()
	}
	if f.Error != "" {
		text += ": " + printable(f.Error)
	}
	return text
}
