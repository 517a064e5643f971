package main

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/systemd"
	"github.com/souk-p2p/souk/health"
)

// The names of sockets that a service manager may open for a node.
const (
	socketControl = "control"
	socketDebug   = "debug"
	socketRouting = "tracker-http"
)

// endTime is how long a node may take to end once it has drained, at most: 2 s for
// the exchange, the patience with commands, and the database.
const endTime = stopPatience + 15*time.Second

// supervisor is the service manager that has started this process. The zero one is
// none: it hears nothing and has opened no sockets.
type supervisor struct {
	told    *systemd.Notifier
	sockets systemd.Sockets
	log     *zap.Logger
}

// supervised returns the service manager that the environment names.
func supervised(log *zap.Logger) (*supervisor, error) {
	told, err := systemd.FromEnvironment()
	if err != nil {
		return nil, err
	}
	sockets, err := systemd.Inherited(socketControl, socketDebug, socketRouting)
	return &supervisor{told: told, sockets: sockets, log: log}, err
}

// complain logs that the service manager could not be told: the node is none the
// worse for it until the manager acts.
func (s *supervisor) complain(err error) {
	if err != nil {
		s.log.Warn("service manager", zap.Error(err))
	}
}

func (s *supervisor) ready() { s.complain(s.told.Ready("serving")) }

func (s *supervisor) reloading() { s.complain(s.told.Reloading()) }

func (s *supervisor) stopping(drain time.Duration) {
	s.complain(s.told.Stopping("finishing what peers were promised", drain+endTime))
}

// watch gives signs of life while the node is alive, until ctx ends.
func (s *supervisor) watch(ctx context.Context, n *node.Online) {
	s.told.Watch(ctx, func() error {
		if failed := health.Failures(n.Live(ctx)); failed != "" {
			return errors.New("no sign of life: " + failed)
		}
		return nil
	}, s.complain)
}

// dismiss closes the sockets that the node has no use for, on which clients would
// wait for nobody.
func (s *supervisor) dismiss() {
	for name, l := range s.sockets {
		s.log.Warn("nothing is served at this socket of the service manager", zap.String("name", name), zap.Stringer("address", l.Addr()))
	}
	s.complain(s.sockets.Close())
}
