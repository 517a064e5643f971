package debug

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/ledger"
)

// storeTime is how long the first page waits for the size of the store, which may
// have to be counted the first time.
const storeTime = 100 * time.Millisecond

// topTalkers is how many peers are named: more do not fit beside the rest.
const topTalkers = 5

// overview is the first page: what the node does, and what is wrong.
type overview struct {
	Self     peer.ID          `json:"self"`
	Version  string           `json:"version"`
	Uptime   time.Duration    `json:"uptime_ns"`
	Stat     Stat             `json:"stat"`
	Rates    ledger.Rates     `json:"rates"`
	Peers    int              `json:"peers"`
	Up       int              `json:"connected"`
	Findings []Finding        `json:"findings"` // the worst first
	Down     []ledger.Receipt `json:"top_down"` // who sends us most, lately
	Give     []ledger.Receipt `json:"top_up"`   // who gets most of us, lately

	Sessions *int            `json:"sessions,omitempty"` // that are open
	Wants    *wantCounts     `json:"wants,omitempty"`
	Store    *Store          `json:"store,omitempty"`
	Busiest  *souk.ActorStat `json:"busiest,omitempty"`
	Trackers []TrackerState  `json:"trackers,omitempty"`
	page
}

func (p *pages) overview(ctx context.Context, q *query, _ *http.Request) (answer, error) {
	rows := p.ledgers(q)
	now := p.Now()
	o := overview{
		Self: p.Source.Self(), Version: p.version(), Uptime: now.Sub(p.started), Stat: p.Source.Stat(), Rates: total(rows).Rates,
		Peers: len(rows), Up: connected(rows), page: p.page(q, "overview", "Overview"),
		Down: top(rows, func(r ledger.Rates) float64 { return r.Received10s }),
		Give: top(rows, func(r ledger.Rates) float64 { return r.Sent10s }),
	}
	found := findings{}
	if p.Draining != nil && p.Draining() {
		found.add(note, "/debug/wants?dir=received", "The node drains: it finishes what peers were promised, and then ends.")
	}
	found.peers(rows)
	p.askSessions(ctx, &o, &found)
	p.askActors(&o, &found)
	p.askWants(ctx, &o)
	p.askStore(ctx, &o, &found)
	p.askTrackers(ctx, &o, &found)
	p.askResolvers(ctx, &found)
	p.askDownloads(ctx, &found)
	o.Findings = found.worstFirst()
	return answer{name: "overview.html", html: o, json: o}, nil
}

// top returns the peers with the highest rates above zero.
func top(rows []ledger.Receipt, of func(ledger.Rates) float64) []ledger.Receipt {
	busy := []ledger.Receipt{}
	for i := range rows {
		if of(rows[i].Rates) > 0 {
			busy = append(busy, rows[i])
		}
	}
	slices.SortStableFunc(busy, func(a, b ledger.Receipt) int { return cmp.Compare(of(b.Rates), of(a.Rates)) })
	return slices.Clip(busy[:min(len(busy), topTalkers)])
}

func (p *pages) askSessions(ctx context.Context, o *overview, found *findings) {
	if p.Sessions == nil {
		return
	}
	all, err := p.fetches(ctx, listed)
	if err != nil {
		return // Whoever asked is gone, or the node is closing.
	}
	open := len(all)
	o.Sessions = &open
	found.sessions(all)
}

// wantCounts is how many wants there are.
type wantCounts struct {
	Sent     int `json:"sent"`     // ours, at peers
	Received int `json:"received"` // of peers
}

func (p *pages) askWants(ctx context.Context, o *overview) {
	if p.Wants == nil {
		return
	}
	if ours, theirs, err := p.bothWants(ctx, souk.WantQuery{Limit: 1}); err == nil {
		o.Wants = &wantCounts{ours.Total, theirs.Total}
	}
}

func (p *pages) askActors(o *overview, found *findings) {
	if p.Actors == nil {
		return
	}
	all := p.Actors.Actors()
	found.actors(all)
	if len(all) > 0 {
		busiest := slices.MaxFunc(all, func(a, b souk.ActorStat) int { return cmp.Compare(a.Saturation10s, b.Saturation10s) })
		o.Busiest = &busiest
	}
}

func (p *pages) askStore(ctx context.Context, o *overview, found *findings) {
	if p.Store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	s, err := p.Store.Store(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return // It is being counted.
	}
	if err != nil {
		found.add(bad, "/debug/", "The store does not answer: %v", err)
		return
	}
	o.Store = &s
	found.store(s)
}

func (p *pages) askTrackers(ctx context.Context, o *overview, found *findings) {
	if p.Trackers != nil {
		o.Trackers = p.Trackers.Trackers(ctx)
		found.trackers(o.Trackers)
	}
	if p.Refusals != nil {
		found.refused(p.Refusals.Refused())
	}
	if p.Tracker == nil {
		return
	}
	if t, ok := p.Tracker.Tracker(ctx, 0); ok {
		found.table(t)
	}
}

func (p *pages) askResolvers(ctx context.Context, found *findings) {
	if p.Services == nil {
		return
	}
	if all, err := p.resolvings(ctx, mostResolved); err == nil { // Else whoever asked is gone.
		found.resolvers(all)
	}
}

func (p *pages) askDownloads(ctx context.Context, found *findings) {
	if p.Downloads == nil {
		return
	}
	if some, err := p.Downloads.Documents(ctx, DownloadQuery{Most: mostDocuments}); err == nil { // Else whoever asked is gone.
		found.documents(some.Documents)
	}
}
