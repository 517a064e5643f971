package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/ipfs/go-cid"
	"github.com/spf13/cobra"

	"github.com/souk-p2p/souk/adapter/dag/pins"
	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

func newPin(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pin",
		Short: "Say what stays in the repository when garbage is collected",
		Long: `Pins say what stays in the repository when "souk gc" removes the rest. What "souk add"
stores is pinned under the name of the file; what "souk get" fetches is not, unless --pin
is given. The same data may be pinned under several names: it stays as long as one of
these pins is there.`,
		Example: `  souk pin ls
  souk pin rm --name photos && souk gc`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPinAdd(a), newPinLs(a), newPinRm(a))
	return cmd
}

// pinLine is a line of JSON.
type pinLine struct {
	CID  string     `json:"cid"`
	Name string     `json:"name"`
	Type roots.Kind `json:"type"`
	Time time.Time  `json:"time"`
}

// pinStatus is one of "pin ls --verify".
type pinStatus struct {
	pinLine
	Complete     bool   `json:"complete"`
	Blocks       int64  `json:"blocks"`
	Missing      int64  `json:"missing"`
	FirstMissing string `json:"first_missing,omitempty"`
	Error        string `json:"error,omitempty"`
}

func lineOf(p pins.Pin) pinLine {
	return pinLine{CID: p.CID.String(), Name: p.Name, Type: p.Kind, Time: p.Time}
}

type pinAddOptions struct {
	sourceOptions
	name      string
	recursive bool
	offline   bool
}

func newPinAdd(a *app) *cobra.Command {
	var o pinAddOptions
	cmd := &cobra.Command{
		Use:   "add CID[/PATH]...",
		Short: "Pin data, and fetch what is missing of it",
		Long: `Pins each CID with everything below it, once all of that is stored here: what is
missing is fetched, from where "souk get" would fetch it. What came is kept for a while
when that fails, and the same command goes on from there.`,
		Example: `  souk pin add bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354 --name photos
  souk pin add CID --peer /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo…
  souk pin add CID --recursive=false --offline`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error { return o.run(cmd.Context(), a, paths) },
	}
	f := cmd.Flags()
	o.flags(f)
	f.StringVar(&o.name, "name", "", "name of the pins")
	f.BoolVar(&o.recursive, "recursive", true, "pin everything below, too")
	f.BoolVar(&o.offline, "offline", false, "fetch nothing: what is missing is an error")
	return cmd
}

func (o *pinAddOptions) run(ctx context.Context, a *app, paths []string) error {
	if err := pins.CheckName(o.name); err != nil {
		return usagef("--name: %w", err)
	}
	from, err := o.source()
	if err != nil {
		return err
	}
	if o.offline && (len(from.Peers) > 0 || from.Namespace != "") {
		return usagef("--offline fetches nothing: leave it out, or leave out --peer and --namespace")
	}
	return o.within(ctx, func(ctx context.Context) error {
		return a.withNode(ctx, func(n node.Node) error {
			for _, path := range paths {
				if err := o.add(ctx, a, n, from, path); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (o *pinAddOptions) add(ctx context.Context, a *app, n node.Node, from node.Source, path string) error {
	root, err := rootOf(ctx, n, from, path)
	if err != nil {
		return err
	}
	r := node.PinRequest{CID: root, Name: o.name, Kind: roots.Recursive, From: from, Offline: o.offline}
	if !o.recursive {
		r.Kind = roots.Direct
	}
	bar := a.newStatus("pinning " + printable(path))
	p, err := n.Pin(ctx, r, func(p node.PinProgress) {
		bar.show(fmt.Sprintf("%s, %s read or fetched", plural(uint64(p.Blocks), "block", "blocks"), formatBytes(uint64(p.Bytes))), p.Bytes)
	})
	bar.end()
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.out, lineOf(p))
	}
	_, err = fmt.Fprintf(a.out, "pinned %s\n", describePin(p))
	return err
}

// rootOf is the CID at the end of a path.
func rootOf(ctx context.Context, n node.Node, from node.Source, path string) (c cid.Cid, err error) {
	if !strings.Contains(strings.TrimPrefix(path, "/ipfs/"), "/") {
		return parseCID(path)
	}
	f, err := n.Fetch(ctx, from)
	if err != nil {
		return cid.Undef, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return resolve(ctx, f, path)
}

// describePin is a pin for people.
func describePin(p pins.Pin) string {
	text := p.CID.String() + " " + string(p.Kind)
	if p.Name != "" {
		text += " " + printable(p.Name)
	}
	return text
}

type pinLsOptions struct {
	name, kind    string
	named         bool
	verify, quiet bool
}

func newPinLs(a *app) *cobra.Command {
	var o pinLsOptions
	cmd := &cobra.Command{
		Use:   "ls [CID]...",
		Short: "List pins, and look whether everything that they pin is there",
		Long: `Lists the CID, the type and the name of each pin, of all or of these CIDs. With
--verify it looks for every block below, says what is missing, and fails if something
is: "souk pin add" of the same CID fetches it.`,
		Example: `  souk pin ls
  souk pin ls --name photos --json
  souk pin ls --verify`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.named = cmd.Flags().Changed("name")
			return o.run(cmd.Context(), a, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "", "only pins of this name")
	f.StringVar(&o.kind, "type", "all", "only pins of this type: recursive, direct or all")
	f.BoolVar(&o.verify, "verify", false, "look for every block that is pinned")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print only CIDs")
	return cmd
}

func (o *pinLsOptions) run(ctx context.Context, a *app, args []string) error {
	if o.kind != "all" && roots.Kind(o.kind).Check() != nil {
		return usagef("--type %q is not recursive, direct or all", o.kind)
	}
	only, err := parseCIDs(args)
	if err != nil {
		return err
	}
	return a.withNode(ctx, func(n node.Node) error { return o.list(ctx, a, n, only) })
}

func (o *pinLsOptions) list(ctx context.Context, a *app, n node.Node, only []cid.Cid) error {
	found := make(map[string]bool, len(only))
	for _, c := range only {
		found[string(c.Hash())] = false
	}
	broken, looked := 0, 0
	for p, err := range n.Pins(ctx, o.verify) {
		if err != nil {
			return err
		}
		if _, asked := found[string(p.CID.Hash())]; len(only) > 0 && !asked || !o.matches(p.Pin) {
			continue
		}
		found[string(p.CID.Hash())] = true
		if looked++; incomplete(p) {
			broken++
		}
		if err := o.print(a, p); err != nil {
			return err
		}
	}
	if broken > 0 {
		return fmt.Errorf("%d of %s are not complete: souk pin add of the same CID fetches what is missing", broken, plural(uint64(looked), "pin", "pins"))
	}
	return requireFound(only, found)
}

func requireFound(only []cid.Cid, found map[string]bool) error {
	for _, c := range only {
		if !found[string(c.Hash())] {
			return &node.NotPinnedError{What: c.String()}
		}
	}
	return nil
}

func incomplete(p node.PinStatus) bool { return p.Missing > 0 || p.Error != "" }

func (o *pinLsOptions) matches(p pins.Pin) bool {
	return (!o.named || p.Name == o.name) && (o.kind == "all" || p.Kind == roots.Kind(o.kind))
}

func (o *pinLsOptions) print(a *app, p node.PinStatus) error {
	var err error
	switch {
	case a.json && o.verify:
		err = printJSON(a.out, pinStatus{
			pinLine: lineOf(p.Pin), Complete: !incomplete(p), Blocks: p.Blocks,
			Missing: p.Missing, FirstMissing: p.FirstMissing, Error: p.Error,
		})
	case a.json:
		err = printJSON(a.out, lineOf(p.Pin))
	case o.quiet:
		_, err = fmt.Fprintln(a.out, p.CID)
	case o.verify:
		err = printStatus(a.out, p)
	default:
		_, err = fmt.Fprintln(a.out, describePin(p.Pin))
	}
	return err
}

func printStatus(w io.Writer, p node.PinStatus) error {
	state := "complete, " + plural(uint64(p.Blocks), "block", "blocks")
	switch {
	case p.Missing > 0:
		state = fmt.Sprintf("incomplete: %s missing, as %s", plural(uint64(p.Missing), "block is", "blocks are"), p.FirstMissing)
	case p.Error != "":
		state = "cannot be read: " + p.Error
	}
	_, err := fmt.Fprintf(w, "%s: %s\n", describePin(p.Pin), state)
	return err
}

func newPinRm(a *app) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "rm [CID]...",
		Short: "Remove pins, so that what they pinned can be collected",
		Long: `Removes every pin of the CIDs, or only those with --name, and prints which. Without a
CID, every pin with --name. Blocks stay until the next "souk gc".`,
		Example: `  souk pin rm bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354
  souk pin rm --name photos`,
		RunE: func(cmd *cobra.Command, args []string) error {
			filters, err := pinFilters(args, name, cmd.Flags().Changed("name"))
			if err != nil {
				return err
			}
			return a.withNode(cmd.Context(), func(n node.Node) error { return unpin(cmd.Context(), a, n, filters) })
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "only pins of this name")
	return cmd
}

func pinFilters(args []string, name string, named bool) ([]node.PinFilter, error) {
	var of node.PinFilter
	if named {
		of.Name = &name
	}
	if len(args) == 0 && !named {
		return nil, usagef("which pins? Give CIDs, a --name, or both")
	}
	if len(args) == 0 {
		return []node.PinFilter{of}, nil
	}
	cs, err := parseCIDs(args)
	filters := make([]node.PinFilter, len(cs))
	for i, c := range cs {
		filters[i] = node.PinFilter{CID: c, Name: of.Name}
	}
	return filters, err
}

func unpin(ctx context.Context, a *app, n node.Node, filters []node.PinFilter) error {
	for _, which := range filters {
		gone, err := n.Unpin(ctx, which)
		for _, p := range gone {
			if a.json {
				err = errors.Join(err, printJSON(a.out, lineOf(p)))
			} else {
				_, failed := fmt.Fprintf(a.out, "unpinned %s\n", describePin(p))
				err = errors.Join(err, failed)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pinName makes the name of a pin of a file's name, which may be no text.
func pinName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
	for len(name) > pins.MaxName {
		runes := []rune(name)
		name = string(runes[:len(runes)-1])
	}
	return name
}
