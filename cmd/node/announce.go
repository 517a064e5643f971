package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/providers/record"
)

type announceOptions struct {
	shards   string
	partial  bool
	capacity float64 // MiB/s
	ttl      time.Duration
	withdraw bool
	list     bool
}

func newAnnounce(a *app) *cobra.Command {
	var o announceOptions
	cmd := &cobra.Command{
		Use:   "announce NAMESPACE",
		Short: "Tell trackers that this node holds a namespace",
		Long: `Lets the running node tell its trackers that it holds a namespace: a name that
an application chooses for what its peers hold. It costs the same whatever is in
it: single files and blocks are never announced. The node repeats it as long as it
runs, and so does the next one on the same repository, until it is withdrawn.`,
		Example: `  souk run --trackers /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo… &
  souk announce photos                         all of it
  souk announce photos --shards 00-7f          the blocks whose digests begin so
  souk announce photos --partial --capacity 4  some of it, at no more than 4 MiB/s
  souk announce photos --withdraw
  souk announce --list`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			asked, err := o.parse(cmd.Flags(), args)
			if err != nil {
				return err
			}
			return a.withNode(cmd.Context(), func(n node.Node) error { return o.run(cmd.Context(), a, n, asked) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.shards, "shards", "", "hold only these of the 256 shards, by the first 8 bits of the digests, as 00-0f,a0 (default: all)")
	f.BoolVar(&o.partial, "partial", false, "say that only some of it is held")
	f.Float64Var(&o.capacity, "capacity", 0, "say that this many MiB/s are willingly served (default: not said)")
	f.DurationVar(&o.ttl, "ttl", 0, "how long trackers name this node after they last heard of it, from 1m to 2h (default: 1h)")
	f.BoolVar(&o.withdraw, "withdraw", false, "take back what was announced")
	f.BoolVar(&o.list, "list", false, "list what is announced")
	return cmd
}

// parse checks the command line. The errors name the field, its value and what
// would be right.
func (o *announceOptions) parse(f *pflag.FlagSet, args []string) (asked repo.Announcement, err error) {
	if err := o.checkMode(f, args); err != nil || o.list {
		return asked, err
	}
	if err := checkNamespace("NAMESPACE", args[0]); err != nil || o.withdraw {
		return repo.Announcement{Namespace: args[0]}, err
	}
	asked = repo.Announcement{Namespace: args[0], Partial: o.partial}
	if f.Changed("shards") {
		if asked.Shards, err = repo.ParseShards(o.shards); err != nil {
			return asked, usagef("--shards %q: %w", o.shards, err)
		}
		if _, err := record.NewRanges(asked.Ranges()...); err != nil {
			return asked, usagef("--shards %q: %w", o.shards, err)
		}
	}
	if asked.Capacity, err = o.kibps(f.Changed("capacity")); err != nil {
		return asked, err
	}
	if f.Changed("ttl") && (o.ttl < record.MinTTL || o.ttl > record.MaxTTL) {
		return asked, usagef("--ttl %v is not from %v to %v", o.ttl, record.MinTTL, record.MaxTTL)
	}
	asked.TTL = int64(o.ttl / time.Second)
	return asked, nil
}

// checkMode checks what goes together.
func (o *announceOptions) checkMode(f *pflag.FlagSet, args []string) error {
	says := 0
	for _, flag := range []string{"shards", "partial", "capacity", "ttl"} {
		if f.Changed(flag) {
			says++
		}
	}
	switch {
	case o.list && (o.withdraw || says > 0 || len(args) > 0):
		return usagef("--list stands alone: it lists everything that is announced")
	case o.withdraw && says > 0:
		return usagef("--withdraw takes back a namespace as a whole: leave --shards, --partial, --capacity and --ttl out, or announce it anew with them")
	case !o.list && len(args) == 0:
		return usagef("which NAMESPACE? (--list lists those that are announced)")
	}
	return nil
}

// kibps is the capacity in KiB/s, 0 when it was not given.
func (o *announceOptions) kibps(given bool) (uint32, error) {
	const most = math.MaxUint32 / 1024
	if given && !(o.capacity >= 1.0/1024 && o.capacity <= most) { // NaN, too
		return 0, usagef("--capacity %v is not a number of MiB/s from 0.001 to %d", o.capacity, most)
	}
	return uint32(o.capacity * 1024), nil
}

func (o *announceOptions) run(ctx context.Context, a *app, n node.Node, asked repo.Announcement) error {
	switch {
	case o.list:
		return listAnnounced(ctx, n, a.out, a.json)
	case o.withdraw:
		return withdraw(ctx, n, a, asked.Namespace)
	}
	if err := n.Announce(ctx, asked); err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, asked)
	}
	_, err := fmt.Fprintf(a.out, "announced %s\n", describe(asked))
	return err
}

func listAnnounced(ctx context.Context, n node.Node, w io.Writer, asJSON bool) error {
	all, err := n.Announced(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return printEach(w, all)
	}
	for _, of := range all {
		if err := writeAnnounced(w, of); err != nil {
			return err
		}
	}
	return nil
}

// writeAnnounced writes what is announced, and below what each tracker made of it.
func writeAnnounced(w io.Writer, of node.Announced) error {
	_, err := fmt.Fprintln(w, describe(of.Announcement))
	for _, t := range of.Told {
		if err != nil {
			break
		}
		state := "not heard yet"
		if !t.Heard.IsZero() {
			state = "heard " + t.Heard.Format(time.RFC3339)
		}
		if t.Error != "" {
			state += ": " + printable(t.Error)
		}
		_, err = fmt.Fprintf(w, "  tracker %s %s\n", t.Tracker, state)
	}
	return err
}

// withdrawn is what is printed when a namespace was taken back.
type withdrawn struct {
	Namespace string `json:"withdrawn"`
	Told      bool   `json:"told"` // whether there was a node to tell trackers
}

func withdraw(ctx context.Context, n node.Node, a *app, namespace string) error {
	if err := n.Withdraw(ctx, namespace); err != nil {
		return err
	}
	info, err := n.Info(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, withdrawn{Namespace: namespace, Told: info.Running})
	}
	text := "withdrew %s\n"
	if !info.Running {
		text = "withdrew %s: no node is running to tell trackers, which forget it when its time is over\n"
	}
	_, err = fmt.Fprintf(a.out, text, printable(namespace))
	return err
}

// describe says on one line what is announced.
func describe(of repo.Announcement) string {
	text := printable(of.Namespace)
	if len(of.Shards) > 0 {
		text += fmt.Sprintf(" shards %v", of.Shards)
	}
	if of.Partial {
		text += " partial"
	}
	if of.Capacity > 0 {
		text += fmt.Sprintf(" at %s/s", formatBytes(uint64(of.Capacity)<<10))
	}
	if of.TTL > 0 {
		text += fmt.Sprintf(" for %v", of.Lifetime())
	}
	return text
}
