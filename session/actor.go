package session

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/blockrouter"
	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/peerrouter"
	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/wantmanager"
)

// Config is what sessions are made with. Zero numbers mean the defaults.
type Config struct {
	ID        uint64 // what it is called where sessions are listed
	Self      peer.ID
	Blocks    *blockrouter.Router
	Peers     *peerrouter.Router
	Wants     *wantmanager.Manager
	Providers *providers.Directory
	Score     func(peer.ID) float64   // of a peer, 0 to 1; may be nil
	Progress  func(peer.ID) time.Time // when the last byte from a peer was read; may be nil
	Ended     func(*Session)          // told when the session has ended; may be nil
	Fail      func(error)             // told when the actor broke; may be nil
	Panicked  func(error)             // told of a panic in a call's goroutine, which ends the call; may be nil
	// Took is told for each block that came from a peer how long that took since its
	// want, and whether it is the first of its call. It must not block; may be nil.
	Took func(took time.Duration, first bool)

	Candidates int  // peers asked for one want in a round, K; default 8
	Flood      bool // ask every connected peer for everything: for debugging and simulation
	Hook       Hook // told of each call; may be nil
	Logger     *zap.Logger
}

func (c *Config) setDefaults() {
	if c.Candidates == 0 {
		c.Candidates = 8
	}
	if c.Score == nil {
		c.Score = func(peer.ID) float64 { return 0 }
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
}

// inboxDepth lets callers hand over wants while the session asks for others.
const inboxDepth = 16

// Session is the actor. Make it with [New]; its methods are safe for concurrent
// use.
type Session struct {
	cfg   Config
	opts  options
	loop  *actor.Loop
	inbox *actor.Inbox[request]

	opened time.Time
	told   string // the namespace, as hooks are told it
}

// New starts a session, which ends with ctx or [Session.Close].
func New(ctx context.Context, cfg Config, opts ...Option) *Session {
	s := build(cfg, opts)
	s.loop.Start(func(stop context.Context) { s.run(ctx, stop) })
	return s
}

func build(cfg Config, opts []Option) *Session {
	cfg.setDefaults()
	var chosen options
	for _, o := range opts {
		o(&chosen)
	}
	loop := actor.NewLoop("session", cfg.Fail)
	s := &Session{cfg: cfg, opts: chosen, loop: loop, inbox: actor.NewInbox[request](inboxDepth, loop.Done()), opened: time.Now(), told: chosen.namespace}
	loop.Watch(s.inbox)
	return s
}

// Close fails what is open with [ErrClosed], withdraws every want, and waits
// until the session has ended or ctx ends. It may be called twice.
func (s *Session) Close(ctx context.Context) error { return s.loop.Stop(ctx) }

// Load is how busy the session is and what waits for it. It never waits for it.
func (s *Session) Load(now time.Time) actor.Load { return s.loop.Load(now) }

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.loop.Done() }

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	*Session
	state *state
	links
	calls *actor.Numbers[callID, *call]
	due   []*call // those with results to be published
}

func (s *Session) run(ctx, stop context.Context) {
	if s.cfg.Ended != nil {
		defer s.cfg.Ended(s)
	}
	ln, err := s.open(stop)
	if err != nil { // The session or the exchange is closing.
		ln.leave()
		return
	}
	sh := s.newShell(ln)
	defer sh.end(ctx)
	sh.state.start()
	sh.loopUntil(ctx, stop)
}

func (s *Session) newShell(ln links) *shell {
	return &shell{
		Session: s, links: ln, calls: actor.NewNumbers[callID, *call](),
		state: newState(rules{
			self: s.cfg.Self, named: s.opts.named, only: s.opts.only, wait: s.opts.wait, flood: s.cfg.Flood,
			namespace: s.opts.namespace, priority: s.opts.priority, k: s.cfg.Candidates,
			score: s.cfg.Score, progress: s.cfg.Progress, followed: s.cfg.Hook != nil,
		}),
	}
}

// loopUntil is the actor's loop: it receives, hands to the state, and performs
// what that returns.
func (s *shell) loopUntil(ctx, stop context.Context) {
	for {
		if s.perform(stop, s.state.take(time.Now())) != nil {
			return
		}
		now := time.Now()
		s.loop.WaitingUntil(now, s.state.wake())
		select {
		case req := <-s.inbox.C():
			s.begin()
			s.handle(req)
		case info := <-s.blocks.C():
			s.begin()
			s.heard(info)
		case info := <-s.peers.C():
			s.begin()
			s.peerNews(info)
		case n := <-s.wants.C():
			s.begin()
			s.notice(n)
		case c := <-s.directory.C():
			s.begin()
			s.candidates(c)
		case <-s.loop.Alarm():
			s.state.tick(s.pass(s.loop.Woken(time.Now())))
		case <-ctx.Done():
			return
		case <-stop.Done():
			return
		}
	}
}

// begin notes that work begins, and what was waited for until then.
func (s *shell) begin() { s.pass(s.loop.Begin()) }

// pass notes what was waited for until now, and returns that.
func (s *shell) pass(now time.Time) time.Time {
	s.state.pass(now)
	return now
}

func (s *shell) handle(req request) {
	switch req := req.(type) {
	case want:
		if req.call.closed {
			return // It came after the end of the session.
		}
		s.state.want(time.Now(), s.id(req.call), req.cids, req.ordered)
		if req.single {
			s.state.finish(s.id(req.call), true)
		}
	case finish:
		if req.call.closed {
			return
		}
		s.state.finish(s.id(req.call), false)
	case cancel:
		if s.calls.Of(req.call) == 0 {
			req.call.close() // Nothing was wanted by it yet, or it has ended.
		}
		failed := s.state.cancel(s.calls.Of(req.call), req.cause)
		s.tellCourses() // Before who has cancelled it looks.
		req.reply <- failed
	case look:
		req.reply <- s.state.report(time.Now(), req.detail)
	case consumed:
		s.state.consumed(s.calls.Of(req.call), req.count, req.bytes)
	}
}

// id is the number of a call, which is given one if it is new.
func (s *shell) id(c *call) callID {
	if id := s.calls.Of(c); id != 0 {
		return id
	}
	return s.calls.Add(c)
}

func (s *shell) heard(info blockrouter.Info) {
	now := time.Now()
	for _, r := range info.Blocks {
		s.state.received(r)
	}
	for _, k := range sortedPresences(info.Presences) {
		s.state.presence(now, k.Peer, k.CID, info.Presences[k])
	}
	s.state.located(info.Local, info.Missing)
	for _, c := range table.Sorted(info.Failed) {
		s.state.unreadable(c, info.Failed[c])
	}
}

func (s *shell) peerNews(info peerrouter.Info) {
	for _, p := range sortedPeers(info) {
		n := info[p]
		switch n.Status {
		case peerrouter.Available:
			s.state.available(p)
		case peerrouter.Gone:
			s.state.gone(p)
		case peerrouter.Unreachable:
			s.state.unreachable(p, n.Err)
		case peerrouter.Denied:
			s.state.denied(p)
		}
	}
}

func (s *shell) candidates(c providers.Candidates) { s.state.candidates(time.Now(), c) }

func (s *shell) notice(n wantmanager.Notice) {
	if n.Budget != 0 {
		s.state.lend(n.Budget)
	}
	now := time.Now()
	for _, p := range sortedPeers(n.Peers) {
		s.state.view(now, p, n.Peers[p])
	}
	for _, p := range sortedPeers(n.Unanswered) {
		s.state.unanswered(now, p, n.Unanswered[p])
	}
}

// end fails what is open and takes leave of the routers, also when the state
// broke and can say nothing more. The cause is why the session's context has
// ended, unless the session was closed.
func (s *shell) end(ctx context.Context) {
	cause := context.Cause(ctx)
	if cause == nil {
		cause = ErrClosed
	}
	defer s.refuse(cause)
	defer s.leave()
	s.state.closing(cause)
	s.last(s.state.take(time.Now()))
}

// refuse answers the requests that came too late, so that nobody waits.
func (s *shell) refuse(cause error) {
	for req := range s.inbox.Rest() {
		s.handle(req)
		s.state.closing(cause)
		s.results(s.state.take(time.Now()))
	}
}
