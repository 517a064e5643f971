package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/message"
)

// inboxDepth is room for a fault from each of a burst of readers. Behind it
// they wait, which slows the streams that send rubbish.
const inboxDepth = 64

// Config is what a ledger is made with. The zero Config is usable.
type Config struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	// Peers and Strangers bound the accounts; 0 is [DefaultPeers] and
	// [DefaultStrangers]. Too small, and debts are forgotten.
	Peers, Strangers int

	// Tag is told what the connection to a peer with which blocks were exchanged
	// is worth, when that changes. It must not block; may be nil.
	Tag func(Tag)

	// Rows are the accounts that were kept: see [Load]. Those that say what cannot be,
	// and those for which there is no room, are left out.
	Rows    []Row
	Damaged int // rows that [Load] has left out

	// Keep is where accounts are kept over restarts; nil for nowhere. The ledger does
	// not close it.
	Keep datastore.Batching

	// Meet says what a peer calls itself and where it is connected. It is called by the
	// goroutine that keeps the accounts; may be nil.
	Meet func(peer.ID) (agent string, addresses []string)

	// Panicked is told of a panic of Keep or Meet; may be nil.
	Panicked func(error)

	Logger *zap.Logger // nil for silence

	// Fail is told when the actor has ended by a panic; may be nil.
	Fail func(error)
}

func (c *Config) validate() error {
	switch {
	case c.Peers < 0:
		return errors.New("ledger: Config.Peers is negative")
	case c.Strangers < 0:
		return errors.New("ledger: Config.Strangers is negative")
	}
	return nil
}

// Tag is what the connection to a peer is worth: 1 to 10, and 0 when it is gone or
// its account is.
type Tag struct {
	Peer   peer.ID
	Weight int
}

// Ledger is the handle of the actor. Its methods are safe for concurrent use,
// except for Port, which belongs before Start: OpenPort is for after it.
type Ledger struct {
	loop   *actor.Loop
	inbox  *actor.Inbox[request]
	wake   chan struct{} // holds a token when some port may have news
	scores actor.Snapshot[Scores]
	now    func() time.Time
	tag    func(Tag)

	keeping *actor.Crew
	last    func() // ends what the keeper does, but for a last time
	keeper  *keeper

	started bool

	// The loop's alone, once it has started:

	ports []*Port
	state *state
}

// Port is where one producer records. It belongs to that producer's goroutine.
type Port struct {
	name   string
	ledger *Ledger
	slot   *actor.Slot[batch]
}

// Port returns the port of a producer. Each producer has its own. It panics
// after Start and for a name that was given out before.
func (l *Ledger) Port(name string) *Port {
	if l.started {
		panic("ledger: port " + name + " requested after Start")
	}
	for _, p := range l.ports {
		if p.name == name {
			panic("ledger: port " + name + " requested twice")
		}
	}
	p := l.newPort(name)
	l.ports = append(l.ports, p)
	return p
}

func (l *Ledger) newPort(name string) *Port {
	return &Port{name: name, ledger: l, slot: actor.NewSlot[batch]()}
}

// OpenPort returns the port of a producer that comes after Start, until
// [Port.Close]. The error is that of ctx, [actor.ErrClosed], or that the name is in
// use.
func (l *Ledger) OpenPort(ctx context.Context, name string) (*Port, error) {
	p := l.newPort(name)
	taken, err := actor.Ask(ctx, l.inbox, func(reply chan<- bool) request { return openPort{p, reply} })
	switch {
	case err != nil:
		_ = p.Close(context.WithoutCancel(ctx)) // It may have been opened.
		return nil, err
	case taken:
		return nil, fmt.Errorf("ledger: port %q is in use", name)
	}
	return p, nil
}

// Close gives the port back, when what was recorded is counted. Nothing is recorded
// after it. It blocks while the inbox of the ledger is full. The error is that of
// ctx: then the port stays. A port that is closed, or whose ledger has ended, can be
// closed again.
func (p *Port) Close(ctx context.Context) error {
	if err := p.ledger.inbox.Send(ctx, closePort{p}); err != nil && !errors.Is(err, actor.ErrClosed) {
		return err
	}
	return nil
}

// Record hands deltas to the ledger. It never blocks and copies what it is
// given; until the ledger has read them, deltas of one peer are merged. After
// the ledger has ended they are dropped.
func (p *Port) Record(deltas ...Delta) {
	if len(deltas) == 0 {
		return
	}
	select {
	case <-p.ledger.loop.Done(): // Nobody would read it, and the batch would grow.
		return
	default:
	}
	b := make(batch, len(deltas))
	for i := range deltas {
		b.of(deltas[i].Peer).addDelta(&deltas[i])
	}
	p.slot.Publish(b, merge)
	select {
	case p.ledger.wake <- struct{}{}:
	default: // It is awake already, or about to be.
	}
}

// Fault counts n faults of a peer. It blocks while the inbox is full, so it is
// for readers of streams only; actors have a port. When ctx ends first, or the
// ledger has ended, the fault is not counted.
func (l *Ledger) Fault(ctx context.Context, p peer.ID, f message.Fault, n int) {
	if f == 0 || n <= 0 {
		return
	}
	// The error says that nobody counts any more: nothing for a reader to act on.
	_ = l.inbox.Send(ctx, faultReport{peer: p, fault: f, n: uint64(n)})
}

// Receipt returns a copy of the account of p. It reports false when there is
// none, when ctx ends first and after the ledger has ended.
func (l *Ledger) Receipt(ctx context.Context, p peer.ID) (Receipt, bool) {
	found, err := actor.Ask(ctx, l.inbox, func(reply chan<- []Receipt) request {
		return receiptQuery{peer: p, reply: reply}
	})
	if err != nil || len(found) == 0 {
		return Receipt{}, false
	}
	return found[0], true
}

// Receipts returns a copy of every account, those with the most bytes exchanged
// first, equal ones by peer. It is nil when ctx ends first and after the ledger
// has ended.
func (l *Ledger) Receipts(ctx context.Context) []Receipt {
	all, err := actor.Ask(ctx, l.inbox, func(reply chan<- []Receipt) request {
		return receiptsQuery{reply: reply}
	})
	if err != nil {
		return nil
	}
	return all
}

// Faults returns how often peers did what is wrong, by reason, since the start.
// It is zero when ctx ends first and after the ledger has ended.
func (l *Ledger) Faults(ctx context.Context) Faults {
	counts, err := actor.Ask(ctx, l.inbox, func(reply chan<- Faults) request {
		return faultsQuery{reply: reply}
	})
	if err != nil {
		return Faults{}
	}
	return counts
}

// Totals returns what passed between us and all peers. It is zero when ctx ends
// first and after the ledger has ended.
func (l *Ledger) Totals(ctx context.Context) Totals {
	t, _ := actor.Ask(ctx, l.inbox, func(reply chan<- Totals) request { return totalsQuery{reply} })
	return t
}

// Scores returns how the peers stood at most [RefreshEvery] ago. It never
// blocks and is never nil.
func (l *Ledger) Scores() *Scores { return l.scores.Get() }

// Busy is the time that the actor has spent at work.
func (l *Ledger) Busy() time.Duration { return l.loop.Busy() }

// Load is how busy the actor is and what waits for it. It never waits for it.
func (l *Ledger) Load(now time.Time) actor.Load { return l.loop.Load(now) }

// Depth is the number of requests that wait in the inbox.
func (l *Ledger) Depth() int { return l.inbox.Depth() }

// request is what the inbox takes.
type request interface{ isRequest() }

type faultReport struct {
	peer  peer.ID
	fault message.Fault
	n     uint64
}

type receiptQuery struct {
	peer  peer.ID
	reply chan<- []Receipt // one receipt, or none
}

type receiptsQuery struct {
	reply chan<- []Receipt
}

type openPort struct {
	port  *Port
	taken chan<- bool // whether another port has its name
}

type closePort struct{ port *Port }

type totalsQuery struct {
	reply chan<- Totals
}

// unkeptQuery, rowsQuery, lostReport and introduction are the keeper's.
type unkeptQuery struct {
	last  bool
	reply chan<- unkept
}

type rowsQuery struct {
	changed, gone []peer.ID
	reply         chan<- []Row
}

type lostReport struct{ changed, gone []peer.ID }

type introduction struct {
	peer      peer.ID
	agent     string
	addresses []string
}

type faultsQuery struct {
	reply chan<- Faults
}

func (faultReport) isRequest()   {}
func (introduction) isRequest()  {}
func (lostReport) isRequest()    {}
func (openPort) isRequest()      {}
func (closePort) isRequest()     {}
func (rowsQuery) isRequest()     {}
func (totalsQuery) isRequest()   {}
func (unkeptQuery) isRequest()   {}
func (faultsQuery) isRequest()   {}
func (receiptQuery) isRequest()  {}
func (receiptsQuery) isRequest() {}

// Turn is how long the actor has been at work on what it last received.
func (l *Ledger) Turn(now time.Time) time.Duration { return l.loop.Turn(now) }
