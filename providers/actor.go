package providers

import (
	"context"
	"fmt"
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

// Config is what a directory needs. Zero numbers mean the defaults.
type Config struct {
	Peers   Peers
	Finders []Finder    // asked in this order until there are enough candidates
	Fail    func(error) // told when the actor broke; may be nil

	Timeout time.Duration // of one query; default 30 s, which a DHT walk may take
	Logger  *zap.Logger
}

func (c *Config) setDefaults() {
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
}

// inboxDepth lets finders report without waiting for sessions, and sessions
// start without waiting for finders.
const inboxDepth = 64

// Directory is the Providers actor. Make it with [New].
type Directory struct {
	cfg   Config
	loop  *actor.Loop
	inbox *actor.Inbox[request]
}

// New returns a directory that has not started.
func New(cfg Config) *Directory {
	cfg.setDefaults()
	loop := actor.NewLoop("providers", cfg.Fail)
	return &Directory{cfg: cfg, loop: loop, inbox: actor.NewInbox[request](inboxDepth, loop.Done())}
}

// Start starts the actor.
func (d *Directory) Start() { d.loop.Start(d.run) }

// Stop ends the actor and its queries, and waits for them or for ctx.
func (d *Directory) Stop(ctx context.Context) error { return d.loop.Stop(ctx) }

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	*Directory
	state   *state
	ids     map[*Link]linkID
	links   map[linkID]*Link
	last    linkID
	queries map[key]context.CancelFunc
}

func (d *Directory) run(ctx context.Context) {
	s := &shell{
		Directory: d,
		state:     newState(d.cfg.Timeout, len(d.cfg.Finders) > 0),
		ids:       make(map[*Link]linkID),
		links:     make(map[linkID]*Link),
		queries:   make(map[key]context.CancelFunc),
	}
	defer s.end()
	for {
		d.loop.Waiting(time.Now())
		select {
		case req := <-d.inbox.C():
			s.handle(s.begin(), req)
		case <-d.cfg.Peers.C():
			s.begin()
			for _, p := range d.cfg.Peers.Take() {
				s.state.peerState(p.Peer, p.Connected)
			}
		case <-ctx.Done():
			return
		}
		s.perform(ctx, s.state.take())
	}
}

// begin notes that the actor is at work, and returns the time.
func (s *shell) begin() time.Time {
	now := time.Now()
	s.loop.Working(now)
	return now
}

func (s *shell) handle(now time.Time, req request) {
	switch req := req.(type) {
	case openLink:
		s.last++
		s.ids[req.link], s.links[s.last] = s.last, req.link
		s.state.open(s.last)
	case find:
		s.state.find(now, s.ids[req.link], req.query)
	case served:
		s.state.served(req.namespace, req.peers)
	case cancelAll:
		s.state.cancelAll(s.ids[req.link])
	case found:
		s.state.found(req.key, req.peer)
	case ended:
		s.queryEnded(now, req)
	}
}

func (s *shell) queryEnded(now time.Time, e ended) {
	s.queries[e.key]()
	delete(s.queries, e.key)
	if e.err != nil {
		s.cfg.Logger.Debug("a query for providers failed", zap.String("namespace", e.key.namespace), zap.Error(e.err))
	}
	s.state.ended(now, e.key)
}

func (s *shell) perform(ctx context.Context, out effects) {
	for _, t := range out.told {
		s.links[t.link].slot.Publish(t.candidates, merge)
	}
	for _, id := range out.closed {
		l := s.links[id]
		l.slot.Close()
		delete(s.links, id)
		delete(s.ids, l)
	}
	for _, k := range out.stop {
		s.queries[k]()
	}
	for _, q := range out.start {
		ctx, cancel := context.WithDeadline(ctx, q.deadline)
		s.queries[q.key] = cancel
		go s.ask(ctx, q.key, Query{Namespace: q.key.namespace, CIDs: q.cids, Most: q.most})
	}
}

// ask runs the finders, one after the other, in a goroutine of its own.
func (s *shell) ask(ctx context.Context, k key, q Query) {
	n := 0
	var failed error
	for _, f := range s.cfg.Finders {
		err := s.run1(ctx, f, q, func(p peer.AddrInfo) bool {
			n++
			return s.inbox.Send(ctx, found{k, p}) == nil && n < q.Most
		})
		if err != nil {
			failed = err
		}
		if n >= q.Most || ctx.Err() != nil {
			break
		}
	}
	_ = s.inbox.Send(context.Background(), ended{k, failed}) // Fails only when the actor has ended.
}

// run1 runs one finder; a finder is somebody else's code, so its panic is an
// error.
func (s *shell) run1(ctx context.Context, f Finder, q Query, found func(peer.AddrInfo) bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("finder %T panicked: %v", f, r)
			s.cfg.Logger.Error("a finder panicked", zap.Error(err))
		}
	}()
	return f.Find(ctx, q, found)
}

// end closes every link and waits for the queries, whose context has ended.
func (s *shell) end() {
	for _, l := range s.links {
		l.slot.Close()
	}
	for _, cancel := range s.queries {
		cancel()
	}
	for len(s.queries) > 0 {
		if e, ok := (<-s.inbox.C()).(ended); ok {
			delete(s.queries, e.key)
		}
	}
}

func merge(older, newer Candidates) Candidates {
	return Candidates{Peers: append(older.Peers, newer.Peers...), Done: older.Done || newer.Done}
}
