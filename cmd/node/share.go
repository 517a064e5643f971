package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/cmd/node/internal/config"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

type shareOptions struct {
	hostOptions
	trackerOptions // of which those of a client are flags
	dhtOptions
	addOptions
}

// offer is a line of JSON.
type offer struct {
	CID       string   `json:"cid"`
	Name      string   `json:"name"`
	Namespace string   `json:"namespace"`
	Trackers  []string `json:"trackers"` // addresses, each with its ID
	Command   string   `json:"command"`  // what fetches it on another machine
}

func newShare(a *app) *cobra.Command {
	var o shareOptions
	settings := o.flagSet()
	cmd := &cobra.Command{
		Use:   "share PATH...",
		Short: "Add files and directories and serve them, with a line that fetches them elsewhere",
		Long: `Adds each PATH as "souk add" does, announces the repository's dataset to trackers,
prints for each PATH the command that fetches it on another machine, and serves it
until it is interrupted. Without --trackers this node is the tracker, and the other
machine has to reach one of its addresses. A repository has one dataset, whatever
is shared from it, which is announced again whenever its node runs.

While a node runs on the repository already, that one adds, announces and serves,
and this command ends once it has. Flags that "souk run" has, too, are settings here
as well: see "souk help config".`,
		Example: `  souk share photos/
  souk share photos/ --trackers /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo…`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error { return o.share(cmd.Context(), a, settings, paths) },
	}
	cmd.Flags().AddFlagSet(settings)
	o.layoutFlags(cmd.Flags())
	o.pin = true // what is shared is to stay
	return cmd
}

// flagSet holds the flags that are settings.
func (o *shareOptions) flagSet() *pflag.FlagSet {
	f := pflag.NewFlagSet("share", pflag.ContinueOnError)
	o.hostOptions.flags(f, debugOff)
	o.clientFlags(f)
	o.dhtOptions.flags(f)
	return f
}

// shareMemory is that of a tracker that is there for one repository.
const shareMemory = 32 << 20

func (o *shareOptions) share(ctx context.Context, a *app, f *pflag.FlagSet, paths []string) (err error) {
	settings, cfg, err := o.settle(a, f, paths)
	if err != nil {
		return err
	}
	r, running, err := a.claim(ctx, repo.Open)
	if err != nil {
		return err
	}
	if running != nil {
		defer func() { err = errors.Join(err, running.Close()) }()
		warnOfFlags(a, settings)
		return o.through(ctx, a, running, cfg, paths)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if len(cfg.Trackers) == 0 {
		cfg.Tracker = &souk.TrackerConfig{}
		cfg.Tracker.Limits.TableBytes = shareMemory
	}
	h := hosted{repo: r, key: r.Key(), debug: o.debug, drain: o.drain, ready: func(ctx context.Context, n *node.Online, _ started) error {
		err := o.through(ctx, a, n, cfg, paths)
		if err == nil && !a.json {
			fmt.Fprintln(a.err, "sharing until it is interrupted")
		}
		return err
	}}
	return h.run(ctx, cfg)
}

// settle finds out what is wrong before anything is stored.
func (o *shareOptions) settle(a *app, f *pflag.FlagSet, paths []string) (*config.Settings, node.Config, error) {
	dir, err := a.repoDir()
	if err != nil {
		return nil, node.Config{}, err
	}
	from, broken := a.sources(dir).read()
	settings, wrong := config.Resolve(f, from)
	if wrong != nil {
		wrong = &usageError{wrong}
	}
	cfg, err := o.configure(f)
	err = errors.Join(broken, wrong, settings.Explain(err))
	if err == nil {
		err = checkPaths(paths)
	}
	o.logTo(a.err, &cfg)
	return settings, cfg, err
}

func (o *shareOptions) configure(f *pflag.FlagSet) (cfg node.Config, err error) {
	_, chunker := parseChunker(o.chunker)
	err = errors.Join(
		o.hostOptions.configure(&cfg),
		o.trackerOptions.configure(f, &cfg),
		o.dhtOptions.configure(&cfg, false),
		chunker,
	)
	return cfg, err
}

// warnOfFlags names the flags that say how to start a node, where one runs.
func warnOfFlags(a *app, settings *config.Settings) {
	for _, s := range settings.All() {
		if s.Origin == config.FromFlag && s.Key != "trackers" {
			fmt.Fprintf(a.err, "souk: a node runs on this repository already: --%s is not used\n", s.Key)
		}
	}
}

// through shares with a node that runs, here or elsewhere.
func (o *shareOptions) through(ctx context.Context, a *app, n node.Node, cfg node.Config, paths []string) error {
	dir, err := a.repoDir()
	if err != nil {
		return err
	}
	dataset, err := repo.Dataset(dir)
	if err != nil {
		return err
	}
	info, err := n.Info(ctx)
	if err != nil {
		return err
	}
	trackers := reachable(info, cfg)
	if len(trackers) == 0 {
		return &node.NoTrackersError{}
	}
	offers, err := o.addAll(ctx, a, n, paths)
	if err != nil {
		return err
	}
	if err := announceShared(ctx, a, n, dataset, cfg.Trackers); err != nil {
		return err
	}
	for _, of := range offers {
		of.Namespace, of.Trackers = dataset, trackers
		if err := of.print(a); err != nil {
			return err
		}
	}
	return nil
}

func (o *shareOptions) addAll(ctx context.Context, a *app, n node.Node, paths []string) ([]offer, error) {
	size, err := parseChunker(o.chunker)
	if err != nil {
		return nil, err
	}
	offers := make([]offer, len(paths))
	for i, path := range paths {
		root, err := o.keep(ctx, a, n, size, path)
		if err != nil {
			return nil, err
		}
		offers[i] = offer{CID: root.CID.String(), Name: nameOf(path, root.CID)}
	}
	return offers, nil
}

// announceShared announces the dataset. That no tracker has taken it yet is no
// reason to end a node that this process runs: it goes on trying.
func announceShared(ctx context.Context, a *app, n node.Node, dataset string, trackers []peer.AddrInfo) error {
	err := n.Announce(ctx, repo.Announcement{Namespace: dataset}, trackers...)
	var unheard *node.UnheardError
	if errors.As(err, &unheard) {
		_, err = fmt.Fprintf(a.err, "souk: %v\n", unheard)
	}
	return err
}

// reachable are the trackers of the line that is printed: those that were named,
// else those of the node, which is its own when it is one and was told of none.
func reachable(info node.Info, cfg node.Config) []string {
	if len(cfg.Trackers) > 0 {
		return node.Addresses(cfg.Trackers...)
	}
	if len(info.Trackers) == 0 && info.Tracker {
		return dialable(info.Addresses)
	}
	return info.Trackers
}

func (s *offer) print(a *app) error {
	s.Command = fmt.Sprintf("souk get %s --namespace %s --trackers %s", s.CID, quote(s.Namespace), strings.Join(s.Trackers, ","))
	if a.json {
		return printJSON(a.out, s)
	}
	_, err := fmt.Fprintln(a.out, s.Command)
	return err
}

// quote makes a word of text that a shell takes as it is.
func quote(text string) string {
	plain := func(r rune) bool {
		return r < 0x80 && (r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("-_./:@", r))
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
