package souk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/probe"
)

// ErrDenied says that nothing is asked of a peer, because a rule lets it have
// nothing.
var ErrDenied = probe.ErrDenied

// Service is what a protocol of its own uses of an exchange: streams to and from
// peers, connections that are kept, the accounts of peers, who is connected, and a
// place in the list of actors. [Exchange.Service] makes one.
//
// It ends with its Close or with the exchange, and leaves nothing then: no handler,
// no stream, no hold, no port of the ledger. Its methods are safe for concurrent use,
// except for Record.
type Service struct {
	x    *Exchange
	name string
	log  *zap.Logger
	ctx  context.Context // ends when the service begins to end
	end  context.CancelFunc
	port *ledger.Port

	mu        sync.Mutex
	stop      func(context.Context) error
	owner     any
	actors    map[string]Actor
	protocols map[protocol.ID]struct{}
	held      map[peer.ID]int
	closed    chan struct{} // closed when it has ended
	err       error         // what did not end
}

// Actor is a goroutine of a service that the exchange tells of among its own.
type Actor interface {
	// Turn is how long it has been at work on what it last received.
	Turn(now time.Time) time.Duration
	// Load is how busy it is. Neither waits for the actor.
	Load(now time.Time) actor.Load
}

// serviceName is what a service may be called: its name is that of its actors, a
// label of metrics and a part of the name of its logger.
var serviceName = regexp.MustCompile(`^[a-z0-9][a-z0-9._/-]{0,127}$`)

// Service returns a new service of the given name: 1 to 128 of a-z, 0-9 and ._/-, of
// which no other has it that runs. What it is to be told of its end it says with
// [Service.Run]. The error is that of ctx, [ErrClosed], or about the name.
func (x *Exchange) Service(ctx context.Context, name string) (*Service, error) {
	if !serviceName.MatchString(name) {
		return nil, fmt.Errorf("souk: service %q: a name is 1 to 128 of a-z, 0-9, \".\", \"_\", \"/\" and \"-\"", name)
	}
	port, err := x.ledger.OpenPort(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("souk: service %q: %w", name, ended(err))
	}
	s := &Service{
		x: x, name: name, log: x.opts.logger.Named(name), port: port, closed: make(chan struct{}),
		protocols: make(map[protocol.ID]struct{}), held: make(map[peer.ID]int),
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.sessions == nil {
		s.end()
		return nil, errors.Join(ErrClosed, port.Close(ctx))
	}
	x.services[s] = struct{}{}
	return s, nil
}

// Run says what ends with the service: stop is called once, by Close or by that of the
// exchange, and returns when what it ends has ended or ctx has. Owner is what
// [Exchange.Services] tells of. Actors are listed under their names, which begin with
// that of the service. When the service has ended already it returns [ErrClosed], and
// stop is not called.
func (s *Service) Run(owner any, stop func(ctx context.Context) error, actors map[string]Actor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return ErrClosed
	}
	s.owner, s.stop, s.actors = owner, stop, maps.Clone(actors)
	s.x.panics.expect(slices.Collect(maps.Keys(actors))...)
	return nil
}

// Close ends the service within 2 s, like [Exchange.Close]. It returns what did not
// end. Later calls wait for the same end.
func (s *Service) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return s.close(ctx)
}

func (s *Service) close(ctx context.Context) error {
	s.mu.Lock()
	first := s.ctx.Err() == nil
	s.end()
	s.mu.Unlock()
	if !first {
		<-s.closed
		return s.err
	}
	defer close(s.closed)
	for _, step := range []func(context.Context) error{s.stopOwner, s.unhandleAll, s.releaseAll, s.port.Close} {
		ctx, cancel := atLeast(ctx, closeStep)
		s.err = errors.Join(s.err, actor.Guard("close", s.x.panics.contained, func() error { return step(ctx) }))
		cancel()
	}
	s.x.mu.Lock()
	defer s.x.mu.Unlock()
	delete(s.x.services, s)
	return s.err
}

// atLeast is a context that lasts as long as ctx, and for a time in any case: what waits
// for nobody is done although somebody else took too long.
func atLeast(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	end, bounded := ctx.Deadline()
	if !bounded || time.Until(end) >= d {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), d)
}

// stopOwner ends who uses the service. What it asks for from now on is refused, but
// for its records.
func (s *Service) stopOwner(ctx context.Context) error {
	s.mu.Lock()
	stop := s.stop
	s.mu.Unlock()
	if stop == nil {
		return nil
	}
	return stop(ctx)
}

func (s *Service) unhandleAll(ctx context.Context) error {
	s.mu.Lock()
	ids := slices.Sorted(maps.Keys(s.protocols))
	s.mu.Unlock()
	var errs []error
	for _, id := range ids {
		errs = append(errs, s.x.network.Unhandle(ctx, id))
	}
	return errors.Join(errs...)
}

func (s *Service) releaseAll(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, n := range s.held {
		for range n {
			s.x.network.Release(p, s.tag())
		}
	}
	clear(s.held)
	return nil
}

// Done is closed when the service begins to end.
func (s *Service) Done() <-chan struct{} { return s.ctx.Done() }

// Handle has serve called for each stream that a peer opens on a protocol, as
// [network.Network.HandleDuplex] says. Connected peers are told of the protocol.
// Streams of peers that a rule denies are reset. The error is [ErrClosed], or that
// of the network.
func (s *Service) Handle(id protocol.ID, serve func(ctx context.Context, d *network.Duplex) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return ErrClosed
	}
	err := s.x.network.HandleDuplex(id, func(ctx context.Context, d *network.Duplex) error {
		if s.x.policy.denied(d.Peer()) {
			return ErrDenied
		}
		return serve(ctx, d)
	})
	if err != nil {
		return fmt.Errorf("souk: service %q: %w", s.name, err)
	}
	s.protocols[id] = struct{}{}
	return nil
}

// Unhandle takes a protocol back, as [network.Network.Unhandle] does.
func (s *Service) Unhandle(ctx context.Context, id protocol.ID) error {
	s.mu.Lock()
	_, ours := s.protocols[id]
	delete(s.protocols, id)
	s.mu.Unlock()
	if !ours {
		return nil
	}
	return s.x.network.Unhandle(ctx, id)
}

// Stream is a stream that a service has opened. It is reset when the service ends.
type Stream struct {
	*network.Duplex
	forget func() bool
}

// Close ends the stream in order.
func (st *Stream) Close() error {
	st.forget()
	return st.Duplex.Close()
}

// Reset ends the stream at once.
func (st *Stream) Reset() {
	st.forget()
	st.Duplex.Reset()
}

// Open opens a stream of a protocol to a peer, and connects to it when it has to, as
// [network.Network.OpenDuplex] does. A peer that the rules deny is not connected to.
// Who calls ends the stream. It returns a [*network.SendError].
func (s *Service) Open(ctx context.Context, to peer.AddrInfo, id protocol.ID) (*Stream, error) {
	if s.x.policy.denied(to.ID) {
		return nil, &network.SendError{Peer: to.ID, Err: ErrDenied}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(ErrClosed) })()
	d, err := s.x.network.OpenDuplex(ctx, to, id)
	if err != nil {
		return nil, err
	}
	st := &Stream{d, context.AfterFunc(s.ctx, d.Reset)}
	if s.ctx.Err() != nil {
		st.Reset()
		return nil, &network.SendError{Peer: to.ID, Err: ErrClosed}
	}
	return st, nil
}

func (s *Service) tag() string { return "souk-" + s.name }

// Hold keeps the connections of a peer from being trimmed by the connection manager,
// until Release has been called as often. It opens none.
func (s *Service) Hold(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() == nil {
		s.held[p]++
		s.x.network.Hold(p, s.tag())
	}
}

// Release takes one Hold back.
func (s *Service) Release(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.held[p] {
	case 0:
		return
	case 1:
		delete(s.held, p)
	default:
		s.held[p]--
	}
	s.x.network.Release(p, s.tag())
}

// Record adds to the accounts of peers; faults count as strikes, too. One goroutine at
// a time calls it. It does not block.
func (s *Service) Record(deltas ...ledger.Delta) { account{s.port, s.x}.Record(deltas...) }

// Scores are those of the ledger.
func (s *Service) Scores() *ledger.Scores { return s.x.ledger.Scores() }

// Denied reports whether a rule lets a peer have nothing. It does not block.
func (s *Service) Denied(p peer.ID) bool { return s.x.policy.denied(p) }

// Self is the peer ID of this node.
func (s *Service) Self() peer.ID { return s.x.host.ID() }

// Exchange is the exchange that the service belongs to.
func (s *Service) Exchange() *Exchange { return s.x }

// Logger is that of the exchange, named like the service.
func (s *Service) Logger() *zap.Logger { return s.log }

// Registerer is that of the exchange, or nil.
func (s *Service) Registerer() prometheus.Registerer { return s.x.opts.registerer }

// Panicked counts and logs a panic that harmed only what it was about.
func (s *Service) Panicked(err error) { s.x.panics.contained(err) }

// Broke counts and logs that an actor of the service has ended by a panic. The
// exchange goes on without it.
func (s *Service) Broke(err error) { s.x.without(s.name)(err) }

// Running is a service that runs.
type Running struct {
	Name  string
	Owner any // as told to [Service.Run]; nil before
}

// Services are those that run, by name.
func (x *Exchange) Services() []Running {
	var all []Running
	for _, s := range x.openServices() {
		s.mu.Lock()
		all = append(all, Running{s.name, s.owner})
		s.mu.Unlock()
	}
	return all
}

func (x *Exchange) openServices() []*Service {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.SortedFunc(maps.Keys(x.services), func(a, b *Service) int { return strings.Compare(a.name, b.name) })
}

// serviceTime is how much of the time to close services may take. What is left is for
// what was received to be stored, whatever an application does.
const serviceTime = 500 * time.Millisecond

// closeServices closes all services side by side.
func (x *Exchange) closeServices(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, serviceTime)
	defer cancel()
	return sideBySide(ctx, x.openServices(), (*Service).close)
}

// addActors adds the actors of the services that run to those of the exchange.
func (x *Exchange) addActors(all map[string]Actor) {
	for _, s := range x.openServices() {
		s.mu.Lock()
		maps.Copy(all, s.actors)
		s.mu.Unlock()
	}
}
