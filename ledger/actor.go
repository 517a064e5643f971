package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/souk-p2p/souk/internal/actor"
)

// New returns a ledger that has not started. Give out its ports, then Start it.
// It panics when cfg is not valid, naming the field.
func New(cfg Config) *Ledger {
	if err := cfg.validate(); err != nil {
		panic(err)
	}
	l := &Ledger{
		now:   cfg.Now,
		tag:   cfg.Tag,
		wake:  make(chan struct{}, 1),
		state: newState(cfg.Peers, cfg.Strangers),

		keeping: actor.NewCrew("ledger store", cfg.Panicked),
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.tag == nil {
		l.tag = func(Tag) {}
	}
	l.loop = actor.NewLoop("ledger", cfg.Fail)
	l.inbox = actor.NewInbox[request](inboxDepth, l.loop.Done())
	l.loop.Watch(l.inbox)
	l.scores.Set(&Scores{})
	var keeping context.Context
	keeping, l.last = context.WithCancel(context.Background())
	l.keeper = newKeeper(keeping, cfg, l.inbox)
	l.keeper.damaged = cfg.Damaged + l.state.restoreAll(cfg.Rows)
	return l
}

// Start starts the actor. Call it once, after the last Port.
func (l *Ledger) Start() {
	l.started = true
	l.loop.Start(l.run)
	if l.keeper.needed() {
		l.keeping.Go(l.keeper.run)
	}
}

// StopKeeping keeps what has changed for the last time, and waits until that is
// done or ctx ends; a store that has not returned by then is left behind. It goes
// before [Ledger.Stop], after the last producer has ended.
func (l *Ledger) StopKeeping(ctx context.Context) error {
	l.last()
	return l.keeping.Wait(ctx)
}

// Stop ends the actor and waits until it has, or until ctx ends. It may be
// called more than once and before Start.
func (l *Ledger) Stop(ctx context.Context) error {
	return l.loop.Stop(ctx)
}

// run owns l.state.
func (l *Ledger) run(ctx context.Context) {
	for {
		l.loop.WaitingUntil(l.now(), l.state.wake())
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
			l.loop.Working(l.now())
			l.drain()
		case r := <-l.inbox.C():
			l.loop.Working(l.now())
			l.drain() // A query sees what was recorded before it.
			l.handle(r)
		case <-l.loop.Alarm():
			l.loop.Woken(l.now())
		}
		l.publish(l.now())
	}
}

// publish makes new scores known when they are due.
func (l *Ledger) publish(now time.Time) {
	if scores := l.state.refresh(now); scores != nil {
		l.scores.Set(scores)
	}
	for _, t := range l.state.takeTags() {
		l.tag(t)
	}
}

// drain applies what waits in the ports.
func (l *Ledger) drain() {
	var news batch
	for _, p := range l.ports {
		select {
		case b := <-p.slot.C():
			news = merge(b, news)
		default:
		}
	}
	l.state.apply(l.now(), news)
}

// open adds a port, and reports whether another has its name.
func (l *Ledger) open(port *Port) (taken bool) {
	taken = slices.ContainsFunc(l.ports, func(p *Port) bool { return p.name == port.name })
	if !taken {
		l.ports = append(l.ports, port)
	}
	return taken
}

func (l *Ledger) handle(r request) {
	switch r := r.(type) {
	case faultReport:
		l.state.fault(l.now(), r.peer, r.fault, r.n)
	case openPort:
		r.taken <- l.open(r.port)
	case closePort: // What was recorded before is drained.
		l.ports = slices.DeleteFunc(l.ports, func(p *Port) bool { return p == r.port })
	case introduction:
		l.state.introduce(r.peer, r.agent, r.addresses)
	case unkeptQuery:
		r.reply <- l.state.unkept(r.last)
	case rowsQuery:
		r.reply <- l.state.rows(l.now(), r.changed, r.gone)
	case lostReport:
		l.state.lost(r.changed, r.gone)
	case totalsQuery:
		r.reply <- l.state.totals(l.now())
	case faultsQuery:
		r.reply <- l.state.faults
	case receiptQuery:
		r.reply <- l.state.receipt(l.now(), r.peer)
	case receiptsQuery:
		r.reply <- l.state.receipts(l.now())
	default:
		panic(fmt.Sprintf("ledger: request %T", r))
	}
}
