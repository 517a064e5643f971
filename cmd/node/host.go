package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/cmd/node/internal/control"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

const (
	debugOff = "off"
	// Commands that use the node get this long to end when it stops.
	stopPatience = 5 * time.Second
)

// hosted is a node that this process runs on a repository.
type hosted struct {
	repo  *repo.Repo
	key   crypto.PrivKey // who the node is
	debug string         // where the debug page is, or debugOff
	http  string         // where a tracker answers over HTTP; empty for nowhere
	drain time.Duration  // at most, for what peers were promised

	manager supervisor
	quota   blockstore.Quota
	pages   served // what is on the debug page, and who may see it

	metrics *prometheus.Registry // shown on the debug page

	// ready is called once the node serves its peers and other commands. With an
	// error the node ends.
	ready func(ctx context.Context, n *node.Online, s started) error
}

// run runs the node until ctx ends or the exchange has ended by itself.
func (h *hosted) run(ctx context.Context, cfg node.Config) (err error) {
	defer runtime.KeepAlive(heapFloor())
	cfg.Storage, cfg.SyncDocuments = node.NewStorage(h.repo, cfg.Log), true
	defer func() { err = errors.Join(err, cfg.Storage.Close()) }()
	if err := cfg.Storage.Blocks.SetQuota(ctx, h.quota); err != nil {
		return err
	}
	if h.debug != debugOff {
		h.metrics = newMetrics()
		h.metrics.MustRegister(storeMetrics{cfg.Storage.Blocks})
		h.pages.metrics = metricsHandler(h.metrics)
		cfg.Metrics = h.metrics
		cfg.Exchange = append(slices.Clip(cfg.Exchange), h.pages.measured(h.metrics)...)
	}
	n, err := node.Start(ctx, h.key, cfg.Storage.Blocks, remembering(cfg, h.repo))
	var deaf *node.ListenError
	if errors.As(err, &deaf) {
		return fmt.Errorf("%w (choose other addresses with --listen)", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	if err := n.Resume(); err != nil {
		return err
	}
	return h.serve(ctx, n, cfg)
}

// heapFloor is memory that nothing is written to, so that the system never
// provides it. The collector waits until the heap has doubled: a node that serves
// holds a few MiB, and would collect after every few MiB of blocks, which took an
// eighth of its CPU time. A larger node hardly notices.
func heapFloor() []byte { return make([]byte, 32<<20) }

// serve opens the debug page and the control socket, says that the node is
// ready, and waits for the end. The pages are there until the node has drained.
func (h *hosted) serve(ctx context.Context, n *node.Online, cfg node.Config) (err error) {
	s := started{}
	var watching sync.WaitGroup
	defer watching.Wait()
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	if s.Info, err = n.Info(ctx); err != nil {
		return err
	}
	if h.debug != debugOff {
		page, err := h.pages.listen(life, h.debug, h.manager.sockets.Take(socketDebug), n, cfg.Log)
		if err != nil {
			return err
		}
		defer page.Close()
		s.Debug = page.URL()
	}
	if tracker := n.Exchange.Tracker(); tracker != nil && (h.http != "" || h.manager.sockets[socketRouting] != nil) {
		routing, err := serveRouting(ctx, h.http, h.manager.sockets.Take(socketRouting), tracker, cfg.Log.Named("routing"))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, routing.Close()) }()
		s.Routing = routing.url()
	}
	l, err := h.listen()
	if err != nil {
		return err
	}
	s.Control = l.Addr().String()
	h.manager.dismiss()
	c := commands{
		server: control.NewServer(n, release(), cfg.Log.Named("control")), listener: l, broken: n.Exchange.Done(),
		ready: func() error {
			n.TakesCommands(true)
			err := h.ready(ctx, n, s)
			if err == nil {
				h.manager.ready()
				watching.Go(func() { h.manager.watch(life, n) })
			}
			return err
		},
		drain: func() { h.finish(n, cfg.Log) },
	}
	return c.serve(ctx)
}

// errBroken is why run ends by itself; closing the exchange says more.
var errBroken = errors.New("the exchange has ended by itself")

// listen opens the control socket, or takes the one that was opened for it.
func (h *hosted) listen() (net.Listener, error) {
	l := h.manager.sockets.Take(socketControl)
	if l == nil {
		return h.repo.Listen()
	}
	return h.repo.Adopt(l)
}

// finish lets peers have what they were promised.
func (h *hosted) finish(n *node.Online, log *zap.Logger) {
	h.manager.stopping(h.drain)
	ctx, cancel := context.WithTimeout(context.Background(), h.drain)
	defer cancel()
	began := time.Now()
	if err := n.Exchange.Drain(ctx); err != nil {
		log.Warn("the node ends before it has drained", zap.Error(err), zap.Duration("drain", h.drain))
		return
	}
	log.Info("drained", zap.Duration("took", time.Since(began)))
}

// commands is what answers on the control socket.
type commands struct {
	server   *control.Server
	listener net.Listener
	broken   <-chan struct{} // closed when the exchange has ended by itself
	ready    func() error    // called once commands are answered
	drain    func()          // called when the node is to end, while commands are answered
}

// serve answers until ctx ends and the node has drained, the exchange has ended by
// itself, or the socket breaks.
func (c *commands) serve(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- c.server.Serve(c.listener) }()
	err := c.ready()
	if err == nil {
		select {
		case <-ctx.Done():
			c.drain()
		case <-c.broken:
			err = errBroken
		case err = <-served:
			served <- nil // for the wait below
		}
	}
	patience, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	return errors.Join(err, c.server.Close(patience), <-served)
}
