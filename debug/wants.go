package debug

import (
	"context"
	"fmt"
	"net/http"

	"github.com/libp2p/go-libp2p/core/peer"
)

// mostWants is how many wants are answered with; a node may have millions.
const mostWants = 1000

// wanting is the page of the wants.
type wanting struct {
	WantList
	page
}

func (p *pages) wants(ctx context.Context, q *query, _ *http.Request) (answer, error) {
	if p.Wants == nil {
		return p.silent(q, "wants", "Wants")
	}
	asked, err := q.wants()
	if err != nil {
		return answer{}, err
	}
	list := p.Wants.Wants(ctx, asked)
	if list.Wants == nil {
		list.Wants = []Want{}
	}
	return answer{name: "wants.html", html: wanting{list, p.page(q, "wants", "Wants")}, json: list}, nil
}

func (q *query) wants() (WantQuery, error) {
	asked := WantQuery{Direction: q.values.Get("dir"), Most: min(q.limit, mostWants)}
	switch asked.Direction {
	case "", WantSent, WantReceived:
	default:
		return asked, fmt.Errorf("dir: %q is not %s or %s", asked.Direction, WantSent, WantReceived)
	}
	text := q.values.Get("peer")
	if text == "" {
		return asked, nil
	}
	id, err := peer.Decode(text)
	if err != nil {
		return asked, fmt.Errorf("peer: %q is not a peer ID", text)
	}
	asked.Peer = id
	return asked, nil
}
