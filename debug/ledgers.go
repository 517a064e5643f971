package debug

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/ledger"
)

// listing is the page of all ledgers; what has a JSON name is its JSON form.
type listing struct {
	Self    peer.ID          `json:"self"`
	Stat    Stat             `json:"stat"`
	Rates   ledger.Rates     `json:"rates"`             // of all peers
	Peers   int              `json:"peers"`             // of whom there is a ledger
	Up      int              `json:"connected"`         // of those
	Found   int              `json:"found"`             // of those, as the query asks for them
	Ledgers []ledger.Receipt `json:"ledgers"`           // of those, within the limit
	Next    string           `json:"next,omitempty"`    // the cursor for those that come after
	Classes []souk.ClassStat `json:"classes,omitempty"` // when access rules make any

	Total   ledger.Receipt `json:"-"` // of those found
	First   int            `json:"-"` // place of the first row, from 1 on
	Columns []heading      `json:"-"`
	States  []condition    `json:"-"`
	page
}

func (p *pages) list(_ context.Context, q *query, _ *http.Request) (answer, error) {
	all := p.ledgers(q)
	found, err := q.filtered(all)
	if err == nil {
		found, err = q.sorted(found)
	}
	if err != nil {
		return answer{}, err
	}
	l := listing{
		Self: p.Source.Self(), Stat: p.Source.Stat(), Rates: total(all).Rates, Peers: len(all), Up: connected(all), Found: len(found),
		Total: total(found), Columns: q.headings(), States: states, page: p.page(q, "ledgers", "Ledgers"),
	}
	first, err := q.start(found)
	if err != nil {
		return answer{}, err
	}
	l.Classes = p.classes()
	end := min(first+q.limit, len(found))
	l.First, l.Ledgers = first+1, slices.Clip(found[first:end])
	if end < len(found) {
		l.Next = cursor(end, found[end-1].Peer)
	}
	if l.Ledgers == nil {
		l.Ledgers = []ledger.Receipt{} // An empty list in JSON, not null.
	}
	return answer{name: "ledgers.html", html: l, json: l}, nil
}

// classes are those that access rules make, with the one of everybody else, or none.
func (p *pages) classes() []souk.ClassStat {
	if p.Classes == nil {
		return nil
	}
	all := p.Classes.Classes()
	if len(all) < 2 {
		return nil
	}
	return all
}

// cursor names the last row of a page by its place and its peer.
func cursor(place int, last peer.ID) string { return strconv.Itoa(place) + "." + last.String() }

// start is the place of the first row after the cursor: behind the peer that was
// the last, wherever it is by now, and where it was when it has gone.
func (q *query) start(rows []ledger.Receipt) (int, error) {
	if q.after == "" {
		return 0, nil
	}
	text, id, _ := strings.Cut(q.after, ".")
	place, err := strconv.Atoi(text)
	last, wrong := peer.Decode(id)
	if err != nil || wrong != nil || place < 0 {
		return 0, fmt.Errorf("after: %q is no cursor that a page gave", q.after)
	}
	if at := slices.IndexFunc(rows, func(r ledger.Receipt) bool { return r.Peer == last }); at >= 0 {
		return at + 1, nil
	}
	return min(place, len(rows)), nil
}

// sheet is the page of one peer; what has a JSON name is its JSON form.
type sheet struct {
	ledger.Receipt
	Present  *souk.PeerStat `json:"present,omitempty"` // while it is connected
	Sent     *souk.WantPage `json:"our_wants,omitempty"`
	Received *souk.WantPage `json:"its_wants,omitempty"`

	Hour, Day *graph `json:"-"`
	page
}

// sheetWants is how many wants in each direction are on the page of a peer.
const sheetWants = 20

func (p *pages) one(ctx context.Context, q *query, r *http.Request) (answer, error) {
	id, err := peer.Decode(r.PathValue("peer"))
	if err != nil {
		return answer{}, errors.New("not a peer ID: " + plain(r.PathValue("peer")))
	}
	receipt, ok := p.Source.Ledger(id)
	if !ok {
		return answer{}, &notFound{errors.New("no ledger for " + id.String())}
	}
	s := sheet{Receipt: receipt, page: p.page(q, "ledgers", "Ledger of "+short(id))}
	if h := receipt.History; h != nil {
		s.Hour, s.Day = draw(h.Minutes, time.Minute), draw(h.HalfHours, 30*time.Minute)
	}
	if s.Present, err = p.connected(ctx, id); err != nil {
		return answer{}, err
	}
	if p.Wants != nil {
		s.Sent, s.Received, err = p.bothWants(ctx, souk.WantQuery{Peer: id, Limit: sheetWants})
	}
	return answer{name: "ledger.html", html: s, json: s}, err
}

// connected returns what is known of a peer while it is connected.
func (p *pages) connected(ctx context.Context, id peer.ID) (*souk.PeerStat, error) {
	if p.Peers == nil {
		return nil, nil
	}
	all, err := p.Peers.Peers(ctx)
	for i := range all {
		if all[i].Peer == id {
			return &all[i], err
		}
	}
	return nil, err
}
