package blockrouter

import (
	"context"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/network"
)

// Received is a block on its way to a session. From is empty when the block was
// already here or was put by a caller of the API.
type Received struct {
	Block blocks.Block
	From  peer.ID
	At    time.Time
	Came  time.Duration // since the first byte of the message that brought it was read
}

// PeerCID names one CID at one peer.
type PeerCID struct {
	Peer peer.ID
	CID  cid.Cid
}

// Info is news for a link about the CIDs that it wants or listens for. Each is told in the order
// of the fields: a CID in Local and in Missing was here and has gone.
type Info struct {
	Blocks    []Received
	Presences map[PeerCID]bool  // true for HAVE, false for DONT_HAVE; the last word
	Local     []cid.Cid         // here, to be had with [Link.Load]
	Missing   []cid.Cid         // not here
	Failed    map[cid.Cid]error // the store could not say or could not read: asked from peers all the same
}

// request is what the inbox of the actor holds.
type request interface{ isRequest() }

type (
	openLink struct{ link *Link }
	want     struct {
		link *Link
		cids []cid.Cid
	}
	load struct {
		link *Link
		cids []cid.Cid
	}
	cancel struct {
		link *Link
		cids []cid.Cid
	}
	listen struct {
		link *Link
		to   PeerCID
	}
	cancelAll struct{ link *Link }
	put       struct{ blocks []blocks.Block }
	count     struct{ reply chan<- int }
)

func (openLink) isRequest()  {}
func (want) isRequest()      {}
func (load) isRequest()      {}
func (cancel) isRequest()    {}
func (listen) isRequest()    {}
func (cancelAll) isRequest() {}
func (put) isRequest()       {}
func (count) isRequest()     {}

// Link is one session's line to the router. Its methods may be used by one
// goroutine at a time; they block only while the router's inbox is full.
type Link struct {
	router *Router
	slot   *actor.Slot[Info]
}

// Open makes a link. It ends with [Link.CancelAll], after which its owner
// receives from [Link.C] until that is closed.
func (r *Router) Open(ctx context.Context) (*Link, error) {
	l := &Link{router: r, slot: actor.NewSlot[Info]()}
	if err := r.inbox.Send(ctx, openLink{l}); err != nil {
		return nil, err
	}
	return l, nil
}

// C delivers news about the CIDs that the link wants.
func (l *Link) C() <-chan Info { return l.slot.C() }

// Want registers the CIDs, then looks whether they are here: each is answered
// with Local, Missing or Failed, or with the block if that comes in between. The
// registration stays until the block was delivered or the want is cancelled. The
// router keeps cids, which must not be changed any more.
func (l *Link) Want(ctx context.Context, cids []cid.Cid) error {
	return l.router.inbox.Send(ctx, want{l, cids})
}

// Load asks for blocks that are wanted and were said to be Local. One that has
// gone since is answered with Missing, one that could not be read with Failed.
// The router keeps cids.
func (l *Link) Load(ctx context.Context, cids []cid.Cid) error {
	return l.router.inbox.Send(ctx, load{l, cids})
}

// Cancel withdraws wants. What the router has told before may still be on its
// way.
func (l *Link) Cancel(ctx context.Context, cids []cid.Cid) error {
	return l.router.inbox.Send(ctx, cancel{l, cids})
}

// Listen asks to be told what a peer says about a CID, with Presences. Nothing is
// wanted by that: a block with which the peer answers counts as a HAVE, and is
// delivered and stored only where others want it. It ends with CancelAll.
func (l *Link) Listen(ctx context.Context, to PeerCID) error {
	return l.router.inbox.Send(ctx, listen{l, to})
}

// CancelAll withdraws every want of the link, after which its channel is closed.
func (l *Link) CancelAll(ctx context.Context) error {
	return l.router.inbox.Send(ctx, cancelAll{l})
}

// Put gives blocks that are stored already to whoever waits for them, here and
// at peers. The blocks' bytes must hash to their CIDs. It blocks only while the
// inbox is full.
func (r *Router) Put(ctx context.Context, bs []blocks.Block) error {
	return r.inbox.Send(ctx, put{bs})
}

// ReceiveAnswers takes what a reader of Network decoded, and releases it once it
// is stored or dropped. It blocks while the inbox is full or too much waits to be
// stored. With an error a is the caller's to release.
func (r *Router) ReceiveAnswers(ctx context.Context, a network.Answers) error {
	return r.inbound.Send(ctx, a)
}

// Wanted is how many CIDs are wanted, each counted once however many links want it.
// The error is the context's or [actor.ErrClosed].
func (r *Router) Wanted(ctx context.Context) (int, error) {
	return actor.Ask(ctx, r.inbox, func(reply chan<- int) request { return count{reply} })
}

// Stat are the counters of the router.
type Stat struct {
	BlocksReceived, DataReceived     uint64 // from peers, duplicates included
	DupBlksReceived, DupDataReceived uint64 // of those, blocks that nobody here waited for any more
	StoreErrors                      uint64 // blocks delivered that the store refused
}

// Stat returns the counters as of the router's last event.
func (r *Router) Stat() Stat { return *r.stat.Get() }

// Busy is the time that the actor has spent at work.
func (r *Router) Busy() time.Duration { return r.loop.Busy() }

// Load is how busy the actor is and what waits for it. It never waits for it.
func (r *Router) Load(now time.Time) actor.Load { return r.loop.Load(now) }

// Depth is the number of requests that wait.
func (r *Router) Depth() int { return r.inbox.Depth() + r.inbound.Depth() }

// Turn is how long the actor has been at work on what it last received.
func (r *Router) Turn(now time.Time) time.Duration { return r.loop.Turn(now) }
