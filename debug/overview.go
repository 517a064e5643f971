package debug

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// topTalkers is how many peers are named: more do not fit beside the rest.
const topTalkers = 5

// overview is the first page: what the node does, and what is wrong.
type overview struct {
	Self     peer.ID       `json:"self"`
	Version  string        `json:"version"`
	Uptime   time.Duration `json:"uptime_ns"`
	Stat     Stat          `json:"stat"`
	Rate     Rate          `json:"rate"`
	Peers    int           `json:"peers"`
	Up       int           `json:"connected"`
	Findings []Finding     `json:"findings"` // the worst first
	Down     []Row         `json:"top_down"` // who sends us most, lately
	Give     []Row         `json:"top_up"`   // who gets most of us, lately

	Sessions *int           `json:"sessions,omitempty"` // that are open
	Wants    *WantList      `json:"wants,omitempty"`
	Store    *Store         `json:"store,omitempty"`
	Busiest  *Actor         `json:"busiest,omitempty"`
	Trackers []TrackerState `json:"trackers,omitempty"`
	page
}

func (p *pages) overview(ctx context.Context, q *query, _ *http.Request) (answer, error) {
	rows := p.ledgers(q)
	now := p.Now()
	o := overview{
		Self: p.Source.Self(), Version: p.version(), Uptime: now.Sub(p.started), Stat: p.Source.Stat(), Rate: total(rows).Rate,
		Peers: len(rows), Up: connected(rows), page: p.page(q, "overview", "Overview"),
		Down: top(rows, func(r Rate) float64 { return r.Received10s }),
		Give: top(rows, func(r Rate) float64 { return r.Sent10s }),
	}
	found := findings{}
	found.peers(rows)
	p.askSessions(ctx, &o, &found)
	p.askActors(ctx, &o, &found)
	p.askStore(ctx, &o, &found)
	p.askTrackers(ctx, &o, &found)
	if p.Wants != nil {
		wants := p.Wants.Wants(ctx, WantQuery{})
		o.Wants = &wants
	}
	o.Findings = found.worstFirst()
	return answer{name: "overview.html", html: o, json: o}, nil
}

// top returns the peers with the highest rates above zero.
func top(rows []Row, of func(Rate) float64) []Row {
	busy := []Row{}
	for i := range rows {
		if of(rows[i].Rate) > 0 {
			busy = append(busy, rows[i])
		}
	}
	slices.SortStableFunc(busy, func(a, b Row) int { return cmp.Compare(of(b.Rate), of(a.Rate)) })
	return slices.Clip(busy[:min(len(busy), topTalkers)])
}

func (p *pages) askSessions(ctx context.Context, o *overview, found *findings) {
	if p.Sessions == nil {
		return
	}
	all := p.Sessions.Sessions(ctx)
	open := len(all)
	o.Sessions = &open
	found.sessions(all, p.Now())
}

func (p *pages) askActors(ctx context.Context, o *overview, found *findings) {
	if p.Actors == nil {
		return
	}
	all := p.Actors.Actors(ctx)
	found.actors(all)
	if len(all) > 0 {
		busiest := slices.MaxFunc(all, func(a, b Actor) int { return cmp.Compare(a.Saturation, b.Saturation) })
		o.Busiest = &busiest
	}
}

func (p *pages) askStore(ctx context.Context, o *overview, found *findings) {
	if p.Store == nil {
		return
	}
	s, err := p.Store.Store(ctx)
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
		found.refused(p.Refusals.Refused(ctx))
	}
	if p.Tracker == nil {
		return
	}
	if t, ok := p.Tracker.Tracker(ctx, 0); ok {
		found.table(t)
	}
}
