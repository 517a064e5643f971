package providers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/providers/record"
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
	// Panicked is told of a panic in a finder or in Trackers, which is passed over;
	// may be nil.
	Panicked func(error)

	// Trackers are asked before the finders: those that Set tells of. Without both
	// there are none.
	Trackers Asker
	Set      Trackers
	Self     peer.ID // whom no tracker need name
	// Score is what is thought of a peer, from 0 to 1, for the order in which
	// candidates are named. It is called from several goroutines; may be nil.
	Score func(peer.ID) float64
	// Denied reports whether a peer is not to be asked for anything, so that it is
	// named only where there is nobody else, for whoever asks to say so. It is called
	// from the directory's goroutine and must not block. Nil denies nobody.
	Denied func(peer.ID) bool
	Seed   uint64 // what is drawn by lot follows from it; zero draws it

	Timeout time.Duration // of one query; default 30 s, which a DHT walk may take
	Logger  *zap.Logger
}

func (c *Config) setDefaults() {
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Trackers == nil || c.Set == nil {
		c.Set = noTrackers{}
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
}

// inboxDepth lets a burst of sessions start without waiting for each other; a
// larger one would only hide a slow directory.
const inboxDepth = 64

// mostUnread is how many candidates wait for a link that does not receive them.
const mostUnread = 2 * mostCandidates

// Directory is the Providers actor. Make it with [New].
type Directory struct {
	cfg   Config
	loop  *actor.Loop
	inbox *actor.Inbox[request]
	asks  *actor.Crew
	stat  actor.Snapshot[Stat]
}

// New returns a directory that has not started.
func New(cfg Config) *Directory {
	cfg.setDefaults()
	loop := actor.NewLoop("providers", cfg.Fail)
	d := &Directory{
		cfg: cfg, loop: loop,
		inbox: actor.InboxOf[request](loop, inboxDepth),
		asks:  actor.NewCrew("finder", cfg.Panicked),
	}
	d.stat.Set(&Stat{})
	return d
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
	inspect inspector
	links   *actor.Numbers[linkID, *Link]
	queries map[queryID]context.CancelFunc
	subs    map[subID]context.CancelFunc
	reports chan report // of the workers; they may wait until the actor reads it
}

func newShell(d *Directory, finders bool) *shell {
	s := &shell{
		Directory: d,
		state:     newState(d.cfg.Timeout, finders),
		inspect:   inspector{self: d.cfg.Self, verify: (*record.Signed).Verify, score: d.cfg.Score},
		links:     actor.NewNumbers[linkID, *Link](),
		queries:   make(map[queryID]context.CancelFunc),
		subs:      make(map[subID]context.CancelFunc),
		reports:   make(chan report),
	}
	s.state.seed(d.cfg.Seed)
	if d.cfg.Denied != nil {
		s.state.denies = d.cfg.Denied
	}
	return s
}

func (d *Directory) run(ctx context.Context) {
	s := newShell(d, len(d.cfg.Finders) > 0)
	defer s.close()
	s.begin()
	s.loopUntil(ctx)
}

// begin takes the trackers that there are: who asks first is not to find that
// there are none.
func (s *shell) begin() { s.trackers(time.Now()) }

// trackers takes what is new of the trackers.
func (s *shell) trackers(now time.Time) {
	select {
	case <-s.cfg.Set.C():
		s.state.setTrackers(now, s.cfg.Set.Take())
	default:
	}
}

func (s *shell) loopUntil(ctx context.Context) {
	for {
		s.loop.WaitingUntil(time.Now(), s.state.wake())
		select {
		case req := <-s.inbox.C():
			s.handle(s.loop.Begin(), req)
		case r := <-s.reports:
			s.report(s.loop.Begin(), r)
		case <-s.cfg.Peers.C():
			s.peers(s.loop.Begin())
		case <-s.cfg.Set.C():
			s.state.setTrackers(s.loop.Begin(), s.cfg.Set.Take())
		case <-s.loop.Alarm():
			s.state.tick(s.loop.Woken(time.Now()))
		case <-ctx.Done():
			return
		}
		s.publish() // Who is told something finds it counted.
		s.perform(ctx, s.state.take())
	}
}

func (s *shell) peers(now time.Time) {
	s.state.see(now)
	for _, p := range s.cfg.Peers.Take() {
		s.state.peerState(p.Peer, p.Connected)
	}
}

func (s *shell) handle(now time.Time, req request) {
	switch req := req.(type) {
	case openLink:
		s.state.open(s.links.Add(req.link))
	case find:
		s.trackers(now) // Who has just named one asks that one, too.
		s.state.find(now, s.links.Of(req.link), req.query)
	case served:
		s.state.served(req.namespace, req.peers)
	case judge:
		s.state.judge(now, req.namespace, req.peers)
	case watching:
		s.trackers(now)
		s.state.watch(now, s.links.Of(req.link), req.query)
	case enough:
		s.state.enough(s.links.Of(req.link))
	case cancelAll:
		s.state.cancelAll(s.links.Of(req.link))
	}
}

func (s *shell) report(now time.Time, r report) {
	switch r := r.(type) {
	case found:
		s.state.see(now)
		s.state.found(r.query, r.peer)
	case ended:
		s.queries[r.query]()
		delete(s.queries, r.query)
		s.failed("a query for providers failed", r.err)
		s.state.ended(now, r.query)
	case answered:
		s.failed("a tracker did not answer", r.err)
		s.state.answered(now, r.ask, r.reply)
	case noticed:
		s.state.noticed(now, r.sub, r.reply)
	case unsubscribed:
		s.subs[r.sub]()
		delete(s.subs, r.sub)
		s.failed("a subscription at a tracker ended", r.err)
		s.state.unsubscribed(now, r.sub)
	case delivered:
		s.failed("a tracker did not take feedback", r.err)
		s.state.delivered(now)
	}
}

func (s *shell) failed(what string, err error) {
	if err != nil {
		s.cfg.Logger.Debug(what, zap.Error(err))
	}
}

// publish renews what Stat returns.
func (s *shell) publish() {
	if stat := s.state.stat; stat != *s.stat.Get() {
		s.stat.Set(&stat)
	}
}

func (s *shell) perform(ctx context.Context, out effects) {
	s.tell(out)
	for _, q := range out.start {
		query := q.query()
		asking, cancel := context.WithCancel(ctx)
		s.queries[q.id] = cancel
		s.asks.Go(func() { s.ask(ctx, asking, q.id, query) })
	}
	for _, id := range out.stop {
		s.queries[id]()
	}
	for _, a := range out.asks {
		s.asks.Go(func() { s.askTracker(ctx, a) })
	}
	if len(out.feedback) > 0 {
		s.asks.Go(func() { s.deliver(ctx, out.feedback) })
	}
	for _, sub := range out.subscribe {
		following, cancel := context.WithCancel(ctx)
		s.subs[sub.id] = cancel
		s.asks.Go(func() { s.follow(ctx, following, sub) })
	}
	for _, id := range out.unsubscribe {
		s.subs[id]()
	}
}

// tell gives links what is for them.
func (s *shell) tell(out effects) {
	for _, t := range out.told {
		s.links.Party(t.link).slot.Publish(t.candidates, merge)
	}
	for _, id := range out.closed {
		s.links.Remove(id).slot.Close()
	}
}

// query is what a finder is asked.
func (q *query) query() Query {
	return Query{
		Namespace: q.key.namespace, CIDs: q.cids, Root: q.root, Most: q.key.most, Key: q.key.bytes(), Roles: q.key.roles,
	}
}

// ask runs the finders, one after the other, in a goroutine of its own, until ctx
// ends. The actor is told of the end unless its own life has ended.
func (s *shell) ask(life, ctx context.Context, id queryID, q Query) {
	seen := make(map[peer.ID]struct{})
	take := func(p peer.AddrInfo) bool {
		if _, twice := seen[p.ID]; !twice && p.ID != "" {
			seen[p.ID] = struct{}{}
			s.send(ctx, found{id, p})
		}
		return len(seen) < q.Most && ctx.Err() == nil
	}
	end := ended{query: id}
	for _, f := range s.cfg.Finders {
		err := actor.Guard("finder", s.cfg.Panicked, func() error { return f.Find(ctx, q, take) })
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
	for _, cancel := range s.subs {
		cancel()
	}
}

// merge joins two parts of an answer, or the last part of one answer with the
// first of the next, which then is the one that counts: Done comes last. An answer
// has half as many candidates as are kept; of a watch, the latest are.
func merge(older, newer Candidates) Candidates {
	peers := unique(append(older.Peers, newer.Peers...))
	peers = peers[max(0, len(peers)-mostUnread):]
	parts := slices.DeleteFunc(append(older.Parts, newer.Parts...), func(id peer.ID) bool {
		return !slices.ContainsFunc(peers, func(p peer.AddrInfo) bool { return p.ID == id })
	})
	slices.Sort(parts)
	return Candidates{Peers: peers, Parts: slices.Compact(parts), Done: newer.Done}
}
