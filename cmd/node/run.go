package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/cmd/node/internal/logs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

// Port 4101 is next to none that is registered or that Kubo uses (4001, 5001,
// 8080), so that both can run on one machine.
var defaultListen = []string{
	"/ip4/0.0.0.0/udp/4101/quic-v1",
	"/ip4/0.0.0.0/tcp/4101",
	"/ip6/::/udp/4101/quic-v1",
	"/ip6/::/tcp/4101",
}

// drainTime is how long a node finishes what was promised. With the 2 s that closing
// may take it is within what those who stop it wait before they kill it: Docker 10 s
// unless told otherwise, Kubernetes 30 s, systemd 90 s.
const drainTime = 7 * time.Second

type runOptions struct {
	hostOptions
	trackerOptions
	privateOptions
	limitOptions
	connectionOptions
	relayOptions
	dhtOptions
	storageOptions
	pageOptions
	mdns     bool
	flood    bool
	identity string // file with the private key
}

// hostOptions say how a node is run in this process.
type hostOptions struct {
	listen []string
	peers  []string
	debug  string
	drain  time.Duration
	logOptions
}

// started is what is printed when the node is ready.
type started struct {
	node.Info
	Debug   string `json:"debug,omitempty"`
	Routing string `json:"routing,omitempty"` // where it answers over HTTP as a tracker
	Control string `json:"control"`
}

func newRun(a *app) *cobra.Command {
	var o runOptions
	flags := o.flagSet()
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run a node until it is interrupted",
		Long: `Runs a node that serves the blocks of the repository to whoever asks for them,
fetches for the other commands, and connects to nobody but the peers and trackers
that it is told of, and peers that these trackers name. It announces again what was
announced before. It prints its addresses, then "ready".

Every flag can also be set as SOUK_NAME in the environment (SOUK_TRACKER_MEMORY for
--tracker-memory), or as a key in the repository's file "config", which is JSON. The
command line comes first, then the environment, then the file. With SIGHUP the node
reads the file again and says in its log what it could apply.`,
		Example: `  souk run
  souk run --trackers /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo…
  souk run --listen /ip4/0.0.0.0/tcp/4102 --peer /ip4/192.0.2.1/tcp/4101/p2p/12D3Koo…
  souk run --tracker --tracker-memory 64
  souk run --tracker --tracker-http 0.0.0.0:8181 --tracker-public photos,maps`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := a.repoDir()
			if err != nil {
				return err
			}
			p, err := o.settle(flags, a.sources(dir))
			if err != nil {
				return err
			}
			return p.run(cmd.Context(), a, dir)
		},
	}
	cmd.Flags().AddFlagSet(flags)
	return cmd
}

// flagSet holds the flags of run and no others: these are the settings.
func (o *runOptions) flagSet() *pflag.FlagSet {
	f := pflag.NewFlagSet("run", pflag.ContinueOnError)
	o.flags(f)
	return f
}

func (o *runOptions) flags(f *pflag.FlagSet) {
	o.hostOptions.flags(f, "127.0.0.1:4180")
	o.trackerOptions.flags(f)
	o.privateOptions.flags(f)
	f.StringVar(&o.identity, "identity-file", "", "take the private key from this file (default: from $SOUK_IDENTITY, the service's credential, or the repository)")
	o.limitOptions.flags(f)
	o.connectionOptions.flags(f)
	o.relayOptions.flags(f)
	o.dhtOptions.flags(f)
	o.storageOptions.flags(f)
	o.pageOptions.flags(f)
	f.BoolVar(&o.mdns, "mdns", false, "find nodes on the local network by multicast DNS and connect to them; everybody there learns this node's ID and addresses")
	f.BoolVar(&o.flood, "flood", false, "ask every connected peer for every block; for debugging only")
}

func (o *hostOptions) flags(f *pflag.FlagSet, debug string) {
	f.StringArrayVar(&o.listen, "listen", defaultListen, "accept connections at this address; may be repeated")
	f.Lookup("listen").DefValue = "port 4101 of all addresses, over TCP and QUIC" // for the help; the four are too long
	f.StringArrayVar(&o.peers, "peer", nil, "stay connected to this peer, as /ip4/ADDRESS/tcp/PORT/p2p/ID; may be repeated")
	f.StringVar(&o.debug, "debug", debug, "show the debug pages at this loopback address, at the socket unix:PATH, or not (off); at any other address with --debug-token or --debug-client-ca")
	f.DurationVar(&o.drain, "drain", drainTime, "when it is to end, let peers have what they were promised for at most this long; 0s ends at once")
	o.logOptions.flags(f)
}

func (o *hostOptions) configure(cfg *node.Config) error {
	var listen, peers, drain error
	cfg.Agent = agent()
	cfg.Listen, listen = parseAddrs("--listen", o.listen)
	cfg.Peers, peers = parsePeers("--peer", o.peers)
	if o.drain < 0 {
		drain = usagef("--drain %v is less than 0s, which ends at once", o.drain)
	}
	return errors.Join(listen, peers, drain, o.logOptions.configure())
}

// configure says what the options mean for a node. The error names every option
// that is wrong, not only the first.
func (o *runOptions) configure(f *pflag.FlagSet) (cfg node.Config, err error) {
	cfg.Nearby = o.mdns
	if o.flood {
		cfg.Exchange = append(cfg.Exchange, souk.WithFlood())
	}
	err = errors.Join(
		o.hostOptions.configure(&cfg),
		o.trackerOptions.configure(f, &cfg),
		o.relayOptions.configure(f, &cfg),
		o.dhtOptions.configure(&cfg, o.isPrivate()),
		o.privateOptions.configure(&cfg),
		o.limitOptions.configure(&cfg),
		o.connectionOptions.configure(&cfg),
		o.storageOptions.configure(&cfg),
		o.pageOptions.configure(),
	)
	return cfg, err
}

func (p *plan) run(ctx context.Context, a *app, dir string) (err error) {
	o, cfg := p.options, p.node
	if o.flood {
		fmt.Fprintln(a.err, "souk: FLOODING: every connected peer is asked for every block; this is for debugging only")
	}
	tail := &logs.Tail{}
	o.logTo(io.MultiWriter(tail, a.err), &cfg)
	defer cfg.Logs.TakeLibp2p()()
	manager, err := supervised(cfg.Log)
	if err != nil {
		return err
	}
	for _, stray := range a.strays() {
		cfg.Log.Named("config").Warn("variable ignored", zap.Error(stray))
	}
	reload := newReloader(p, a.sources(dir), cfg.Log)
	defer reload.stop()
	cfg.Settings = reload.current
	r, err := repo.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	key, err := a.identity(o.identity, dir)
	if err != nil {
		return err
	}
	if cfg.PSK != nil {
		cfg.Log.Info("in a private network: QUIC is off, connections are over TCP")
	}
	shown := served{pageOptions: o.pageOptions, settings: p.settings, tail: tail}
	h := hosted{repo: r, key: key, debug: o.debug, http: o.http, drain: o.drain, manager: *manager, quota: o.quota(), pages: shown, ready: func(_ context.Context, n *node.Online, s started) error {
		reload.begin(&running{node: n, logs: cfg.Logs, manager: manager})
		return s.print(a)
	}}
	return h.run(ctx, cfg)
}

func (s *started) print(a *app) error {
	if a.json {
		return printJSON(a.out, s)
	}
	fmt.Fprintf(a.out, "souk %s\nid %s\n", release(), s.ID)
	for _, address := range s.Addresses {
		fmt.Fprintf(a.out, "listening %s\n", address)
	}
	if s.Debug != "" {
		fmt.Fprintf(a.out, "debug %s\n", s.Debug)
	}
	if s.Routing != "" {
		fmt.Fprintf(a.out, "routing %s\n", s.Routing)
	}
	_, err := fmt.Fprintf(a.out, "control %s\nready\n", s.Control)
	return err
}
