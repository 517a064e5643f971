package providers

import (
	"context"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
)

// Query asks for peers that may have what is in a namespace.
type Query struct {
	Namespace string    // empty for none: then only CIDs say what is wanted
	CIDs      []cid.Cid // a sample of what is wanted, for finders that know CIDs only
	Most      int       // candidates that are wanted, at most 32
}

// Candidates answers a query, in parts.
type Candidates struct {
	Peers []peer.AddrInfo // those found since the last part, best first
	Done  bool            // no more follow
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
	enough    struct{ link *Link }
	cancelAll struct{ link *Link }
)

// report is what a query says: that it has found a peer, or that it has ended.
type report struct {
	query queryID
	peer  peer.AddrInfo
	ended bool
	err   error
}

func (openLink) isRequest()  {}
func (find) isRequest()      {}
func (served) isRequest()    {}
func (enough) isRequest()    {}
func (cancelAll) isRequest() {}

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
// connected, what was found lately, then what the finders find, as they find it,
// each peer once and at most q.Most. Done comes once, with the last of them, and
// within Config.Timeout. Who asks the same again within a minute of the last time
// had no use for what is known, so then only the finders are asked, and anew.
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
// namespace, as soon as there are that many or no more follow. When ctx ends first it returns
// those found until then with the context's error.
func (d *Directory) Find(ctx context.Context, namespace string, most int) ([]peer.AddrInfo, error) {
	l, err := d.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.CancelAll(context.WithoutCancel(ctx)) }() // Fails only when the directory has ended.
	if err := l.Find(ctx, Query{Namespace: namespace, Most: most}); err != nil {
		return nil, err
	}
	most = max(most, 0)
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

// Busy is the time that the actor has spent at work.
func (d *Directory) Busy() time.Duration { return d.loop.Busy() }

// Depth is the number of requests that wait.
func (d *Directory) Depth() int { return d.inbox.Depth() }
