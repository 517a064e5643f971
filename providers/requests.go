package providers

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// Query asks for peers that may have what is in a namespace.
type Query struct {
	Namespace string    // empty for none: then only CIDs say what is wanted, and trackers are not asked
	CIDs      []cid.Cid // a sample of what is wanted, for finders that know CIDs only; trackers are asked about the first
	Root      cid.Cid   // what was wanted first, of which the rest often are parts; may be undefined
	Most      int       // candidates that are wanted, at most 32
	Newcomers bool      // those announced just now are wanted, too: what trackers said counts for a second, not a minute

	// Key is what is wanted in a namespace whose keys are not CIDs, at most 64
	// bytes. Roles are what candidates must do. Both are for trackers.
	Key   []byte
	Roles record.Roles
}

// Rounds are the CIDs that a finder asks for which knows CIDs only: the root, and
// where that finds nobody the sample. Where not every block was provided the roots
// were.
func (q Query) Rounds() [][]cid.Cid {
	if !q.Root.Defined() || slices.Contains(q.CIDs, q.Root) {
		return [][]cid.Cid{q.CIDs}
	}
	return [][]cid.Cid{{q.Root}, q.CIDs}
}

// Candidates answers a query, in parts.
type Candidates struct {
	Peers []peer.AddrInfo // those found since the last part, best first
	Parts []peer.ID       // of those, who have announced that they hold a part only
	Done  bool            // no more follow
}

// add adds a candidate to those found.
func (c *Candidates) add(found candidate) {
	c.Peers = append(c.Peers, found.AddrInfo)
	if found.row != nil && !found.row.complete {
		c.Parts = append(c.Parts, found.ID)
	}
}

// request is what the inbox of the actor holds.
type request interface{ isRequest() }

type (
	openLink struct{ link *Link }
	find     struct {
		link  *Link
		query Query
	}
	served struct {
		namespace string
		peers     []peer.ID
	}
	judge struct {
		namespace string
		peers     []wire.Judgement
	}
	watching struct {
		link  *Link
		query Query
	}
	enough    struct{ link *Link }
	cancelAll struct{ link *Link }
)

// report is what a worker says.
type report interface{ isReport() }

type (
	found struct {
		query queryID
		peer  peer.AddrInfo
	}
	ended struct {
		query queryID
		err   error
	}
	answered struct {
		ask   askID
		reply reply
		err   error
	}
	noticed struct {
		sub   subID
		reply reply
	}
	unsubscribed struct {
		sub subID
		err error
	}
	delivered struct{ err error }
)

func (openLink) isRequest()  {}
func (find) isRequest()      {}
func (served) isRequest()    {}
func (judge) isRequest()     {}
func (watching) isRequest()  {}
func (enough) isRequest()    {}
func (cancelAll) isRequest() {}

func (found) isReport()        {}
func (ended) isReport()        {}
func (answered) isReport()     {}
func (noticed) isReport()      {}
func (unsubscribed) isReport() {}
func (delivered) isReport()    {}

// Link is one party's line to the directory. Its methods may be used by one
// goroutine at a time; they block only while the directory's inbox is full.
type Link struct {
	directory *Directory
	slot      *actor.Slot[Candidates]
}

// Open makes a link. It ends with [Link.CancelAll], after which its owner
// receives from [Link.C] until that is closed.
func (d *Directory) Open(ctx context.Context) (*Link, error) {
	l := &Link{directory: d, slot: actor.NewSlot[Candidates]()}
	if err := d.inbox.Send(ctx, openLink{l}); err != nil {
		return nil, err
	}
	return l, nil
}

// C delivers the candidates of the link's query.
func (l *Link) C() <-chan Candidates { return l.slot.C() }

// Find asks for candidates: peers that were useful in the namespace and are
// connected, what was found lately, then what trackers and after them finders
// name, as they do, each peer once and at most q.Most. Done comes once, with the
// last of them, and within Config.Timeout. Who asks the same again within a minute
// of the last time had no use for what is known, so then only the others are asked,
// and anew. So they are, about whatever, by who wants newcomers, once a second.
//
// While there are trackers, at most ten peers are named that are not connected, and
// of those whose addresses no tracker has verified two at a time: another follows
// when one of them is connected, judged, or ten seconds old.
//
// A second query while the first is in flight replaces it, and only the second is
// Done. The directory keeps q.CIDs.
func (l *Link) Find(ctx context.Context, q Query) error {
	return l.directory.inbox.Send(ctx, find{l, q})
}

// Served says that the peers have sent a verified block of the namespace.
func (l *Link) Served(ctx context.Context, namespace string, peers ...peer.ID) error {
	return l.directory.inbox.Send(ctx, served{namespace, peers})
}

// Judge says how candidates of the namespace turned out. Those that were dead or
// empty are named last for ten minutes, and the tracker that named a candidate is
// told within seconds. The directory keeps the judgements.
func (l *Link) Judge(ctx context.Context, namespace string, peers ...wire.Judgement) error {
	return l.directory.inbox.Send(ctx, judge{namespace, peers})
}

// Watch asks for candidates as they are announced to trackers, from now on. It takes
// the place of a query, and ends with [Link.Enough], another query, or
// [Link.CancelAll]: Done never comes. A peer comes again when it announces itself
// again. Of candidates that are not received the latest 64 are kept. q.Most means
// nothing.
func (l *Link) Watch(ctx context.Context, q Query) error {
	return l.directory.inbox.Send(ctx, watching{l, q})
}

// Enough ends the link's query: what it would still find is of no use any more.
// What was found before may still come, and [Link.Find] may be called again.
func (l *Link) Enough(ctx context.Context) error {
	return l.directory.inbox.Send(ctx, enough{l})
}

// CancelAll ends the link's query, after which its channel is closed.
func (l *Link) CancelAll(ctx context.Context) error {
	return l.directory.inbox.Send(ctx, cancelAll{l})
}

// Find returns at most most peers, and at most 32, that may have what is in the
// namespace; see [Directory.Search].
func (d *Directory) Find(ctx context.Context, namespace string, most int) ([]peer.AddrInfo, error) {
	return d.Search(ctx, Query{Namespace: namespace, Most: most})
}

// Search returns the candidates for a query as soon as there are q.Most or no more
// follow. When ctx ends first it returns those found until then with the context's
// error.
func (d *Directory) Search(ctx context.Context, q Query) ([]peer.AddrInfo, error) {
	l, err := d.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.CancelAll(context.WithoutCancel(ctx)) }() // Fails only when the directory has ended.
	if err := l.Find(ctx, q); err != nil {
		return nil, err
	}
	most := max(q.Most, 0)
	var all []peer.AddrInfo
	for {
		select {
		case c, open := <-l.C():
			all = append(all, c.Peers...)
			if c.Done || len(all) >= most {
				return all[:min(len(all), most)], nil
			}
			if !open {
				return all, actor.ErrClosed
			}
		case <-ctx.Done():
			return all, context.Cause(ctx)
		}
	}
}

// Watch returns a channel of peers that are announced for the namespace from now on.
// It is closed when ctx ends or the directory does. What is not received is kept as
// [Link.Watch] says.
func (d *Directory) Watch(ctx context.Context, namespace string) (<-chan peer.AddrInfo, error) {
	l, err := d.Open(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.Watch(ctx, Query{Namespace: namespace}); err != nil {
		return nil, errors.Join(err, l.CancelAll(context.WithoutCancel(ctx)))
	}
	peers := make(chan peer.AddrInfo)
	go l.follow(ctx, peers)
	return peers, nil
}

// follow passes candidates on until ctx or the link ends.
func (l *Link) follow(ctx context.Context, to chan<- peer.AddrInfo) {
	defer close(to)
	defer func() { _ = l.CancelAll(context.WithoutCancel(ctx)) }() // Fails only when the directory has ended.
	for {
		select {
		case c, open := <-l.C():
			if !open {
				return
			}
			for _, p := range c.Peers {
				select {
				case to <- p:
				case <-ctx.Done():
					return
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// Stat returns the counters as of the directory's last event. It never blocks.
func (d *Directory) Stat() Stat { return *d.stat.Get() }

// Busy is the time that the actor has spent at work.
func (d *Directory) Busy() time.Duration { return d.loop.Busy() }

// Load is how busy the actor is and what waits for it. It never waits for it.
func (d *Directory) Load(now time.Time) actor.Load { return d.loop.Load(now) }

// Depth is the number of requests that wait.
func (d *Directory) Depth() int { return d.inbox.Depth() }

// Turn is how long the actor has been at work on what it last received.
func (d *Directory) Turn(now time.Time) time.Duration { return d.loop.Turn(now) }
