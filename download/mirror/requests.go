package mirror

import (
	"context"
	"time"

	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/internal/actor"
)

// request is what the inbox of the actor holds.
type request interface{ isRequest() }

type (
	begin  struct{ document document.ID }
	cancel struct {
		document document.ID
		reply    chan<- error
	}
	wait struct {
		document document.ID
		reply    chan<- error
	}
	dismiss struct{ reply chan<- error } // waits no longer
	status  struct {
		document document.ID
		reply    chan<- Status
	}
)

func (begin) isRequest()   {}
func (cancel) isRequest()  {}
func (wait) isRequest()    {}
func (dismiss) isRequest() {}
func (status) isRequest()  {}

// Resume begins to sync the documents of which the store remembers that they are synced.
func (m *Mirror) Resume(ctx context.Context) error {
	for one, err := range m.cfg.Documents.List(ctx) {
		if err == nil && one.Syncing {
			err = m.begin(ctx, one.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Sync syncs a document until it is cancelled, over restarts. It returns at once. Of a
// document that is synced already it looks again for what is missing, and does not wait
// until what has failed is tried again. The error is that of the store, a
// [*document.NotFoundError] among them, or [ErrClosed].
func (m *Mirror) Sync(ctx context.Context, id document.ID) error {
	if err := m.cfg.Documents.SetSyncing(ctx, id, true); err != nil {
		return err
	}
	return m.begin(ctx, id)
}

func (m *Mirror) begin(ctx context.Context, id document.ID) error {
	return ended(m.inbox.Send(ctx, begin{id}))
}

// Cancel ends the syncing of a document, and returns when nothing of it is under way any
// more. What has come stays. The error is that of the store, that of ctx, whereupon it
// ends all the same, a [*StuckError] when something has not ended in ten seconds, or
// [ErrClosed].
func (m *Mirror) Cancel(ctx context.Context, id document.ID) error {
	if err := m.cfg.Documents.SetSyncing(ctx, id, false); err != nil {
		return err
	}
	return m.await(ctx, func(reply chan<- error) request { return cancel{id, reply} })
}

// Wait returns when all that the policy of a document covers is here, as far as it was
// changed before the call. The error is [ErrNotSynced] when the document is not synced,
// or not any more, [ErrClosed], or that of ctx.
func (m *Mirror) Wait(ctx context.Context, id document.ID) error {
	return m.await(ctx, func(reply chan<- error) request { return wait{id, reply} })
}

// await sends a request and waits for what becomes of it, or for ctx.
func (m *Mirror) await(ctx context.Context, build func(reply chan<- error) request) error {
	result, err := actor.Await(ctx, m.inbox, build, func(reply chan<- error) request { return dismiss{reply} })
	if err != nil {
		return ended(err)
	}
	return result
}

// Status is how the syncing of a document is doing.
type Status struct {
	Syncing bool
	// Idle is whether a round has ended in which nothing failed, and nothing has changed
	// since: all that the policy covers is here.
	Idle   bool
	Active []Entry // under way, in the order of keys
	Done   uint64  // fetched since it was begun
	Failed uint64  // in this round or, between two, in the last
	// Failures are some of these, with the reasons, and Next is when they are tried again.
	Failures []Failure
	Next     time.Time
	Err      error // why what is missing could not be found; nil when it could
}

// Entry is an entry that is under way.
type Entry struct {
	document.Entry
	Bytes uint64 // that are here, as far as is known
}

// Failure is an entry that could not be fetched.
type Failure struct {
	Entry document.Entry
	Err   error
}

// Status returns how the syncing of a document is doing; the zero Status when it is not
// synced, and after Close. What the entries hold must not be changed.
func (m *Mirror) Status(id document.ID) Status {
	st, _ := actor.Ask(context.Background(), m.inbox, func(reply chan<- Status) request { return status{id, reply} })
	return st
}

// Load is how busy the actor is and what waits for it. It never waits for it.
func (m *Mirror) Load(now time.Time) actor.Load { return m.loop.Load(now) }

// Turn is how long the actor has been at work on what it last received.
func (m *Mirror) Turn(now time.Time) time.Duration { return m.loop.Turn(now) }
