package resolver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/resolver/server"
)

// serviceName is what the service of a resolver is called, and its actor.
func serviceName(suffix string) string {
	if suffix == "" {
		return "resolver"
	}
	return "resolver/" + suffix
}

// New starts a resolver on an exchange, and serves others when there is a Producer. Ctx
// bounds the start only: the resolver ends with its Close, or with the exchange. An
// error names what in cfg is wrong, or says that another resolver of the exchange has
// the suffix.
func New(ctx context.Context, x *souk.Exchange, cfg Config) (*Resolver, error) {
	cfg = cfg.withDefaults()
	id, err := cfg.validate()
	if err != nil {
		return nil, err
	}
	s, err := x.Service(ctx, serviceName(cfg.Suffix))
	if err != nil {
		return nil, fmt.Errorf("resolver: %w", err)
	}
	r, err := start(s, cfg, id)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("resolver: %w", err), s.Close())
	}
	return r, nil
}

// start makes the actors and starts them. Requests of others come in last.
func start(s *souk.Service, cfg Config, id protocol.ID) (*Resolver, error) {
	name := serviceName(cfg.Suffix)
	loop := actor.NewLoop(name, func(err error) {
		s.Broke(err)
		go func() { _ = s.Close() }() // What does not end is in the log already.
	})
	r := &Resolver{
		keySize: cfg.KeySize, service: s, loop: loop, inbox: actor.InboxOf[command](loop, cfg.Mailbox),
		crew: actor.NewCrew(name, s.Panicked), tellers: actor.NewCrew("consumer", s.Panicked),
	}
	r.meter = newMeter(id, r.Stat)
	actors := map[string]souk.Actor{name: r}
	if err := r.serve(cfg); err != nil {
		return nil, err
	}
	if r.server != nil {
		actors[name+" server"] = r.server
	}
	if err := s.Run(r, r.stop, actors); err != nil {
		return nil, err
	}
	loop.Start(newShell(r, cfg, id).run)
	if err := r.meter.register(s.Registerer()); err != nil {
		return nil, err
	}
	if r.server == nil {
		return r, nil
	}
	r.server.Start()
	return r, s.Handle(id, func(ctx context.Context, d *network.Duplex) error { return r.server.Serve(ctx, d) })
}

// serve makes the server, where there is something to serve.
func (r *Resolver) serve(cfg Config) (err error) {
	if cfg.Producer == nil {
		return nil
	}
	limits := cfg.Serving
	set(&limits.MaxValue, int(cfg.Limits.MaxValue))
	r.server, err = server.New(server.Config{
		KeySize: cfg.KeySize, Limits: limits, Served: r.meter.served, Denies: r.service.Denied,
		Produce: func(ctx context.Context, key string) ([]byte, error) {
			return cfg.Producer.Produce(ctx, Key(key))
		},
		Fail: r.service.Broke, Panicked: r.service.Panicked, Logger: r.service.Logger(),
	})
	return err
}

// stop ends the actors and waits for them and their goroutines, or until ctx ends. A
// Consumer or Producer that does not return is left behind, with an error that says so.
func (r *Resolver) stop(ctx context.Context) error {
	r.meter.unregister(r.service.Registerer())
	var served error
	if r.server != nil {
		served = r.server.Stop(ctx)
	}
	return errors.Join(served, r.loop.Stop(ctx), r.crew.Wait(ctx), r.tellers.Wait(ctx))
}

// Close ends the resolver within 2 s: its fetches, of which the Consumer hears nothing
// any more, and what it serves. It returns an error when a Consumer or Producer has not
// returned, although its context has ended. Calls that wait return [ErrClosed].
func (r *Resolver) Close() error { return r.service.Close() }

// Done is closed when the resolver begins to end: by Close, with its exchange, or because
// an actor of it broke.
func (r *Resolver) Done() <-chan struct{} { return r.service.Done() }

const (
	firstFollow = time.Second // before a source is followed again; each further pause doubles it
	mostFollow  = 30 * time.Second
)

// follow follows the source of peers, again when it ends, until ctx does.
func (s *shell) follow(ctx context.Context) {
	for pause := firstFollow; ctx.Err() == nil; pause = min(2*pause, mostFollow) {
		err := actor.Guard("source", s.service.Panicked, func() error {
			return s.source.Follow(ctx, func(set []peer.AddrInfo) {
				pause = firstFollow
				s.sets.Publish(set, func(_, newer []peer.AddrInfo) []peer.AddrInfo { return newer })
			})
		})
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			s.log.Warn("the source of peers has ended, and is followed again", zap.Error(err))
		}
	}
}
