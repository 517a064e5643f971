package debug

import (
	"context"
	"fmt"
	"strings"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
)

// The directions of a want.
const (
	wantSent     = "sent"     // we want it of a peer
	wantReceived = "received" // a peer wants it of us
)

// mostWants is how many wants in each direction are answered with; a node may have
// millions.
const mostWants = 1000

// wanting is the page of the wants; what has a JSON name is its JSON form.
type wanting struct {
	Sent         *souk.WantPage `json:"sent,omitempty"`
	SentNext     string         `json:"sent_next,omitempty"` // cursor for those that come after
	Received     *souk.WantPage `json:"received,omitempty"`
	ReceivedNext string         `json:"received_next,omitempty"`
	page
}

func (p *pages) wants(ctx context.Context, q *query, of page) (any, error) {
	direction, asked, err := q.wants()
	if err != nil {
		return nil, err
	}
	w := wanting{page: of}
	w.Sent, w.Received, err = p.bothWants(ctx, asked)
	switch direction {
	case wantSent:
		w.Received = nil
	case wantReceived:
		w.Sent = nil
	}
	if w.Sent != nil {
		w.SentNext = place(w.Sent.Next)
	}
	if w.Received != nil {
		w.ReceivedNext = place(w.Received.Next)
	}
	return w, err
}

func (p *pages) bothWants(ctx context.Context, asked souk.WantQuery) (sent, received *souk.WantPage, err error) {
	ours, err := p.Wants.WantsSent(ctx, asked)
	if err != nil {
		return nil, nil, err
	}
	theirs, err := p.Wants.WantsReceived(ctx, asked)
	return &ours, &theirs, err
}

func (q *query) wants() (direction string, asked souk.WantQuery, err error) {
	asked.Limit = min(q.limit, mostWants)
	direction = q.values.Get("dir")
	switch direction {
	case "", wantSent, wantReceived:
	default:
		return "", asked, fmt.Errorf("dir: %q is not %s or %s", direction, wantSent, wantReceived)
	}
	if text := q.values.Get("peer"); text != "" {
		if asked.Peer, err = peer.Decode(text); err != nil {
			return "", asked, fmt.Errorf("peer: %q is not a peer ID", text)
		}
	}
	if q.after != "" {
		asked.After, err = placeOf(q.after)
	}
	return direction, asked, err
}

// place is a cursor as text; empty for none.
func place(c souk.WantCursor) string {
	if c == (souk.WantCursor{}) {
		return ""
	}
	return c.Peer.String() + "." + c.CID.String()
}

func placeOf(text string) (c souk.WantCursor, err error) {
	id, of, _ := strings.Cut(text, ".")
	c.Peer, err = peer.Decode(id)
	if err == nil {
		c.CID, err = cid.Decode(of)
	}
	if err != nil {
		return c, fmt.Errorf("after: %q is no cursor that a page gave", text)
	}
	return c, nil
}
