package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/resolver/wire"
)

// Config is what a server needs. KeySize and Produce are required.
type Config struct {
	// KeySize is how many bytes every key has, from 1 to [wire.MaxKey].
	KeySize int
	// Produce returns the value of a key, or [ErrNone]. It runs in a goroutine of its
	// own, several at a time, and ends with ctx. The value is not changed afterwards.
	Produce func(ctx context.Context, key string) ([]byte, error)
	// Denies reports whether a peer may have nothing at all. It is called for each
	// request in the goroutine of its stream; may be nil.
	Denies func(peer.ID) bool
	// Served is told what became of each request, and how long that took. It is called
	// by the actor, and must not block; may be nil.
	Served func(o Outcome, took time.Duration)
	Limits Limits

	Fail     func(error) // told when the actor broke; may be nil
	Panicked func(error) // told of a panic in Produce, or of a stream; may be nil
	Logger   *zap.Logger // default silent
}

func (c Config) validate() error {
	switch {
	case c.KeySize < 1 || c.KeySize > wire.MaxKey:
		return fmt.Errorf("server: Config.KeySize is %d, from 1 to %d is right", c.KeySize, wire.MaxKey)
	case c.Produce == nil:
		return errors.New("server: Config.Produce is nil")
	}
	return c.Limits.validate()
}

// name is that of the actor, under which panics of its streams count, too.
const name = "resolver server"

// inboxDepth lets a burst of requests be read on without waiting for each other; a
// larger one would only hide a slow server.
const inboxDepth = 64

// Server is the actor that answers the requests of others. Make it with [New].
type Server struct {
	cfg   Config
	loop  *actor.Loop
	inbox *actor.Inbox[request]
	crew  *actor.Crew // that calls Produce
	pens  *actor.Crew // that writes
}

// New returns a server that has not started. An error names what in cfg is wrong.
func New(cfg Config) (*Server, error) {
	cfg.Limits = cfg.Limits.WithDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	if cfg.Denies == nil {
		cfg.Denies = func(peer.ID) bool { return false }
	}
	if cfg.Served == nil {
		cfg.Served = func(Outcome, time.Duration) {}
	}
	loop := actor.NewLoop(name, cfg.Fail)
	s := &Server{
		cfg: cfg, loop: loop, inbox: actor.InboxOf[request](loop, inboxDepth),
		crew: actor.NewCrew("producer", cfg.Panicked), pens: actor.NewCrew(name, cfg.Panicked),
	}
	return s, nil
}

// Start starts the actor.
func (s *Server) Start() { s.loop.Start(s.run) }

// Stop resets the streams, ends the actor and the calls of Produce, and waits for
// them, or for ctx.
func (s *Server) Stop(ctx context.Context) error {
	return errors.Join(s.loop.Stop(ctx), s.crew.Wait(ctx), s.pens.Wait(ctx))
}

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	*Server
	state   *state
	streams *actor.Numbers[streamID, *serving]
	calls   map[productionID]context.CancelFunc
	results chan result // has room for every call that can be under way
}

// result is what has become of a call of Produce.
type result struct {
	id    productionID
	value value
	err   error
}

func (s *Server) run(ctx context.Context) {
	sh := &shell{
		Server: s, state: newState(time.Now(), s.cfg.Limits, s.cfg.KeySize),
		streams: actor.NewNumbers[streamID, *serving](),
		calls:   make(map[productionID]context.CancelFunc),
		results: make(chan result, s.cfg.Limits.Producing),
	}
	defer sh.close()
	sh.loopUntil(ctx)
}

func (s *shell) loopUntil(ctx context.Context) {
	for {
		now := time.Now()
		s.loop.WaitingUntil(now, s.state.next(now))
		select {
		case req := <-s.inbox.C():
			s.handle(s.loop.Begin(), req)
		case r := <-s.results:
			s.loop.Begin()
			s.result(r)
		case <-s.loop.Alarm():
			s.state.tick(s.loop.Woken(time.Now()))
		case <-ctx.Done():
			return
		}
		s.perform(ctx)
	}
}

func (s *shell) handle(now time.Time, req request) {
	switch req := req.(type) {
	case opened:
		req.reply <- s.open(now, req.serving)
	case said:
		if id := s.streams.Of(req.serving); id != 0 { // Else its reader broke, and has left.
			req.tell(now, s.state, id)
		}
	case closed:
		s.gone(now, req.serving)
	case broken:
		s.state.broken(req.fault)
	case stats:
		req.reply <- s.state.statistics()
	}
}

func (s *shell) open(now time.Time, v *serving) bool {
	id := s.streams.Add(v)
	if s.state.opened(now, id, v.peer) {
		return true
	}
	s.streams.Remove(id)
	return false
}

// gone forgets a stream, if it was admitted.
func (s *shell) gone(now time.Time, v *serving) {
	if id := s.streams.Of(v); id != 0 {
		s.state.closed(now, id)
		s.streams.Remove(id)
	}
}

func (s *shell) result(r result) {
	s.calls[r.id]()
	delete(s.calls, r.id)
	s.state.produced(time.Now(), r.id, r.value, r.err)
}

func (s *shell) perform(ctx context.Context) {
	out := s.state.take()
	for _, r := range out.resumes {
		s.streams.Party(r.stream).next <- r.fault // Has room: its reader waits.
	}
	for _, w := range out.writes {
		s.streams.Party(w.stream).hand <- w.answers // Has room: the last was written.
	}
	for _, id := range out.rests {
		close(s.streams.Party(id).hand)
	}
	for _, p := range out.produces {
		s.begin(ctx, p)
	}
	for _, id := range out.cancels {
		s.calls[id]()
	}
	for _, v := range out.served {
		s.cfg.Served(v.outcome, v.took)
	}
}

// close resets the streams: nobody would answer them.
func (s *shell) close() {
	s.loop.End()
	for v := range s.streams.All() {
		v.stop()
	}
	for _, cancel := range s.calls {
		cancel()
	}
}
