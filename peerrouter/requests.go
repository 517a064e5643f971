package peerrouter

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
)

// Status is what a link hears about a peer.
type Status uint8

// The statuses.
const (
	Available   Status = iota + 1 // connected, and speaks Bitswap
	Gone                          // was available and no longer is
	Unreachable                   // dialled for this link without success; dialled again later
	Denied                        // not to be asked for anything: see [Config.Denied]. Neither dialled nor available until that changes
)

// Info is news about peers: the last word for each.
type Info map[peer.ID]News

// News is the last word about one peer. Err says why it is unreachable.
type News struct {
	Status Status
	Err    error
}

// request is what the inbox of the actor holds.
type request interface{ isRequest() }

type (
	openLink struct{ link *Link }
	interest struct {
		link  *Link
		peers []peer.AddrInfo
	}
	cancel struct {
		link  *Link
		peers []peer.ID
	}
	cancelAll struct{ link *Link }
	watch     struct{ link *Link }
	count     struct{ reply chan<- int }
	decide    struct{}
)

// dialled is the result of a dial.
type dialled struct {
	peer peer.ID
	err  error
}

func (openLink) isRequest()  {}
func (interest) isRequest()  {}
func (cancel) isRequest()    {}
func (cancelAll) isRequest() {}
func (watch) isRequest()     {}
func (count) isRequest()     {}
func (decide) isRequest()    {}

// Link is one party's line to the router. Its methods may be used by one
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

// C delivers news about the peers that the link is interested in.
func (l *Link) C() <-chan Info { return l.slot.C() }

// Interest asks for news of the given peers: their present status, if there is
// one, comes at once. Peers that are not connected are dialled, at the addresses
// that were given last and those that the peerstore knows, and dialled again
// while there is interest. The router keeps peers.
func (l *Link) Interest(ctx context.Context, peers ...peer.AddrInfo) error {
	return l.router.inbox.Send(ctx, interest{l, peers})
}

// Cancel ends the interest in the given peers. What was heard of them is not kept
// up to date from then on, unless the link watches.
func (l *Link) Cancel(ctx context.Context, peers ...peer.ID) error {
	return l.router.inbox.Send(ctx, cancel{l, peers})
}

// Watch asks for news of every connected peer: those connected now come at
// once, then the changes. Those that are denied come as that.
func (l *Link) Watch(ctx context.Context) error {
	return l.router.inbox.Send(ctx, watch{l})
}

// CancelAll ends every interest and the watch of the link, after which its
// channel is closed.
func (l *Link) CancelAll(ctx context.Context) error {
	return l.router.inbox.Send(ctx, cancelAll{l})
}

// Decide asks [Config.Denied] anew about every peer, because its answer may have
// changed, and tells the links of those that it has changed for. The error is the
// context's or [actor.ErrClosed].
func (r *Router) Decide(ctx context.Context) error { return r.inbox.Send(ctx, decide{}) }

// Count returns how many peers the router keeps: those that are connected, and
// those that somebody is interested in. It is zero when ctx ends first and after
// the router has ended.
func (r *Router) Count(ctx context.Context) int {
	n, _ := actor.Ask(ctx, r.inbox, func(reply chan<- int) request { return count{reply} })
	return n
}

// Busy is the time that the actor has spent at work.
func (r *Router) Busy() time.Duration { return r.loop.Busy() }

// Load is how busy the actor is and what waits for it. It never waits for it.
func (r *Router) Load(now time.Time) actor.Load { return r.loop.Load(now) }

// Depth is the number of requests that wait.
func (r *Router) Depth() int { return r.inbox.Depth() }

// Turn is how long the actor has been at work on what it last received.
func (r *Router) Turn(now time.Time) time.Duration { return r.loop.Turn(now) }
