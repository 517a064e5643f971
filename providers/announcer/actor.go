package announcer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/wire"
)

// Teller tells trackers; a *client.Client does. A call ends with its context, and
// one that does not is given up.
type Teller interface {
	Announce(ctx context.Context, tracker peer.ID, signed []byte) (*wire.Refusal, error)
	Touch(ctx context.Context, tracker peer.ID, rows []wire.Touched) ([]wire.Refusal, error)
}

// Set is the trackers that are known; a *client.Watch is.
type Set interface {
	C() <-chan struct{} // delivers when the set has changed
	Take() []client.Tracker
}

// Config is what an announcer needs.
type Config struct {
	Self   peer.ID
	Key    crypto.PrivKey               // of Self
	Addrs  func() []multiaddr.Multiaddr // of the host; must not block
	Teller Teller
	Set    Set
	// Moved delivers when the addresses of the host have changed. Without it that
	// is noticed when something else happens. May be nil.
	Moved <-chan struct{}
	Fail  func(error) // told when the actor broke; may be nil
	// Panicked is told of a panic in Teller, Key or Addrs, which is a call that
	// failed, or addresses that stay as they were. May be nil.
	Panicked func(error)
	Logger   *zap.Logger // may be nil
	Seed     uint64      // of what is left to chance
}

// inboxDepth lets all namespaces be announced at once without waiting; a larger
// one would only hide a slow announcer.
const inboxDepth = 64

// Announcer is the actor. Make it with [New].
type Announcer struct {
	cfg   Config
	loop  *actor.Loop
	inbox *actor.Inbox[request]
	calls *actor.Crew
	stat  actor.Snapshot[Stat]

	start   sync.Once
	started chan struct{} // closed once there is somebody to ask
}

// New returns an announcer that has not started.
func New(cfg Config) *Announcer {
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	loop := actor.NewLoop("announcer", cfg.Fail)
	a := &Announcer{
		cfg: cfg, loop: loop,
		inbox:   actor.InboxOf[request](loop, inboxDepth),
		calls:   actor.NewCrew("teller", cfg.Panicked),
		started: make(chan struct{}),
	}
	a.stat.Set(&Stat{})
	return a
}

// Start starts the actor.
func (a *Announcer) Start() {
	a.start.Do(func() { close(a.started) })
	a.loop.Start(a.run)
}

// Stop withdraws everything, as far as that succeeds in three quarters of the
// time that ctx leaves, ends the actor and its calls, and waits for them, or for
// ctx. A Teller that has not returned by then is left behind.
func (a *Announcer) Stop(ctx context.Context) error {
	select {
	case <-a.started:
		a.withdrawAll(ctx)
	default:
	}
	return errors.Join(a.loop.Stop(ctx), a.calls.Wait(ctx))
}

func (a *Announcer) withdrawAll(ctx context.Context) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/4))
		defer cancel()
	}
	_, err := actor.Ask(ctx, a.inbox, func(reply chan<- error) request { return leave{reply} })
	if err != nil {
		a.cfg.Logger.Debug("not everything was withdrawn", zap.Error(err))
	}
}

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	*Announcer
	state   *state
	waiters *actor.Numbers[waiterID, chan<- error]
	results chan result // of the calls; they may wait until the actor reads it
}

func (a *Announcer) newShell() *shell {
	s := &shell{
		Announcer: a,
		state:     newState(a.cfg.Seed),
		waiters:   actor.NewNumbers[waiterID, chan<- error](),
		results:   make(chan result),
	}
	s.known(time.Now())
	return s
}

func (a *Announcer) run(ctx context.Context) {
	s := a.newShell()
	for {
		s.loop.WaitingUntil(time.Now(), s.state.wake)
		select {
		case req := <-s.inbox.C():
			s.handle(s.loop.Begin(), req)
		case r := <-s.results:
			s.state.ended(s.loop.Begin(), r.id, r.refusals, r.err)
		case <-s.cfg.Set.C():
			s.known(s.loop.Begin())
		case <-s.cfg.Moved:
			s.look(s.loop.Begin())
		case <-s.loop.Alarm():
			s.look(s.loop.Woken(time.Now()))
		case <-ctx.Done():
			return
		}
		for _, c := range s.settle() {
			s.begin(ctx, c)
		}
	}
}

func (s *shell) handle(now time.Time, req request) {
	switch req := req.(type) {
	case announce:
		s.look(now)
		s.news(now) // Who has just named a tracker tells that one, too.
		s.state.announce(now, s.waiters.Add(req.reply), req.namespace, req.holding)
	case withdraw:
		s.state.withdraw(now, s.waiters.Add(req.reply), req.namespace)
	case dismiss:
		if id := s.waiters.Of(req.reply); id != 0 {
			s.state.dismiss(id)
			s.waiters.Remove(id)
		}
	case leave:
		s.state.leave(now, s.waiters.Add(req.reply))
	case status:
		req.reply <- s.state.status()
	}
}

// news takes what is new of the trackers.
func (s *shell) news(now time.Time) {
	select {
	case <-s.cfg.Set.C():
		s.known(now)
	default:
	}
}

func (s *shell) known(now time.Time) {
	set := s.cfg.Set.Take()
	news := make([]trackerNews, len(set))
	for i, t := range set {
		news[i] = trackerNews{t.ID, t.DownUntil, t.Lost}
	}
	s.state.known(now, news)
}

// look takes the addresses of the host.
func (s *shell) look(now time.Time) {
	var addrs []multiaddr.Multiaddr
	err := actor.Guard("addresses", s.cfg.Panicked, func() error {
		addrs = s.cfg.Addrs()
		return nil
	})
	if err == nil {
		s.state.addresses(now, signable(s.cfg.Self, addrs))
	}
}

// settle lets the state decide, and performs what it returns but the calls.
func (s *shell) settle() []*call {
	s.state.settle(time.Now())
	out := s.state.take()
	stat := s.state.stat
	s.stat.Set(&stat)
	s.reply(out)
	return out.calls
}

// begin makes a call in a goroutine of its own.
func (s *shell) begin(life context.Context, c *call) {
	signed, err := s.sign(c)
	id, to, touch := c.id, c.tracker.id, c.touch
	s.calls.Go(func() { s.call(life, id, to, signed, touch, err) })
}

func (s *shell) reply(out effects) {
	for _, a := range out.answers {
		s.waiters.Remove(a.waiter) <- a.err
	}
	for _, w := range out.warn {
		s.cfg.Logger.Warn("a tracker refuses what this node announces",
			zap.Stringer("tracker", w.tracker), zap.String("namespace", string(w.namespace)), zap.Error(w.err))
	}
}

// sign returns the record of a call, and nothing for a touch.
func (s *shell) sign(c *call) (signed []byte, err error) {
	if c.touch != nil {
		return nil, nil
	}
	err = actor.Guard("teller", s.cfg.Panicked, func() error {
		signed, err = c.draft.bytes(s.cfg.Key)
		return err
	})
	return signed, err
}

// call makes a call. The actor is told of the end unless its own life has ended.
func (s *shell) call(life context.Context, id callID, to peer.ID, signed []byte, touch []wire.Touched, err error) {
	ctx, cancel := context.WithTimeout(life, patience)
	defer cancel()
	r := result{id: id, err: err}
	if err == nil {
		r.err = actor.Guard("teller", s.cfg.Panicked, func() (err error) {
			r.refusals, err = s.tell(ctx, to, signed, touch)
			return err
		})
	}
	select {
	case s.results <- r:
	case <-life.Done():
	}
}

func (s *shell) tell(ctx context.Context, to peer.ID, signed []byte, touch []wire.Touched) ([]wire.Refusal, error) {
	if touch != nil {
		return s.cfg.Teller.Touch(ctx, to, touch)
	}
	refusal, err := s.cfg.Teller.Announce(ctx, to, signed)
	if refusal == nil {
		return nil, err
	}
	one := *refusal
	one.Item = 0
	return []wire.Refusal{one}, err
}
