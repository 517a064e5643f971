package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/cmd/node/internal/control"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/debug"
)

const (
	debugOff = "off"
	// Commands that use the node get this long to end when it stops.
	stopPatience = 5 * time.Second
)

// Port 4101 is next to none that is registered or that Kubo uses (4001, 5001,
// 8080), so that both can run on one machine.
var defaultListen = []string{
	"/ip4/0.0.0.0/udp/4101/quic-v1",
	"/ip4/0.0.0.0/tcp/4101",
	"/ip6/::/udp/4101/quic-v1",
	"/ip6/::/tcp/4101",
}

type runOptions struct {
	listen   []string
	peers    []string
	debug    string
	logLevel string
	flood    bool
}

// started is what is printed when the node is ready.
type started struct {
	node.Info
	Debug   string `json:"debug,omitempty"`
	Control string `json:"control"`
}

func newRun(a *app) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run a node until it is interrupted",
		Long: `Runs a node that serves the blocks of the repository to whoever asks for them,
fetches for the other commands, and connects to nobody but the peers that it is
told of. It prints its addresses, then "ready".`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), a) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.listen, "listen", defaultListen, "accept connections at this address; may be repeated")
	f.StringArrayVar(&o.peers, "peer", nil, "stay connected to this peer, as /ip4/ADDRESS/tcp/PORT/p2p/ID; may be repeated")
	f.StringVar(&o.debug, "debug", "127.0.0.1:4180", "show the debug page at this loopback address, or \"off\"")
	f.StringVar(&o.logLevel, "log", "warn", "log from this level on: debug, info, warn or error")
	f.BoolVar(&o.flood, "flood", false, "ask every connected peer for every block; for debugging only")
	return cmd
}

func (o *runOptions) run(ctx context.Context, a *app) (err error) {
	peers, err := parsePeers(o.peers)
	if err != nil {
		return err
	}
	cfg, err := o.config(a.err)
	if err != nil {
		return err
	}
	dir, err := a.repoDir()
	if err != nil {
		return err
	}
	r, err := repo.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	n, err := node.Start(ctx, r.Key(), blockstore.New(r.Blocks(), blockstore.WithTrustedReads()), cfg)
	var deaf *node.ListenError
	if errors.As(err, &deaf) {
		return fmt.Errorf("%w (choose other addresses with --listen)", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	for _, p := range peers {
		n.Keep(p)
	}
	return o.serve(ctx, a, r, n, cfg.Log)
}

func (o *runOptions) config(stderr io.Writer) (node.Config, error) {
	listen, err := parseAddrs(o.listen)
	if err != nil {
		return node.Config{}, err
	}
	level, err := zapcore.ParseLevel(o.logLevel)
	if err != nil {
		return node.Config{}, usagef("--log %q is not debug, info, warn or error", o.logLevel)
	}
	cfg := node.Config{Listen: listen, Agent: agent(), Log: newLogger(stderr, level)}
	if o.flood {
		fmt.Fprintln(stderr, "souk: FLOODING: every connected peer is asked for every block; this is for debugging only")
		cfg.Exchange = append(cfg.Exchange, souk.WithFlood())
	}
	return cfg, nil
}

func newLogger(w io.Writer, level zapcore.Level) *zap.Logger {
	cfg := zap.NewDevelopmentEncoderConfig()
	cfg.EncodeTime = zapcore.RFC3339TimeEncoder
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(cfg), zapcore.Lock(zapcore.AddSync(w)), level))
}

// serve opens the debug page and the control socket, says that the node is
// ready, and waits for the end.
func (o *runOptions) serve(ctx context.Context, a *app, r *repo.Repo, n *node.Online, log *zap.Logger) (err error) {
	ready := started{}
	if ready.Info, err = n.Info(ctx); err != nil {
		return err
	}
	if o.debug != debugOff {
		page, err := debug.Listen(ctx, o.debug, debug.Handler(n.Page()), log)
		if err != nil {
			return fmt.Errorf("%w (choose another address with --debug, or --debug=off)", err)
		}
		defer page.Close()
		ready.Debug = "http://" + page.Addr().String() + "/debug/ledgers"
	}
	l, err := r.Listen()
	if err != nil {
		return err
	}
	ready.Control = l.Addr().String()
	broken := n.Exchange.Done()
	return serveCommands(ctx, broken, control.NewServer(n, release(), log), l, func() error { return ready.print(a) })
}

// errBroken is why run ends by itself; closing the exchange says more.
var errBroken = errors.New("the exchange has ended by itself")

// serveCommands answers on the control socket until ctx ends, the exchange has
// ended by itself, or the socket breaks.
func serveCommands(ctx context.Context, broken <-chan struct{}, s *control.Server, l net.Listener, ready func() error) error {
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	err := ready()
	if err == nil {
		select {
		case <-ctx.Done():
		case <-broken:
			err = errBroken
		case err = <-served:
			served <- nil // for the wait below
		}
	}
	patience, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	return errors.Join(err, s.Close(patience), <-served)
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
	_, err := fmt.Fprintf(a.out, "control %s\nready\n", s.Control)
	return err
}
