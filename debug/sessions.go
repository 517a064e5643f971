package debug

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// stuckAfter is how long a session may wait for a block before something is said
// of it: longer than a tracker and a dial may take together.
const stuckAfter = 30 * time.Second

// Stuck reports whether the session waits for blocks and has got none for long.
func (s Session) Stuck(now time.Time) bool {
	last := s.LastBlock
	if last.IsZero() {
		last = s.Started
	}
	return s.Wants > 0 && !last.IsZero() && now.Sub(last) >= stuckAfter
}

// fetching is the page of the sessions.
type fetching struct {
	Open     int       `json:"open"`
	Sessions []Session `json:"sessions"`
	page
}

func (p *pages) sessions(ctx context.Context, q *query, _ *http.Request) (answer, error) {
	if p.Sessions == nil {
		return p.silent(q, "sessions", "Sessions")
	}
	all := p.Sessions.Sessions(ctx)
	f := fetching{Open: len(all), Sessions: all[:min(len(all), q.limit)], page: p.page(q, "sessions", "Sessions")}
	if f.Sessions == nil {
		f.Sessions = []Session{}
	}
	return answer{name: "sessions.html", html: f, json: f}, nil
}

// fetch is the page of one session.
type fetch struct {
	SessionDetail
	page
}

func (p *pages) session(ctx context.Context, q *query, r *http.Request) (answer, error) {
	if p.Sessions == nil {
		return p.silent(q, "sessions", "Session")
	}
	id := r.PathValue("id")
	d, ok := p.Sessions.Session(ctx, id)
	if !ok {
		return answer{}, &notFound{errors.New("no session " + plain(id) + " is open")}
	}
	d.Waiting, d.Tried = d.Waiting[:min(len(d.Waiting), q.limit)], d.Tried[:min(len(d.Tried), q.limit)]
	return answer{name: "session.html", html: fetch{d, p.page(q, "sessions", "Session "+plain(id))}, json: d}, nil
}
