package download

import (
	"context"
	"iter"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
)

// request is what the inbox of the actor holds.
type request interface{ isRequest() }

type (
	// want adds an intent, or, without a waiter, hints alone.
	want struct {
		waiter  *waiter
		cid     cid.Cid
		retries int
		from    []peer.AddrInfo
		hints   ResourceHints
		reply   chan<- error
	}
	leave struct{ waiter *waiter }
	hint  struct {
		node  peer.AddrInfo
		hints NodeHints
		reply chan<- error
	}
	forget struct{ node peer.ID }
	status struct {
		cids  []cid.Cid
		reply chan<- []Status
	}
	wanted struct {
		after cid.Cid
		reply chan<- []cid.Cid
	}
)

func (want) isRequest()   {}
func (leave) isRequest()  {}
func (hint) isRequest()   {}
func (forget) isRequest() {}
func (status) isRequest() {}
func (wanted) isRequest() {}

// Request says how a resource is wanted. The zero Request knows of no node: those are
// asked that are found in one of its groups, now or later.
type Request struct {
	From    []peer.AddrInfo // nodes that have it
	Not     []peer.ID       // nodes that need not be asked, for Limits.Skip
	Groups  []Group         // labels of the resource: nodes with one of them are asked
	Size    uint64          // in bytes, or 0 when nobody knows
	Several bool            // it may come from several nodes at once, whatever its size
	// Retries is how often it is tried again when all nodes have failed: 0 means
	// Limits.Retries, and a negative number any number of times.
	Retries int
	// Progress is told how far it is, in the goroutine of the caller; of what comes while
	// it runs only the last. May be nil.
	Progress func(Event)
}

func (r *Request) hints() ResourceHints {
	return ResourceHints{Not: r.Not, Groups: r.Groups, Size: r.Size, Several: r.Several}
}

// waiter is who waits for a resource.
type waiter struct{ news *actor.Slot[news] }

// news is what a waiter is told.
type news struct {
	progress *Event // the last
	ended    bool
	err      error // why, when it is not here
}

func mergeNews(older, newer news) news {
	if newer.progress == nil {
		newer.progress = older.progress
	}
	return newer
}

// Download fetches a resource with all that is below it, and returns when every block is
// stored here: nil, or a [*FailedError] after all retries, or the end of ctx, which takes
// the intent back. Others may want the same at the same time: it is fetched once. What
// is here already is not fetched. The error is [ErrFull] while as many resources are
// known as there may be, and [ErrClosed] when the downloads end.
func (d *Downloads) Download(ctx context.Context, c cid.Cid, r Request) error {
	w := &waiter{actor.NewSlot[news]()}
	refused, err := actor.Ask(ctx, d.inbox, func(reply chan<- error) request {
		return want{w, c, r.Retries, r.From, r.hints(), reply}
	})
	if err == nil && refused != nil {
		return refused
	}
	for err == nil {
		select {
		case n := <-w.news.C():
			if n.progress != nil && r.Progress != nil {
				r.Progress(*n.progress)
			}
			if n.ended {
				return n.err
			}
		case <-d.loop.Done():
			err = ErrClosed
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	_ = d.inbox.Send(context.WithoutCancel(ctx), leave{w}) // Fails only when the actor has ended.
	return err
}

// Hint says what a node has and which groups it belongs to; its addresses, if there are
// any, are used when it is dialled. What waits for such a node is asked of it at once. It
// returns [ErrFull] when as many nodes or resources are known as there may be.
func (d *Downloads) Hint(ctx context.Context, node peer.AddrInfo, h NodeHints) error {
	refused, err := actor.Ask(ctx, d.inbox, func(reply chan<- error) request { return hint{node, h, reply} })
	if err != nil {
		return err
	}
	return refused
}

// HintResource says which nodes have a resource and which groups it belongs to. It does
// not make anybody want it.
func (d *Downloads) HintResource(ctx context.Context, c cid.Cid, r Request) error {
	refused, err := actor.Ask(ctx, d.inbox, func(reply chan<- error) request {
		return want{nil, c, 0, r.From, r.hints(), reply}
	})
	if err != nil {
		return err
	}
	return refused
}

// Forget takes a node out of everything. What it has begun is tried elsewhere.
func (d *Downloads) Forget(ctx context.Context, node peer.ID) error {
	return d.inbox.Send(ctx, forget{node})
}

// Status is how a resource is doing.
type Status struct {
	CID     cid.Cid
	State   string // "waiting" for a node, "paused" until Next, "active", or "unknown" when nobody wants it
	Intents int
	Bytes   uint64        // that are here, as far as is known
	Size    uint64        // or 0 when nobody knows
	Nodes   []peer.ID     // that serve it
	Next    time.Time     // when it is tried again, of what is paused
	Failed  []NodeFailure // nodes that are not asked at present, and why; 16 at most
	Err     error         // of the last attempt, or [ErrNoNodes] while none is known that may have it; may be nil
}

// mostStatuses is how many resources are looked at for one request, so that it keeps the
// actor for less than a millisecond.
const mostStatuses = 256

// Status returns how resources are doing, in the order in which they are asked for.
func (d *Downloads) Status(ctx context.Context, cids ...cid.Cid) ([]Status, error) {
	var all []Status
	for len(cids) > 0 {
		part := cids[:min(len(cids), mostStatuses)]
		cids = cids[len(part):]
		some, err := actor.Ask(ctx, d.inbox, func(reply chan<- []Status) request { return status{part, reply} })
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// wantedPage is how many CIDs are given at a time: all that are known are looked at for
// each page, and a page of these takes the actor a few milliseconds at most.
const wantedPage = 8192

// Wanted yields the roots of what somebody wants, in the order of their bytes: what must
// not be collected as garbage, although not all of it is here yet. Those that are wanted
// from before the call until its end are among them. An error, which is that of ctx or
// [ErrClosed], is yielded last.
func (d *Downloads) Wanted(ctx context.Context) iter.Seq2[cid.Cid, error] {
	return func(yield func(cid.Cid, error) bool) {
		for after := cid.Undef; ; {
			page, err := actor.Ask(ctx, d.inbox, func(reply chan<- []cid.Cid) request { return wanted{after, reply} })
			if err != nil {
				yield(cid.Undef, err)
				return
			}
			for _, after = range page {
				if !yield(after, nil) {
					return
				}
			}
			if len(page) < wantedPage {
				return
			}
		}
	}
}

// Stat counts what downloads there are and were.
type Stat struct {
	Resources, Nodes, Intents      int // that are known now
	Waiting, Active, Connected     int // resources, transfers and nodes, now
	Started, Done, Failed, Retries uint64
	EventsLost                     uint64 // that a listener was too slow for
}

// Stat returns the counts of this moment.
func (d *Downloads) Stat() Stat { return *d.stat.Get() }

// Load is how busy the actor is and what waits for it. It never waits for it.
func (d *Downloads) Load(now time.Time) actor.Load { return d.loop.Load(now) }

// Turn is how long the actor has been at work on what it last received.
func (d *Downloads) Turn(now time.Time) time.Duration { return d.loop.Turn(now) }
