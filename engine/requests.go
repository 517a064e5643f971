package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/rate"
)

// mostAvailable is how many blocks can wait to be noticed by name. With more,
// all subscriptions are looked up.
const mostAvailable = 65536

// ReceiveWants takes what a peer wants, or wants no more. It is for readers of
// streams: it blocks while the engine has no room for more wants of that peer,
// which pauses the stream, and returns when all of w is taken, refused or
// withdrawn. Cancels count at once, also those of a w whose wants must wait.
//
// The engine owns w. When ctx ends first, w has nevertheless been received. The
// error is the context's or [actor.ErrClosed].
func (e *Engine) ReceiveWants(ctx context.Context, w network.Wants) error {
	if e.cfg.Disabled {
		return nil
	}
	_, err := actor.Ask(ctx, e.inbound, func(reply chan<- struct{}) wantsReceived {
		return wantsReceived{wants: w, taken: reply}
	})
	return err
}

// WantlistOf lists what a peer wants from us and has not got, highest priority
// first, equal ones by CID. SendDontHave is set on what still waits for that
// answer.
func (e *Engine) WantlistOf(ctx context.Context, p peer.ID) ([]message.Entry, error) {
	if e.cfg.Disabled {
		return nil, nil
	}
	return actor.Ask(ctx, e.requests, func(reply chan<- []message.Entry) request {
		return wantlistQuery{peer: p, reply: reply}
	})
}

// Wants returns how many wants each peer has here; peers without any are not
// listed.
func (e *Engine) Wants(ctx context.Context) (map[peer.ID]int, error) {
	if e.cfg.Disabled {
		return nil, nil
	}
	return actor.Ask(ctx, e.requests, func(reply chan<- map[peer.ID]int) request {
		return countQuery{reply: reply}
	})
}

// Drain ends the taking of new wants, for good, and returns when what was promised
// is finished: the blocks that were wanted before, as far as they are here, and those
// that a HAVE was said for and that are asked for within 2 s. What else is wanted is
// answered DONT_HAVE where an answer was asked for.
//
// It returns the context's error when that ends first, and [actor.ErrClosed] when
// the engine does.
func (e *Engine) Drain(ctx context.Context) error {
	if e.cfg.Disabled {
		return nil
	}
	_, err := actor.Ask(ctx, e.requests, func(reply chan<- struct{}) request { return drainRequest{reply: reply} })
	return err
}

// SetRates changes how many bytes of blocks may be sent in a second, to each peer,
// to a class of them and in total, and asks anew in which class who is. What was
// sent until now counts, and nobody's wants are lost. The error names what is wrong
// with the limits, of which nothing holds then, or is the context's or
// [actor.ErrClosed]. The engine owns limits.
func (e *Engine) SetRates(ctx context.Context, limits rate.Limits) error {
	if err := limits.Validate(); err != nil {
		return fmt.Errorf("engine: Rates.%w", err)
	}
	if e.cfg.Disabled {
		return nil
	}
	return e.requests.Send(ctx, setRates{limits})
}

// WantsOf lists wants of a peer, by CID: at most most of them, the first after the
// given CID. The error is the context's or [actor.ErrClosed].
func (e *Engine) WantsOf(ctx context.Context, p peer.ID, after cid.Cid, most int) ([]WantReport, error) {
	if e.cfg.Disabled {
		return nil, nil
	}
	return actor.Ask(ctx, e.requests, func(reply chan<- []WantReport) request {
		return listQuery{peer: p, after: after, most: most, reply: reply}
	})
}

// Stat returns a recent state of the statistics. It never blocks.
func (e *Engine) Stat() Stat { return *e.stat.Get() }

// Available returns the port through which the engine learns of blocks that are
// in the store from now on. There is one port, and it has one producer.
func (e *Engine) Available() *AvailablePort { return e.port }

// Busy is the time that the actor has spent at work.
func (e *Engine) Busy() time.Duration { return e.loop.Busy() }

// Load is how busy the actor is and what waits for it. It never waits for it.
func (e *Engine) Load(now time.Time) actor.Load { return e.loop.Load(now) }

// Depth is the number of wantlists and other requests that wait.
func (e *Engine) Depth() int {
	if e.cfg.Disabled {
		return 0
	}
	return e.inbound.Depth() + e.requests.Depth()
}

// AvailablePort is where one producer tells of new blocks.
type AvailablePort struct {
	slot *actor.Slot[availability] // nil when the engine is disabled
	done <-chan struct{}
}

// Publish tells the engine that blocks are in the store. It never blocks and
// copies what it is given. What was not read yet is merged; beyond 65,536
// blocks the engine looks for everything that is wanted instead.
func (p *AvailablePort) Publish(blocks ...network.Sized) {
	if p.slot == nil || len(blocks) == 0 {
		return
	}
	select {
	case <-p.done: // Nobody would read it.
		return
	default:
	}
	p.slot.Publish(newAvailability(blocks), mergeAvailability)
}

// availability is a batch of blocks, or the news that there were too many.
type availability struct {
	blocks []network.Sized
	named  map[cid.Cid]struct{} // the same, once batches were merged
	all    bool
}

func newAvailability(blocks []network.Sized) availability {
	if len(blocks) > mostAvailable {
		return availability{all: true}
	}
	return availability{blocks: append([]network.Sized(nil), blocks...)}
}

// mergeAvailability adds newer to older, each block once.
func mergeAvailability(older, newer availability) availability {
	if older.all || newer.all {
		return availability{all: true}
	}
	if older.named == nil {
		older.named = make(map[cid.Cid]struct{}, len(older.blocks)+len(newer.blocks))
		for _, b := range older.blocks {
			older.named[b.CID] = struct{}{}
		}
	}
	for _, b := range newer.blocks {
		if _, ok := older.named[b.CID]; !ok {
			older.named[b.CID] = struct{}{}
			older.blocks = append(older.blocks, b)
		}
	}
	if len(older.blocks) > mostAvailable {
		return availability{all: true}
	}
	return older
}

// wantsReceived is what readers of streams send. They wait until it is taken,
// so that each stream has at most one in the inbox.
type wantsReceived struct {
	wants network.Wants
	taken chan<- struct{}
}

// request is what others send.
type request interface{ isRequest() }

type sentReport struct {
	ship *shipment
	err  error
}

type wantlistQuery struct {
	peer  peer.ID
	reply chan<- []message.Entry
}

type countQuery struct {
	reply chan<- map[peer.ID]int
}

// drainRequest is answered when the engine is drained.
type drainRequest struct {
	reply chan<- struct{}
}

type setRates struct{ limits rate.Limits }

type listQuery struct {
	peer  peer.ID
	after cid.Cid
	most  int
	reply chan<- []WantReport
}

func (setRates) isRequest()      {}
func (listQuery) isRequest()     {}
func (sentReport) isRequest()    {}
func (wantlistQuery) isRequest() {}
func (countQuery) isRequest()    {}
func (drainRequest) isRequest()  {}

// Turn is how long the actor has been at work on what it last received.
func (e *Engine) Turn(now time.Time) time.Duration { return e.loop.Turn(now) }
