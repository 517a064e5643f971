package mirror

import (
	"context"
	"errors"

	"github.com/souk-p2p/souk"
)

// Open returns a mirror that is a part of an exchange: it lists the actor, counts panics
// and keeps the log, whatever cfg says of these, and closes the mirror when nobody has. The
// error is that of ctx, or [souk.ErrClosed], or that there is another.
func Open(ctx context.Context, x *souk.Exchange, cfg Config) (*Mirror, error) {
	s, err := x.Service(ctx, name)
	if err != nil {
		return nil, err
	}
	m := New(newConfig(s, cfg))
	if err := s.Run(m, m.stop, map[string]souk.Actor{name: m}); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// newConfig is a configuration with what a service has for it.
func newConfig(s *souk.Service, cfg Config) Config {
	cfg.service, cfg.Fail, cfg.Panicked, cfg.Logger = s, s.Broke, s.Panicked, s.Logger()
	return cfg
}
