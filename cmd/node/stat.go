package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/rate"
)

// shortestInterval is as often as the rates over ten seconds say something new.
const shortestInterval = 100 * time.Millisecond

func newStat(a *app) *cobra.Command {
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "stat",
		Short: "Print totals of the running node",
		Long: `Prints what the running node has received and sent since it started and since the first
start, how fast that is now, and what the node takes. With --interval it goes on until it
is interrupted.`,
		Example: `  souk stat
  souk stat --interval 2s
  souk stat --json | jq .rates.sent_10s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval != 0 && interval < shortestInterval {
				return usagef("--interval %v is shorter than %v", interval, shortestInterval)
			}
			return a.withNode(cmd.Context(), func(n node.Node) error { return stat(cmd.Context(), a, n, interval) })
		},
	}
	cmd.Flags().DurationVar(&interval, "interval", 0, "print again each time after this long, as 2s (default: once)")
	return cmd
}

func stat(ctx context.Context, a *app, n node.Node, interval time.Duration) error {
	for first := true; ; first = false {
		s, err := n.Stat(ctx)
		switch {
		case err != nil:
		case a.json:
			err = printJSON(a.out, s)
		case interval == 0:
			err = writeStat(a.out, &s)
		default:
			err = writeStatLine(a.out, &s, first)
		}
		if err != nil || interval == 0 {
			return err
		}
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func writeStat(w io.Writer, s *node.Stat) error {
	t := newTable(w)
	fmt.Fprintf(t, "up\t%s\n", uptime(s))
	fmt.Fprintf(t, "peers\t%d connected, %s\n", s.Peers, plural(uint64(s.Accounts), "ledger", "ledgers"))
	fmt.Fprintf(t, "sessions\t%d\n", s.Session)
	fmt.Fprintf(t, "received\t%s in %s, %d of them (%s) duplicates; %d messages, %d wants\n", formatBytes(s.BytesReceived),
		plural(s.BlocksReceived, "block", "blocks"), s.Duplicates, formatBytes(s.DuplicateBytes), s.MessagesReceived, s.WantsReceived)
	fmt.Fprintf(t, "sent\t%s in %s; %d messages\n", formatBytes(s.BytesSent), plural(s.BlocksSent, "block", "blocks"), s.MessagesSent)
	for _, c := range s.Classes {
		fmt.Fprintf(t, "class %s\t%s\n", c.Class, classLine(&c))
	}
	fmt.Fprintf(t, "received now\t%s/s over 10 s, %s/s over 1 min\n", formatRate(s.Rates.Received10s), formatRate(s.Rates.Received1m))
	fmt.Fprintf(t, "sent now\t%s/s over 10 s, %s/s over 1 min\n", formatRate(s.Rates.Sent10s), formatRate(s.Rates.Sent1m))
	fmt.Fprintf(t, "ever\t%s received, %s sent\n", formatBytes(s.Ever.BytesReceived), formatBytes(s.Ever.BytesSent))
	fmt.Fprintf(t, "stored\t%s\n", stored(&s.Store))
	fmt.Fprintf(t, "process\t%d goroutines, %s of heap\n", s.Goroutines, formatBytes(s.HeapBytes))
	return t.Flush()
}

// classLine says what passed with a class of peers, and what may in a second.
func classLine(c *souk.ClassStat) string {
	return fmt.Sprintf("%s received%s, %s sent%s", formatBytes(c.BytesReceived), classRate(c.DownloadRate, c.DownloadRatePeer),
		formatBytes(c.BytesSent), classRate(c.UploadRate, c.UploadRatePeer))
}

// classRate says what limits a class in one direction, or nothing.
func classRate(all, each rate.Rate) string {
	switch {
	case all > 0 && each > 0:
		return fmt.Sprintf(" (at most %s, %s each)", all, each)
	case all > 0:
		return fmt.Sprintf(" (at most %s)", all)
	case each > 0:
		return fmt.Sprintf(" (at most %s each)", each)
	}
	return ""
}

// writeStatLine writes a line of a table that goes on.
func writeStatLine(w io.Writer, s *node.Stat, first bool) error {
	if first {
		fmt.Fprintf(w, "%-10s %6s %8s %14s %14s %12s %12s %10s\n",
			"UP", "PEERS", "SESSIONS", "RECEIVED 10s", "SENT 10s", "RECEIVED", "SENT", "GOROUTINES")
	}
	_, err := fmt.Fprintf(w, "%-10s %6d %8d %12s/s %12s/s %12s %12s %10d\n", uptime(s), s.Peers, s.Session,
		formatRate(s.Rates.Received10s), formatRate(s.Rates.Sent10s), formatBytes(s.BytesReceived), formatBytes(s.BytesSent), s.Goroutines)
	return err
}

// stored says how much is stored, and how much may be.
func stored(u *node.Usage) string {
	text := fmt.Sprintf("%s in %s, %s on the disk", formatBytes(uint64(u.Bytes)), plural(uint64(u.Blocks), "block", "blocks"), formatBytes(u.DiskBytes))
	if u.MaxBytes > 0 {
		text += fmt.Sprintf("; at most %s", formatBytes(uint64(u.MaxBytes)))
	}
	return text
}

func uptime(s *node.Stat) time.Duration {
	return time.Duration(s.Uptime * float64(time.Second)).Truncate(time.Second)
}
