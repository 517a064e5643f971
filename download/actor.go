package download

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
)

// ErrClosed is what is asked of downloads that have ended.
var ErrClosed = actor.ErrClosed

// inboxDepth lets a page of a document be asked for without waiting; a larger one
// would only hide a slow actor.
const inboxDepth = 64

// Downloads is the actor. [Open] makes it a part of an exchange, [New] makes it alone.
type Downloads struct {
	cfg     Config
	loop    *actor.Loop
	inbox   *actor.Inbox[request]
	crew    *actor.Crew
	told    *actor.Slot[[]Event] // to the listener
	stat    actor.Snapshot[Stat]
	results chan result // of workers; they may wait until the actor reads it
}

// New returns downloads that have not started. The error names the field of the
// configuration that is wrong.
func New(cfg Config) (*Downloads, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	loop := actor.NewLoop("download", cfg.Fail)
	d := &Downloads{
		cfg: cfg, loop: loop,
		inbox: actor.InboxOf[request](loop, inboxDepth),
		crew:  actor.NewCrew("download", cfg.Panicked), told: actor.NewSlot[[]Event](),
		results: make(chan result),
	}
	d.stat.Set(&Stat{})
	return d, nil
}

// Start starts the actor.
func (d *Downloads) Start() { d.loop.Start(d.run) }

// Stop ends all transfers and lets go of all nodes, and waits for that, or for ctx. Who
// waits for a download gets [ErrClosed]. What has come stays, and another download
// goes on from there. A store, network or listener that does not return is left behind.
func (d *Downloads) Stop(ctx context.Context) error {
	return errors.Join(d.loop.Stop(ctx), d.crew.Wait(ctx))
}

// result is what a worker says.
type result struct {
	job  TransferID // that it is about, or
	keep *keep      // whose connection
	say  func(s *state, now time.Time)
	end  bool // of the worker
}

// lead is how a transfer is led: who may be asked from now on, and that it is to end.
type lead struct {
	nodes *actor.Slot[[]peer.ID]
	end   context.CancelFunc
}

// keep is a node that is to be connected.
type keep struct {
	to  peer.AddrInfo
	end context.CancelFunc
}

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	*Downloads
	life    context.Context
	state   *state
	waiters *actor.Numbers[IntentID, *waiter]
	addrs   map[peer.ID][]multiaddr.Multiaddr
	keeps   map[peer.ID]*keep
	jobs    map[TransferID]*lead
	counts  Stat // what grows
}

func (d *Downloads) newShell(life context.Context) *shell {
	return &shell{
		Downloads: d, life: life,
		state:   newState(d.cfg.Limits, d.cfg.Seed),
		waiters: actor.NewNumbers[IntentID, *waiter](),
		addrs:   make(map[peer.ID][]multiaddr.Multiaddr),
		keeps:   make(map[peer.ID]*keep),
		jobs:    make(map[TransferID]*lead),
	}
}

func (d *Downloads) run(ctx context.Context) {
	s := d.newShell(ctx)
	defer d.told.Close()
	d.crew.Go(d.deliver)
	for {
		s.loop.WaitingUntil(time.Now(), s.state.wake())
		select {
		case req := <-s.inbox.C():
			s.handle(s.loop.Begin(), req)
		case r := <-s.results:
			s.hear(s.loop.Begin(), r)
		case <-s.loop.Alarm():
			s.state.tick(s.loop.Woken(time.Now()))
		case <-ctx.Done():
			return
		}
		s.perform(s.state.take())
		s.publish()
	}
}

func (s *shell) handle(now time.Time, req request) {
	switch req := req.(type) {
	case want:
		req.reply <- s.want(now, req)
	case leave:
		if id := s.waiters.Of(req.waiter); id != 0 {
			s.waiters.Remove(id)
			s.state.cancelIntent(now, id)
		}
	case hint:
		err := s.state.addNode(now, req.node.ID, req.hints)
		s.learn(req.node)
		req.reply <- err
	case forget:
		s.state.removeNode(now, req.node)
	case status:
		req.reply <- s.state.statuses(now, req.cids)
	case wanted:
		req.reply <- s.state.wanted(req.after, wantedPage)
	}
}

func (s *shell) want(now time.Time, req want) error {
	for _, n := range req.from {
		req.hints.From = append(req.hints.From, n.ID)
	}
	var id IntentID
	if req.waiter != nil {
		id = s.waiters.Add(req.waiter)
	}
	err := s.state.addResource(now, req.cid, id, req.retries, req.hints)
	if err != nil && id != 0 {
		s.waiters.Remove(id)
	}
	for _, n := range req.from {
		s.learn(n)
	}
	return err
}

// mostAddrs is how many addresses of a node are kept: more are of no use to a dial,
// which ends after the first that answers.
const mostAddrs = 16

// learn keeps the addresses of a node that is known.
func (s *shell) learn(n peer.AddrInfo) {
	if len(n.Addrs) > 0 && s.state.nodes[n.ID] != nil {
		s.addrs[n.ID] = n.Addrs[:min(len(n.Addrs), mostAddrs)]
	}
}

// hear takes what a worker says, unless it has been told to end.
func (s *shell) hear(now time.Time, r result) {
	switch {
	case r.job != 0 && s.jobs[r.job] == nil || r.keep != nil && s.keeps[r.keep.to.ID] != r.keep:
		return
	case r.end && r.job != 0:
		delete(s.jobs, r.job)
	case r.end:
		delete(s.keeps, r.keep.to.ID)
	}
	r.say(s.state, now)
}

// perform does what the state wants to be done.
func (s *shell) perform(out effects) {
	for _, id := range out.cancel {
		if l := s.jobs[id]; l != nil {
			l.end()
			delete(s.jobs, id)
		}
	}
	for _, seat := range out.leave {
		s.seat(seat.Transfer)
	}
	for _, o := range out.start {
		s.begin(o)
	}
	for _, seat := range out.join {
		s.seat(seat.Transfer)
	}
	for _, p := range out.disconnect {
		if k := s.keeps[p]; k != nil {
			k.end()
			delete(s.keeps, p)
		}
	}
	for _, p := range out.connect {
		s.connect(p)
	}
	for _, p := range out.forgot {
		delete(s.addrs, p)
	}
	for _, o := range out.finished {
		for _, id := range o.Intents {
			s.waiters.Remove(id).news.Publish(news{ended: true, err: o.Err}, mergeNews)
		}
	}
	s.spread(out.events)
}

// seat tells a transfer which nodes it may ask from now on.
func (s *shell) seat(id TransferID) {
	if l, t := s.jobs[id], s.state.transfer(id); l != nil && t != nil {
		l.nodes.Publish(t.nodes(), func(_, newer []peer.ID) []peer.ID { return newer })
	}
}

func (s *shell) begin(o Start) {
	ctx, end := context.WithCancel(s.life)
	l := &lead{nodes: actor.NewSlot[[]peer.ID](), end: end}
	j := &job{id: o.ID, root: o.CID, nodes: l.nodes.C(), cfg: s.cfg, results: s.results}
	s.jobs[o.ID] = l
	s.crew.Go(func() {
		defer end()
		j.run(ctx, o.Node)
	})
}

func (s *shell) connect(p peer.ID) {
	ctx, end := context.WithCancel(s.life)
	k := &keep{to: peer.AddrInfo{ID: p, Addrs: s.addrs[p]}, end: end}
	s.keeps[p] = k
	s.crew.Go(func() {
		defer end()
		s.keep(ctx, k)
	})
}

// spread gives events to the listener, and progress to those who wait for it.
func (s *shell) spread(events []Event) {
	if len(events) == 0 {
		return
	}
	for _, e := range events {
		s.count(e)
		if e.Kind == Retry && e.Reason == Local {
			s.cfg.Logger.Warn("what was fetched cannot be kept", zap.Stringer("cid", e.CID), zap.Error(e.Err))
		}
		if r := s.state.resources[e.CID]; r != nil && e.Kind == Progress {
			for _, i := range r.intents {
				s.waiters.Party(i.id).news.Publish(news{progress: &e}, mergeNews)
			}
		}
	}
	s.told.Publish(events, func(older, newer []Event) []Event {
		all, lost := bounded(append(older, newer...))
		s.counts.EventsLost += uint64(lost)
		return all
	})
}

func (s *shell) count(e Event) {
	switch e.Kind {
	case Started:
		s.counts.Started++
	case Done:
		s.counts.Done++
	case Failed:
		s.counts.Failed++
	case Retry:
		s.counts.Retries++
	}
}

func (s *shell) publish() {
	stat := s.counts
	st := s.state
	stat.Resources, stat.Nodes, stat.Intents = len(st.resources), len(st.nodes), len(st.intents)
	stat.Waiting, stat.Active, stat.Connected = st.waiting, st.seats, len(st.linked)
	s.stat.Set(&stat)
}
