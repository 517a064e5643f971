package souk

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// The bounds of a [WantPage].
const (
	DefaultWants = 1_000
	MostWants    = 10_000
)

// WantQuery says which wants are asked for.
type WantQuery struct {
	Peer peer.ID // of or at this peer; empty for all
	// After is where the page begins: what the one before gave as its Next. Zero for
	// the first.
	After WantCursor
	Limit int // at most [MostWants]; 0 is [DefaultWants]
}

// WantCursor is a place in the list of wants, which is ordered by peer and CID.
type WantCursor struct {
	Peer peer.ID `json:"peer"`
	CID  cid.Cid `json:"cid"` // the last that was listed of the peer
}

// WantPage is a part of a list of wants. While it is read page by page wants come
// and go: each page is true at the moment when it is made.
type WantPage struct {
	Wants []WantStat `json:"wants"`
	Total int        `json:"total"`         // that match the query, on all pages
	Peers int        `json:"peers"`         // that have some of those
	Next  WantCursor `json:"next,omitzero"` // where the next page begins; zero after the last
}

// WantStat is one want of a peer, or of us at a peer.
type WantStat struct {
	Peer peer.ID `json:"peer"`
	CID  cid.Cid `json:"cid"`
	Kind string  `json:"kind"` // "block" or "have"

	Priority int32 `json:"priority"`
	// State is where it stands. Of what we want: "queued", "writing", "written" or
	// "answered DONT_HAVE". Of what a peer wants: "waiting" for room, "looking up",
	// "queued" to be sent, "reading", "sending", "answering", "absent" (it gets the
	// block when we do), or "store failed".
	State string `json:"state"`
	// Size of the block in bytes, where it is known.
	Size int `json:"size,omitempty"`
	// Age is how long ago it came from the peer; or was written to the peer and not
	// answered since, and else 0. It is exact to a second.
	Age time.Duration `json:"age_ns"`
}

// WantsSent lists what we want of peers. The error is the context's or [ErrClosed].
func (x *Exchange) WantsSent(ctx context.Context, q WantQuery) (WantPage, error) {
	return wantPage(ctx, q, x.wants.Wants, func(p peer.ID, after cid.Cid, most int) ([]WantStat, error) {
		return x.sentTo(ctx, p, after, most)
	})
}

// WantsReceived lists what peers want of us and have not got. The error is the
// context's or [ErrClosed].
func (x *Exchange) WantsReceived(ctx context.Context, q WantQuery) (WantPage, error) {
	return wantPage(ctx, q, x.engine.Wants, func(p peer.ID, after cid.Cid, most int) ([]WantStat, error) {
		return x.receivedFrom(ctx, p, after, most)
	})
}

func (x *Exchange) sentTo(ctx context.Context, p peer.ID, after cid.Cid, most int) ([]WantStat, error) {
	wants, err := x.wants.WantsAt(ctx, p, after, most)
	now, stats := time.Now(), make([]WantStat, len(wants))
	for i, w := range wants {
		stats[i] = WantStat{Peer: p, CID: w.CID, Kind: kind(w.Type), Priority: w.Priority, State: w.State, Age: age(now, w.Written)}
	}
	return stats, err
}

func (x *Exchange) receivedFrom(ctx context.Context, p peer.ID, after cid.Cid, most int) ([]WantStat, error) {
	wants, err := x.engine.WantsOf(ctx, p, after, most)
	now, stats := time.Now(), make([]WantStat, len(wants))
	for i, w := range wants {
		stats[i] = WantStat{
			Peer: p, CID: w.CID, Kind: kind(w.Type), Priority: w.Priority, State: w.State, Size: w.Size, Age: age(now, w.Came),
		}
	}
	return stats, err
}

func kind(t message.WantType) string {
	if t == message.WantHave {
		return "have"
	}
	return "block"
}

// age is how long ago something was, in whole seconds; 0 when it was not.
func age(now, then time.Time) time.Duration {
	if then.IsZero() {
		return 0
	}
	return max(now.Sub(then), 0).Truncate(time.Second)
}

// wantPage makes a page of lists, one for each peer. An actor is asked for one
// peer's at a time, and for no more than the page takes.
func wantPage(
	ctx context.Context, q WantQuery, count func(context.Context) (map[peer.ID]int, error),
	list func(p peer.ID, after cid.Cid, most int) ([]WantStat, error),
) (page WantPage, err error) {
	page.Wants = []WantStat{}
	counts, err := count(ctx)
	if err != nil {
		return page, ended(err)
	}
	if q.Peer != "" {
		counts = map[peer.ID]int{q.Peer: counts[q.Peer]}
	}
	limit := min(cmp.Or(max(q.Limit, 0), DefaultWants), MostWants)
	for _, p := range slices.Sorted(maps.Keys(counts)) {
		if counts[p] > 0 {
			page.Total += counts[p]
			page.Peers++
		}
		after := cid.Undef
		if p == q.After.Peer {
			after = q.After.CID
		}
		if p < q.After.Peer || !page.Next.isZero() || counts[p] == 0 {
			continue
		}
		part, err := list(p, after, limit-len(page.Wants)+1)
		if err != nil {
			return page, ended(err)
		}
		page.add(part, limit)
	}
	return page, nil
}

// add adds wants of one peer, of which there may be one more than the page takes.
func (p *WantPage) add(wants []WantStat, limit int) {
	p.Wants = append(p.Wants, wants...)
	if len(p.Wants) > limit {
		p.Wants = p.Wants[:limit]
		last := p.Wants[limit-1]
		p.Next = WantCursor{Peer: last.Peer, CID: last.CID}
	}
}

func (c WantCursor) isZero() bool { return c == WantCursor{} }
