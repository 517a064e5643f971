package server

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/resolver/wire"
)

// begin has a value produced, in goroutines of the crew.
func (s *shell) begin(life context.Context, p job) {
	ctx, cancel := context.WithTimeout(life, s.cfg.Limits.ProduceTime)
	s.calls[p.id] = cancel
	s.crew.Go(func() {
		actor.Run(s.crew, actor.Calls[value]{
			N: 1, Patience: s.cfg.Limits.ProduceTime, MostStuck: s.cfg.Limits.Producing,
			Key:  func(int) string { return p.key },
			Call: func(int, value) (value, error) { return s.produce(ctx, p.key) },
			Take: func(_ int, v value, err error) {
				s.log(p.key, err)
				s.results <- result{p.id, v, err} // Has room for each call.
			},
		})
	})
}

// produce calls Produce, and hashes the parts of what it gives.
func (s *Server) produce(ctx context.Context, key string) (value, error) {
	data, err := s.cfg.Produce(ctx, key)
	if err != nil {
		return value{}, err
	}
	if len(data) > s.cfg.Limits.MaxValue {
		return value{}, fmt.Errorf("%w: %d bytes, at most %d are right", errOversize, len(data), s.cfg.Limits.MaxValue)
	}
	parts := wire.Split(data)
	return value{data, parts, parts.List()}, nil
}

// log says what an operator may have to see to.
func (s *Server) log(key string, err error) {
	switch {
	case err == nil, errors.Is(err, ErrNone), errors.Is(err, context.Canceled):
	case errors.Is(err, errOversize):
		s.cfg.Logger.Warn("value is too large to be served", zap.Binary("key", []byte(key)), zap.Error(err))
	default:
		s.cfg.Logger.Debug("no value was produced", zap.Binary("key", []byte(key)), zap.Error(err))
	}
}
