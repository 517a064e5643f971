package providers

import (
	"context"
	"errors"
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
	// Panicked is told of a panic in a finder, which is passed over; may be nil.
	Panicked func(error)

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

// inboxDepth lets a burst of sessions start without waiting for each other; a
// larger one would only hide a slow directory.
const inboxDepth = 64

// Directory is the Providers actor. Make it with [New].
type Directory struct {
	cfg   Config
	loop  *actor.Loop
	inbox *actor.Inbox[request]
	asks  *actor.Crew
}

// New returns a directory that has not started.
func New(cfg Config) *Directory {
	cfg.setDefaults()
	loop := actor.NewLoop("providers", cfg.Fail)
	return &Directory{
		cfg: cfg, loop: loop,
		inbox: actor.NewInbox[request](inboxDepth, loop.Ending()),
		asks:  actor.NewCrew("finder", cfg.Panicked),
	}
}

// Start starts the actor.
func (d *Directory) Start() { d.loop.Start(d.run) }

// Stop ends the actor and its queries, and waits for them, or for ctx. A finder
// that has not returned by then is left behind.
func (d *Directory) Stop(ctx context.Context) error {
	return errors.Join(d.loop.Stop(ctx), d.asks.Wait(ctx))
}

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	*Directory
	state   *state
	links   *actor.Numbers[linkID, *Link]
	queries map[queryID]context.CancelFunc
	reports chan report // of the queries; they may wait until the actor reads it
}

func (d *Directory) run(ctx context.Context) {
	s := &shell{
		Directory: d,
		state:     newState(d.cfg.Timeout, len(d.cfg.Finders) > 0),
		links:     actor.NewNumbers[linkID, *Link](),
		queries:   make(map[queryID]context.CancelFunc),
		reports:   make(chan report),
	}
	defer s.close()
	s.loopUntil(ctx)
}

func (s *shell) loopUntil(ctx context.Context) {
	alarm := actor.NewAlarm()
	defer alarm.Stop()
	for {
		s.loop.Waiting(time.Now())
		select {
		case req := <-s.inbox.C():
			s.handle(s.loop.Begin(), req)
		case r := <-s.reports:
			s.report(s.loop.Begin(), r)
		case <-s.cfg.Peers.C():
			s.loop.Begin()
			for _, p := range s.cfg.Peers.Take() {
				s.state.peerState(p.Peer, p.Connected)
			}
		case <-alarm.C():
			alarm.Rang()
			s.state.tick(s.loop.Begin())
		case <-ctx.Done():
			return
		}
		s.perform(ctx, s.state.take())
		alarm.Set(time.Now(), s.state.wake())
	}
}

func (s *shell) handle(now time.Time, req request) {
	switch req := req.(type) {
	case openLink:
		s.state.open(s.links.Add(req.link))
	case find:
		s.state.find(now, s.links.Of(req.link), req.query)
	case served:
		s.state.served(req.namespace, req.peers)
	case enough:
		s.state.enough(s.links.Of(req.link))
	case cancelAll:
		s.state.cancelAll(s.links.Of(req.link))
	}
}

func (s *shell) report(now time.Time, r report) {
	if !r.ended {
		s.state.found(r.query, r.peer)
		return
	}
	s.queries[r.query]()
	delete(s.queries, r.query)
	if r.err != nil {
		s.cfg.Logger.Debug("a query for providers failed", zap.Error(r.err))
	}
	s.state.ended(now, r.query)
}

func (s *shell) perform(ctx context.Context, out effects) {
	for _, t := range out.told {
		s.links.Party(t.link).slot.Publish(t.candidates, merge)
	}
	for _, id := range out.closed {
		s.links.Remove(id).slot.Close()
	}
	for _, q := range out.start {
		query := Query{Namespace: q.key.namespace, CIDs: q.cids, Most: q.key.most}
		asking, cancel := context.WithCancel(ctx)
		s.queries[q.id] = cancel
		s.asks.Go(func() { s.ask(ctx, asking, q.id, query) })
	}
	for _, id := range out.stop {
		s.queries[id]()
	}
}

// ask runs the finders, one after the other, in a goroutine of its own, until ctx
// ends. The actor is told of the end unless its own life has ended.
func (s *shell) ask(life, ctx context.Context, id queryID, q Query) {
	seen := make(map[peer.ID]struct{})
	found := func(p peer.AddrInfo) bool {
		if _, twice := seen[p.ID]; !twice && p.ID != "" {
			seen[p.ID] = struct{}{}
			s.send(ctx, report{query: id, peer: p})
		}
		return len(seen) < q.Most && ctx.Err() == nil
	}
	end := report{query: id, ended: true}
	for _, f := range s.cfg.Finders {
		err := actor.Guard("finder", s.cfg.Panicked, func() error { return f.Find(ctx, q, found) })
		if err != nil {
			end.err = errors.Join(end.err, fmt.Errorf("ask %T: %w", f, err))
		}
		if len(seen) >= q.Most || ctx.Err() != nil {
			break
		}
	}
	s.send(life, end)
}

func (s *shell) send(ctx context.Context, r report) {
	select {
	case s.reports <- r:
	case <-ctx.Done():
	}
}

// close ends every link, those as well that were opened too late, and every query.
// It asks nothing of the state, which may have broken.
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
	for _, cancel := range s.queries {
		cancel()
	}
}

// merge joins two parts of an answer, or the last part of one answer with the
// first of the next, which then is the one that counts: Done comes last.
func merge(older, newer Candidates) Candidates {
	return Candidates{Peers: unique(append(older.Peers, newer.Peers...)), Done: newer.Done}
}
