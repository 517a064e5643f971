package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/cmd/node/internal/config"
	"github.com/souk-p2p/souk/cmd/node/internal/logs"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/debug"
	"github.com/souk-p2p/souk/debug/kubo"
	"github.com/souk-p2p/souk/health"
)

// pageOptions say who may see the debug pages, and what is on them.
type pageOptions struct {
	token, tokenFile string
	hosts            []string
	cert, key        string
	clientCA         string
	profiling, kubo  bool
	kuboMetrics      bool
}

func (o *pageOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.token, "debug-token", "", "show the debug pages to who knows this token of 16 characters or more; on a command line others may read it")
	f.StringVar(&o.tokenFile, "debug-token-file", "", "read the token from this file, which nobody else may read")
	f.StringSliceVar(&o.hosts, "debug-host", nil, "answer at the debug address also to this name, as a proxy or a certificate has it; may be repeated")
	f.StringVar(&o.cert, "debug-tls-cert", "", "serve the debug pages over HTTPS with this certificate (PEM)")
	f.StringVar(&o.key, "debug-tls-key", "", "the key of that certificate (PEM)")
	f.StringVar(&o.clientCA, "debug-client-ca", "", "show the debug pages to who has a certificate that one in this file has signed (PEM)")
	f.BoolVar(&o.profiling, "debug-pprof", false, "serve profiles at /debug/pprof/")
	f.BoolVar(&o.kubo, "kubo-api", false, "answer Kubo's bitswap stat, ledger and wantlist at /api/v0/ of the debug address")
	f.BoolVar(&o.kuboMetrics, "kubo-metrics", false, "tell at /metrics also what Kubo tells of Bitswap, under Kubo's names")
	config.MarkSecret(f, "debug-token")
}

func (o *pageOptions) configure() error {
	if o.token != "" && o.tokenFile != "" {
		return usagef("--debug-token and --debug-token-file are both given: one is enough")
	}
	return nil
}

// access is who may see the pages.
func (o *pageOptions) access(log *zap.Logger) (debug.ListenConfig, error) {
	token, err := o.readToken()
	return debug.ListenConfig{Hosts: o.hosts, Token: token, CertFile: o.cert, KeyFile: o.key, ClientCAFile: o.clientCA, Log: log.Named("debug")}, err
}

func (o *pageOptions) readToken() (string, error) {
	if o.tokenFile == "" {
		return o.token, nil
	}
	info, err := os.Stat(o.tokenFile)
	if err != nil {
		return "", fmt.Errorf("--debug-token-file: %w", err)
	}
	if readable := info.Mode().Perm() & 0o077; readable != 0 {
		return "", fmt.Errorf("--debug-token-file: %s has mode %04o, so others may read it: run chmod 600 %s", o.tokenFile, info.Mode().Perm(), o.tokenFile)
	}
	if info.Mode()&fs.ModeDir != 0 {
		return "", fmt.Errorf("--debug-token-file: %s is a directory", o.tokenFile)
	}
	text, err := os.ReadFile(o.tokenFile)
	if err != nil {
		return "", fmt.Errorf("--debug-token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("--debug-token-file: %s is empty", o.tokenFile)
	}
	return token, nil
}

// served is what the pages of a node are made with, besides the node.
type served struct {
	pageOptions
	settings *config.Settings // nil for none that are told
	tail     *logs.Tail       // nil for no log
	metrics  http.Handler     // nil for none
}

// listen serves the pages of a node at an address, or at a socket that was opened for
// them.
func (s *served) listen(ctx context.Context, at string, opened net.Listener, n *node.Online, log *zap.Logger) (*debug.Server, error) {
	access, err := s.access(log)
	if err != nil {
		return nil, err
	}
	if opened != nil {
		return debug.Serve(ctx, opened, debug.Handler(s.pages(n)), access)
	}
	page, err := debug.Listen(ctx, at, debug.Handler(s.pages(n)), access)
	var open *debug.NotLoopbackError
	if errors.As(err, &open) {
		return nil, fmt.Errorf("%w with --debug-token-file or --debug-client-ca, or choose --debug=off", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (choose another address with --debug, or --debug=off)", err)
	}
	return page, nil
}

func (s *served) pages(n *node.Online) debug.Config {
	cfg := n.Page()
	cfg.Metrics = s.metrics
	cfg.Live, cfg.Ready = health.Handler(n), health.Handler(n)
	cfg.Version, cfg.Profiling = "souk "+release(), s.profiling
	if s.kubo {
		cfg.API = kubo.Handler(n.Kubo())
	}
	if s.tail != nil {
		cfg.Log = s.tail.Bytes
	}
	if s.settings != nil {
		cfg.Settings = s.texts
	}
	return cfg
}

// texts are the settings for a bundle, without secrets.
func (s *served) texts() map[string]string {
	texts := map[string]string{}
	for _, of := range s.settings.All() {
		texts[of.Key] = of.Text()
	}
	return texts
}
