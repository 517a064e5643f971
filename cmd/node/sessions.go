package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

func newSessions(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "sessions [ID]",
		Short: "List the fetches of the running node, or tell why one is slow",
		Long: `Lists the sessions of the running node: each is one fetch, but for the shared one, of
calls without a session of their own. With an ID, as listed, it says where the time of
that session went, which peers it tried and what each answered, and what it has
waited for longest.`,
		Example: `  souk sessions
  souk sessions 7
  souk sessions 7 --json | jq '.tried[] | {peer, answer, rate}'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.withNode(cmd.Context(), func(n node.Node) error { return listSessions(cmd.Context(), a, n) })
			}
			id, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return usagef("%q is not the number of a session: \"souk sessions\" lists those that are open", args[0])
			}
			return a.withNode(cmd.Context(), func(n node.Node) error { return showSession(cmd.Context(), a, n, id) })
		},
	}
}

// listSessions lists all sessions, a page at a time.
func listSessions(ctx context.Context, a *app, n node.Node) error {
	t := newTable(a.out)
	if !a.json {
		fmt.Fprintln(t, "ID\tFOR\tDOING\tLEFT\tBLOCKS\tBYTES\tPEERS\tWHAT")
	}
	for after := uint64(0); ; {
		all, err := n.Sessions(ctx, after)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return t.Flush()
		}
		after = all[len(all)-1].ID
		if a.json {
			err = printEach(a.out, all)
		} else {
			writeSessions(t, all, time.Now())
		}
		if err != nil {
			return err
		}
	}
}

func writeSessions(w io.Writer, all []souk.SessionStat, now time.Time) {
	for i := range all {
		s := &all[i]
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%d\t%s\t%d\t%s\n", s.ID, since(now, s.Opened), s.Doing, s.WantsLeft, s.Blocks,
			formatBytes(s.Bytes), s.Peers, kindOfSession(s))
	}
}

func kindOfSession(s *souk.SessionStat) string {
	switch {
	case s.Shared:
		return "shared"
	case s.Only:
		return "from " + plural(uint64(len(s.Named)), "peer", "peers") + " that were named"
	case s.Namespace != "":
		return "namespace " + printable(s.Namespace)
	}
	return "-"
}

func showSession(ctx context.Context, a *app, n node.Node, id uint64) error {
	d, err := n.Session(ctx, id)
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, d)
	}
	return writeSession(a.out, &d, time.Now())
}

func writeSession(w io.Writer, d *souk.SessionDetail, now time.Time) error {
	t := newTable(w)
	fmt.Fprintf(t, "session\t%d, %s, open for %s\n", d.ID, kindOfSession(&d.SessionStat), since(now, d.Opened))
	fmt.Fprintf(t, "left\t%s in %s\n", plural(uint64(d.WantsLeft), "block", "blocks"), plural(uint64(d.Calls), "call", "calls"))
	fmt.Fprintf(t, "came\t%s in %s from peers, %d more were here, %d failed, at most %d came twice\n",
		formatBytes(d.Bytes), plural(d.Blocks, "block", "blocks"), d.Local, d.Failed, d.Duplicates)
	fmt.Fprintf(t, "room\t%s of %s in use\n", formatBytes(uint64(d.Held)), formatBytes(uint64(d.Budget)))
	fmt.Fprintf(t, "now\t%s\n", d.Doing)
	for _, s := range spent(&d.Spent) {
		fmt.Fprintf(t, "time\t%s %s\n", s.of.Round(10*time.Millisecond), s.what)
	}
	writeTried(t, d.Tried)
	writeOldest(t, d.Oldest)
	return t.Flush()
}

type spentOn struct {
	of   time.Duration
	what string
}

// spent is where time went, without what took none.
func spent(s *souk.TimeSpent) []spentOn {
	var all []spentOn
	for _, on := range []spentOn{
		{s.Searching, "searching the directory"}, {s.Dialling, "dialling"}, {s.Answers, "waiting for first answers"},
		{s.Transferring, "transferring"}, {s.Store, "waiting for the store"}, {s.Caller, "waiting for the caller to take blocks"},
		{s.Nobody, "with nobody left to ask"}, {s.Idle, "idle"},
	} {
		if on.of > 0 {
			all = append(all, on)
		}
	}
	return all
}

func writeTried(w io.Writer, all []souk.TriedPeer) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(w, "\nPEER\tANSWER\tBLOCKS\tBYTES\tHAVE\tDONT_HAVE\tSILENT\tASKED NOW\tRATE\tRTT\tFOUND BY")
	for i := range all {
		p := &all[i]
		answer := p.Answer
		if p.Late {
			answer += ", late"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%d\t%d\t%d\t%s/s\t%s\t%s\n", p.Peer, answer, p.Blocks, formatBytes(p.Bytes), p.Haves,
			p.DontHaves, p.Silences, p.Asked, formatRate(p.Rate), formatTime(p.RTT), p.Source)
		if p.Error != "" {
			fmt.Fprintf(w, "\t%s\n", printable(p.Error))
		}
	}
}

func writeOldest(w io.Writer, all []souk.OldWant) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(w, "\nOLDEST WANT\tAGE\tWAITS FOR")
	for _, o := range all {
		waits := o.Waits
		if len(o.Peers) > 0 {
			names := make([]string, len(o.Peers))
			for i, p := range o.Peers {
				names[i] = p.String()
			}
			waits += ", of " + strings.Join(names, ", ")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", o.CID, o.Age.Round(10*time.Millisecond), waits)
	}
}
