package announcer

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// request is what the inbox of the actor holds.
type request interface{ isRequest() }

type (
	announce struct {
		namespace record.Namespace
		holding   Holding
		reply     chan<- error
	}
	withdraw struct {
		namespace record.Namespace
		reply     chan<- error
	}
	dismiss struct{ reply chan<- error } // waits no longer
	leave   struct{ reply chan<- error }
	status  struct{ reply chan<- []Status }
)

func (announce) isRequest() {}
func (withdraw) isRequest() {}
func (dismiss) isRequest()  {}
func (leave) isRequest()    {}
func (status) isRequest()   {}

// result is what became of a call.
type result struct {
	id       callID
	refusals []wire.Refusal
	err      error
}

// Announce tells the trackers of a namespace that this node holds it, or what it
// holds of it now, and keeps them told until [Announcer.Withdraw] or
// [Announcer.Stop]. It returns when one tracker has taken it, with
// [ErrNoTrackers] or an [*Error] when each that was tried has failed, or with
// ctx; the announcer goes on in all these cases. After a [*FormError] or
// [ErrTooMany] nothing has changed.
//
// Holdings that follow each other quickly are announced every five seconds, the
// last of them for certain. One that is as it was costs no message.
func (a *Announcer) Announce(ctx context.Context, ns record.Namespace, h Holding) error {
	h, err := h.checked(ns)
	if err != nil {
		return err
	}
	return a.wait(ctx, func(reply chan<- error) request { return announce{ns, h, reply} })
}

// Withdraw takes back what was announced of a namespace, at every tracker that
// was told. It returns when each has taken it, or with an [*Error] when some have
// failed; they are tried a few times more while they may still have it. What is
// not announced needs no withdrawing. [ErrGivenUp] says that later withdrawals took
// the place of this one.
func (a *Announcer) Withdraw(ctx context.Context, ns record.Namespace) error {
	return a.wait(ctx, func(reply chan<- error) request { return withdraw{ns, reply} })
}

// wait sends a request and waits for what becomes of it, or for ctx.
func (a *Announcer) wait(ctx context.Context, build func(reply chan<- error) request) error {
	result, err := actor.Await(ctx, a.inbox, build, func(reply chan<- error) request { return dismiss{reply} })
	if err != nil {
		return err
	}
	return result
}

// Status is what one tracker was told of a namespace.
type Status struct {
	Namespace record.Namespace
	Tracker   peer.ID
	Sequence  uint64    // of the record that it has taken; zero for none
	Heard     time.Time // when it last said that it has it
	Next      time.Time // when it is told again; zero while another tracker has its place
	Err       error     // why it has not done what it was told last; nil when it has
}

// Status returns what each tracker was told of each namespace, in order. It is
// empty when ctx ends first and after the announcer has ended.
func (a *Announcer) Status(ctx context.Context) []Status {
	all, _ := actor.Ask(ctx, a.inbox, func(reply chan<- []Status) request { return status{reply} })
	return all
}

// Stat counts what an announcer has done. All but Namespaces only grow.
type Stat struct {
	Namespaces    int    // announced now
	Announcements uint64 // calls of each kind that were begun
	Withdrawals   uint64
	Touches       uint64
	Failures      uint64                // calls that had no answer
	Refused       [wire.NumCodes]uint64 // rows, by code
}

// Stat returns the counts of this moment.
func (a *Announcer) Stat() Stat { return *a.stat.Get() }

// Busy is the time that the actor has spent at work.
func (a *Announcer) Busy() time.Duration { return a.loop.Busy() }

// Load is how busy the actor is and what waits for it. It never waits for it.
func (a *Announcer) Load(now time.Time) actor.Load { return a.loop.Load(now) }

// Depth is the number of requests that wait.
func (a *Announcer) Depth() int { return a.inbox.Depth() }

// Turn is how long the actor has been at work on what it last received.
func (a *Announcer) Turn(now time.Time) time.Duration { return a.loop.Turn(now) }
