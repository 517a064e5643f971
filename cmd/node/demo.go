package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/cmd/node/internal/demo"
	"github.com/souk-p2p/souk/debug"
)

type demoOptions struct{ stay bool }

func newDemo(a *app) *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo [PATH]",
		Short: "Show a download from three nodes that a tracker names, one of which stops half-way",
		Long: `Starts five nodes on the loopback interface, each with a store of its own: a
tracker, one that gets everything below PATH, two that get one half of its blocks
each, and one that fetches it all. The three announce a namespace to the tracker,
and the last is told nothing but that namespace and the tracker. The node that has
everything is stopped when half is done. Then every file is compared. PATH is the
source of Go's standard library unless it is given. Everything is in a temporary
directory, which is removed at the end.`,
		Example: `  souk demo
  souk demo photos/ --stay`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := demoPath(cmd.Context(), args)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), a, path)
		},
	}
	cmd.Flags().BoolVar(&o.stay, "stay", false, "keep the nodes up afterwards and show the downloader's debug page")
	return cmd
}

func demoPath(ctx context.Context, args []string) (string, error) {
	if len(args) > 0 {
		return demo.ResolvePath(args[0])
	}
	return demo.DefaultPath(ctx)
}

func (o *demoOptions) run(ctx context.Context, a *app, path string) (err error) {
	say := io.Discard
	if !a.json {
		say = a.out
	}
	fmt.Fprintf(say, "sharing %s\n", path)
	adding, fetching := a.newDemoProgress("adding"), a.newDemoProgress("fetching")
	d, err := demo.New(ctx, demo.Config{Path: path, Agent: agent(), Adding: adding.hook(), Fetching: fetching.hook()})
	adding.end()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := writeNodes(say, d); err != nil {
		return err
	}
	report, err := d.Download(ctx)
	fetching.end()
	if report != nil {
		err = errors.Join(err, writeReport(a, d, report))
	}
	if err != nil || !o.stay {
		return err
	}
	return stay(ctx, a, d)
}

func writeNodes(w io.Writer, d *demo.Demo) error {
	fmt.Fprintf(w, "CID     %s\n\n", d.Root.CID)
	t := newTable(w)
	fmt.Fprintln(t, "NODE\tID\tBLOCKS\tBYTES\tADDRESS")
	for _, n := range d.Nodes {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\n", n.Role, n.Host.ID(), n.Blocks, formatBytes(n.Bytes), n.Address().Addrs[0])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

func writeReport(a *app, d *demo.Demo, r *demo.Report) error {
	if a.json {
		return printJSON(a.out, r)
	}
	t := newTable(a.out)
	fmt.Fprintf(t, "\nfiles\t%d\n", r.Files)
	fmt.Fprintf(t, "bytes\t%d (%s)\n", r.Bytes, formatBytes(r.Bytes))
	fmt.Fprintf(t, "blocks\t%d\n", r.Blocks)
	fmt.Fprintf(t, "seconds\t%.2f\n", r.Seconds)
	fmt.Fprintf(t, "MB/s\t%.1f\n", r.MBPerSecond)
	fmt.Fprintf(t, "requests per block\t%.2f\n", r.RequestsPerBlock)
	fmt.Fprintf(t, "duplicates\t%d\n", r.Duplicates)
	fmt.Fprintf(t, "%s stopped at\t%.1f %%\n", demo.Everything, 100*r.StoppedAt)
	fmt.Fprintf(t, "tracker was told\t%s\n", plural(r.Tracker.Announced, "announcement of "+r.Tracker.Namespace, "announcements of "+r.Tracker.Namespace))
	fmt.Fprintf(t, "tracker was asked\t%s\n", plural(r.Tracker.Queries, "time", "times"))
	fmt.Fprintf(t, "tracker has named\t%s\n", plural(r.Tracker.Named, "peer", "peers"))
	fmt.Fprintf(t, "\nDOWNLOADER'S LEDGER\tRECEIVED\tBLOCKS\tSENT\tBLOCKS\tWANTS\tLATENCY\n")
	for _, l := range r.Ledgers {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%d\t%d\t%v\n", d.RoleOf(l.Peer), formatBytes(l.BytesReceived), l.BlocksReceived,
			formatBytes(l.BytesSent), l.BlocksSent, l.WantsSent, l.Latency.Round(time.Microsecond))
	}
	if r.Identical {
		fmt.Fprintln(t, "\nidentical")
	}
	return t.Flush()
}

// demoStays is what is printed while the nodes are kept up.
type demoStays struct {
	Debug string `json:"debug"` // the URL of a page
}

// stay shows the downloader's debug page until the user has seen enough.
func stay(ctx context.Context, a *app, d *demo.Demo) error {
	page, err := debug.Listen(ctx, "127.0.0.1:0", debug.Handler(d.Downloader().Page()), debug.ListenConfig{})
	if err != nil {
		return err
	}
	defer page.Close()
	address := page.URL() + "ledgers"
	if a.json {
		err = printJSON(a.out, demoStays{Debug: address})
	} else {
		_, err = fmt.Fprintf(a.out, "debug page: %s (interrupt to end)\n", address)
	}
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// demoProgress draws a bar on a terminal and writes lines elsewhere.
type demoProgress struct {
	*progress
	what string
	out  io.Writer
	next uint64 // tenths
}

func (a *app) newDemoProgress(what string) *demoProgress {
	p := &demoProgress{what: what, out: a.err, next: 1}
	if a.terminal || a.progress == progressJSON {
		p.progress = a.newProgress(what)
	}
	if a.json || a.progress == progressNone {
		p.out = io.Discard
	}
	return p
}

func (p *demoProgress) hook() func(unixfs.Event) {
	if p.progress != nil {
		return p.progress.hook()
	}
	return func(e unixfs.Event) {
		if e.Total == 0 || e.Done*10 < p.next*e.Total {
			return
		}
		tenth := min(e.Done*10/e.Total, 10)
		fmt.Fprintf(p.out, "%s: %d %%, %d files, %s\n", p.what, 10*tenth, e.Files, formatBytes(e.Done))
		p.next = tenth + 1
	}
}
