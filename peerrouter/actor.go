package peerrouter

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/network"
)

// Peers tells the latest state of peers; a *network.Watch does.
type Peers interface {
	C() <-chan struct{}
	Take() []network.PeerState
}

// Dialer connects to peers; a *network.Network does.
type Dialer interface {
	Connect(ctx context.Context, p peer.AddrInfo) error
}

// Config is what a router needs. Zero numbers mean the defaults.
type Config struct {
	Peers  Peers
	Dialer Dialer
	// Known is told of every peer that becomes available or goes; it must not
	// block. May be nil.
	Known func(p peer.ID, connected bool)
	// Denied reports whether a peer is not to be asked for anything. It is asked when
	// a link becomes interested in the peer, when that connects, and with
	// [Router.Decide], from the router's goroutine, so it must not block. Nil denies
	// nobody.
	Denied func(peer.ID) bool
	Fail   func(error) // told when the actor broke; may be nil
	// Panicked is told of a panic in Dialer, which is a dial that failed; may be
	// nil.
	Panicked func(error)

	Dials       int           // dials at once; default 8, as many as libp2p's own dialler runs for one host by default
	DialTimeout time.Duration // of one dial; default 10 s
	FirstWait   time.Duration // before a failed dial is tried again; doubles with each failure; default 1 s
	LongWait    time.Duration // the longest such wait; default 30 s
	Logger      *zap.Logger
}

func (c *Config) setDefaults() {
	if c.Dials == 0 {
		c.Dials = 8
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = 10 * time.Second
	}
	if c.FirstWait == 0 {
		c.FirstWait = time.Second
	}
	if c.LongWait == 0 {
		c.LongWait = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
}

// inboxDepth lets a burst of sessions start without waiting for each other; a
// larger one would only hide a slow router.
const inboxDepth = 64

// Router is the PeerRouter actor. Make it with [New].
type Router struct {
	cfg   Config
	loop  *actor.Loop
	inbox *actor.Inbox[request]
	dials *actor.Crew
}

// New returns a router that has not started.
func New(cfg Config) *Router {
	cfg.setDefaults()
	loop := actor.NewLoop("peerrouter", cfg.Fail)
	r := &Router{
		cfg: cfg, loop: loop,
		inbox: actor.InboxOf[request](loop, inboxDepth),
		dials: actor.NewCrew("dial", cfg.Panicked),
	}
	return r
}

// Start starts the actor.
func (r *Router) Start() { r.loop.Start(r.run) }

// Stop ends the actor and the dials under way, and waits for them, or for ctx.
func (r *Router) Stop(ctx context.Context) error {
	return errors.Join(r.loop.Stop(ctx), r.dials.Wait(ctx))
}

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	*Router
	state *state
	links *actor.Numbers[linkID, *Link]
	ended chan dialled // has room for every dial that can be under way
}

func (r *Router) run(ctx context.Context) {
	s := &shell{
		Router: r,
		state:  r.newState(),
		links:  actor.NewNumbers[linkID, *Link](),
		ended:  make(chan dialled, r.cfg.Dials),
	}
	defer s.close()
	s.loopUntil(ctx)
}

func (r *Router) newState() *state {
	s := newState(r.cfg.Dials, r.cfg.FirstWait, r.cfg.LongWait)
	if r.cfg.Denied != nil {
		s.denies = r.cfg.Denied
	}
	return s
}

func (s *shell) loopUntil(ctx context.Context) {
	for {
		s.loop.WaitingUntil(time.Now(), s.state.wake())
		select {
		case req := <-s.inbox.C():
			s.handle(s.loop.Begin(), req)
		case d := <-s.ended:
			s.state.dialled(s.loop.Begin(), d.peer, d.err)
		case <-s.cfg.Peers.C():
			now := s.loop.Begin()
			for _, p := range s.cfg.Peers.Take() {
				s.state.peerState(now, p.Peer, p.Connected)
			}
		case <-s.loop.Alarm():
			s.state.tick(s.loop.Woken(time.Now()))
		case <-ctx.Done():
			return
		}
		s.perform(ctx, s.state.take())
	}
}

func (s *shell) handle(now time.Time, req request) {
	switch req := req.(type) {
	case openLink:
		s.state.open(s.links.Add(req.link))
	case interest:
		s.state.interest(now, s.links.Of(req.link), req.peers)
	case cancel:
		s.state.cancel(s.links.Of(req.link), req.peers)
	case cancelAll:
		s.state.cancelAll(s.links.Of(req.link))
	case watch:
		s.state.watch(s.links.Of(req.link))
	case count:
		req.reply <- len(s.state.peers)
	case decide:
		s.state.decideAll(now)
	}
}

func (s *shell) perform(ctx context.Context, out effects) {
	for _, c := range out.known {
		if s.cfg.Known != nil {
			s.cfg.Known(c.peer, c.connected)
		}
	}
	s.inform(out.news)
	for _, id := range out.closed {
		s.links.Remove(id).slot.Close()
	}
	for _, info := range out.dials {
		s.dials.Go(func() { s.dial(ctx, info) })
	}
}

// inform publishes what is new for a link in one piece: a link that begins to
// watch must not take the first of the connected peers for all of them.
func (s *shell) inform(news []notice) {
	infos := make(map[linkID]Info)
	for _, n := range news {
		if infos[n.link] == nil {
			infos[n.link] = make(Info)
		}
		infos[n.link][n.peer] = n.news
	}
	for _, l := range slices.Sorted(maps.Keys(infos)) {
		s.links.Party(l).slot.Publish(infos[l], merge)
	}
}

// dial connects to a peer, in a goroutine of its own; the place for its result
// is reserved.
func (s *shell) dial(ctx context.Context, info peer.AddrInfo) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.DialTimeout)
	defer cancel()
	err := actor.Guard("dial", s.cfg.Panicked, func() error { return s.cfg.Dialer.Connect(ctx, info) })
	s.ended <- dialled{info.ID, err}
}

// close ends every link, those as well that were opened too late. It asks nothing
// of the state, which may have broken.
func (s *shell) close() {
	s.loop.End()
	for l := range s.links.All() {
		l.slot.Close()
	}
	for req := range s.inbox.Rest() {
		if o, ok := req.(openLink); ok {
			o.link.slot.Close()
		}
	}
}

// merge keeps the last word about each peer.
func merge(older, newer Info) Info {
	maps.Copy(older, newer)
	return older
}
