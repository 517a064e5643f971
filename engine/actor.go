package engine

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/network"
)

const (
	inboundDepth = 256 // wantlists: eight peers with all their streams, none of which can take more
	requestDepth = 256 // reports of what was sent, and queries
)

// Engine is the handle of the actor. Its methods are safe for concurrent use.
type Engine struct {
	cfg      Config
	log      *zap.Logger
	loop     *actor.Loop
	workers  *actor.Crew
	inbound  *actor.Inbox[wantsReceived]
	requests *actor.Inbox[request]
	port     *AvailablePort
	stat     actor.Snapshot[Stat]
	jobs     chan job
	results  chan job        // has room for every job that is out
	reading  context.Context // of the workers
	giveUp   context.CancelFunc
	employ   func() // sees to it that a job is done

	// The loop's alone.
	state   *state
	waiting map[uint64]chan<- struct{} // by ticket: readers whose wants are not all taken
	tickets uint64
	drains  []chan<- struct{} // callers who wait for the end of the drain
}

// New returns an engine that has not started. The error names the field of the
// configuration that is wrong.
func New(cfg Config) (*Engine, error) {
	e := &Engine{cfg: cfg, log: cfg.Logger, port: new(AvailablePort)}
	e.stat.Set(new(Stat))
	if e.log == nil {
		e.log = zap.NewNop()
	}
	e.loop = actor.NewLoop("engine", cfg.Failed)
	if cfg.Disabled {
		return e, nil
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	e.build()
	return e, nil
}

func (e *Engine) build() {
	if e.cfg.Now == nil {
		e.cfg.Now = time.Now
	}
	if e.cfg.Workers == 0 {
		e.cfg.Workers = defaultWorkers
	}
	jobs := e.cfg.Workers
	e.jobs, e.results = make(chan job, jobs), make(chan job, jobs)
	e.inbound = actor.NewInbox[wantsReceived](inboundDepth, e.loop.Done())
	e.requests = actor.NewInbox[request](requestDepth, e.loop.Done())
	e.loop.Watch(e.inbound, e.requests)
	e.port.slot, e.port.done = actor.NewSlot[availability](), e.loop.Done()
	e.waiting = make(map[uint64]chan<- struct{})
	e.state = newState(e.cfg.Limits, jobs, e.cfg.Seed)
	if e.cfg.Access != nil {
		e.state.guarded = func() bool { return e.cfg.Open == nil || !e.cfg.Open() }
	}
	if scores := e.cfg.Scores; scores != nil {
		e.state.debt = func(p peer.ID) float64 { return scores().Debt(p) }
	}
	if e.cfg.Class != nil {
		e.state.classOf = e.cfg.Class
	}
	e.state.setRates(e.cfg.Now(), e.cfg.Rates)
	e.employ = e.hire
	e.workers = actor.NewCrew("store", e.cfg.Panicked)
	e.reading, e.giveUp = context.WithCancel(context.Background())
}

// Start begins to serve. Later calls do nothing.
func (e *Engine) Start() {
	if e.cfg.Disabled {
		return
	}
	e.loop.Start(e.run)
}

// Stop ends the engine and waits until its goroutines have returned, or until
// ctx ends; calls of the store that have not returned by then are left behind. It
// may be called at any time and any number of times. What is not sent by then is
// not sent.
func (e *Engine) Stop(ctx context.Context) error {
	if e.cfg.Disabled {
		return e.loop.Stop(ctx)
	}
	err := e.loop.Stop(ctx)
	e.giveUp()
	return errors.Join(err, e.workers.Wait(ctx))
}

// hire starts the worker of a job, which ends with it. One that breaks has lost the
// job, which the engine would wait for.
func (e *Engine) hire() {
	w := worker{store: e.cfg.Store, access: e.cfg.Access, crew: e.workers, panicked: e.cfg.Panicked}
	e.workers.Go(func() {
		err := actor.Guard("engine", nil, func() error { w.run(e.reading, e.jobs, e.results); return nil })
		if err != nil && e.cfg.Failed != nil {
			e.cfg.Failed(err)
		}
	})
}

// run is the actor. Nothing in it blocks but the select.
func (e *Engine) run(ctx context.Context) {
	for {
		e.loop.WaitingUntil(e.cfg.Now(), e.state.wake())
		select {
		case <-ctx.Done():
			return
		case <-e.cfg.Peers.C():
			e.takePeers(e.begin())
		case w := <-e.inbound.C():
			e.takeWants(e.begin(), w)
		case a := <-e.port.slot.C():
			e.takeAvailable(e.begin(), a)
		case r := <-e.requests.C():
			e.takeRequest(e.begin(), r)
		case j := <-e.results:
			e.takeResult(e.begin(), j)
		case <-e.loop.Alarm():
			e.state.tick(e.loop.Woken(e.cfg.Now()))
		}
		e.perform(e.cfg.Now())
	}
}

// begin notes that work begins and returns the time.
func (e *Engine) begin() time.Time {
	now := e.cfg.Now()
	e.loop.Working(now)
	return now
}

func (e *Engine) takePeers(now time.Time) {
	for _, p := range e.cfg.Peers.Take() {
		e.state.peer(now, peerState{
			id: p.Peer, connected: p.Connected, version: p.Version,
			generation: p.Generation, epoch: p.Epoch,
		})
	}
}

// takeWants looks at the peers first: the network notes that a peer is there
// before it delivers what that peer wants.
func (e *Engine) takeWants(now time.Time, r wantsReceived) {
	e.takePeers(now)
	e.tickets++
	e.waiting[e.tickets] = r.taken
	e.state.wants(now, r.wants.From, r.wants.Generation, r.wants.Entries, r.wants.Full, e.tickets)
}

func (e *Engine) takeAvailable(_ time.Time, a availability) {
	if a.all {
		e.state.recheck()
	}
	for _, b := range a.blocks {
		e.state.available(b.CID, b.Size)
	}
}

func (e *Engine) takeRequest(now time.Time, r request) {
	switch r := r.(type) {
	case sentReport:
		e.state.sent(now, r.ship, r.err)
	case wantlistQuery:
		r.reply <- e.state.wantlist(r.peer)
	case countQuery:
		r.reply <- e.state.counts()
	case drainRequest:
		e.drains = append(e.drains, r.reply)
		e.state.drain(now)
	case setRates:
		e.state.setRates(now, r.limits)
	case listQuery:
		r.reply <- e.state.wantsOf(r.peer, r.after, r.most)
	}
}

func (e *Engine) takeResult(now time.Time, j job) {
	if j.lookup != nil {
		e.state.looked(now, j.lookup)
	} else {
		e.state.read(now, j.read)
	}
}

// perform does what the state wants done.
func (e *Engine) perform(now time.Time) {
	out := e.state.effects(now)
	for _, j := range out.Lookups {
		e.give(job{lookup: j})
	}
	for _, j := range out.Reads {
		e.give(job{read: j})
	}
	for _, ship := range out.Messages {
		e.hand(ship)
	}
	for _, ticket := range out.Admitted {
		e.waiting[ticket] <- struct{}{}
		delete(e.waiting, ticket)
	}
	if out.Drained {
		for _, reply := range e.drains {
			reply <- struct{}{} // Has room for it.
		}
		e.drains = nil
	}
	if len(out.Deltas) > 0 && e.cfg.Ledger != nil {
		e.cfg.Ledger.Record(out.Deltas...)
	}
	if out.Complaint != nil {
		e.log.Warn("store failed; wants are kept and tried again", zap.Error(out.Complaint))
	}
	e.publish()
}

// give gives a job to a worker.
func (e *Engine) give(j job) {
	e.jobs <- j
	e.employ()
}

func (e *Engine) hand(ship *shipment) {
	to := network.LaneBlocks
	if ship.Presences {
		to = network.LanePresences
	}
	e.cfg.Sender.Hand(ship.Peer, to, ship.Message, func(sent network.Sent) {
		// An error says that the engine has ended: nobody counts any more.
		_ = e.requests.Send(context.Background(), sentReport{ship: ship, err: sent.Err})
	})
}

// publish renews what Stat returns.
func (e *Engine) publish() {
	if stat := e.state.snapshot(); stat != *e.stat.Get() {
		e.stat.Set(&stat)
	}
}
