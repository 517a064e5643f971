package debug

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/souk-p2p/souk"
)

const (
	// stuckAfter is how long a session may wait for a block before something is said
	// of it: longer than a tracker and a dial may take together.
	stuckAfter = 30 * time.Second
	// lookInto is how many sessions that wait for something are asked since when:
	// more are not opened at a time by anybody who looks at the page.
	lookInto = 64
	// listed is how many sessions are on a page.
	listed = 1000
)

// fetch is a session in a list.
type fetch struct {
	souk.SessionStat
	Waits time.Duration `json:"waits_ns,omitempty"` // for its oldest want, where nothing comes
	Stuck bool          `json:"stuck,omitempty"`    // for long
}

// fetching is the page of the sessions.
type fetching struct {
	Sessions []fetch `json:"sessions"`
	page
}

func (p *pages) sessions(ctx context.Context, q *query, of page) (any, error) {
	all, err := p.fetches(ctx, min(q.limit, listed))
	return fetching{all, of}, err
}

// fetches returns the open sessions, and of those that get nothing for how long.
func (p *pages) fetches(ctx context.Context, most int) ([]fetch, error) {
	all, err := p.Sessions.Sessions(ctx, 0, most)
	if err != nil {
		return nil, err
	}
	out, looked := make([]fetch, len(all)), 0
	for i, s := range all {
		out[i].SessionStat = s
		if !idle(s) || looked == lookInto {
			continue
		}
		looked++
		if d, ok := p.Sessions.Session(ctx, s.ID); ok {
			out[i].Waits = waits(d)
			out[i].Stuck = out[i].Waits >= stuckAfter
		}
	}
	return out, nil
}

// idle is whether a session waits for blocks and gets none.
func idle(s souk.SessionStat) bool {
	switch s.Doing {
	case "idle", "store", "transferring", "caller":
		return false
	}
	return s.WantsLeft > 0
}

// waits is how long a session that gets nothing has waited.
func waits(d souk.SessionDetail) time.Duration {
	if len(d.Oldest) == 0 || !idle(d.SessionStat) {
		return 0
	}
	return d.Oldest[0].Age
}

// trial is the page of one session.
type trial struct {
	souk.SessionDetail
	Stuck bool      `json:"-"`
	Times []portion `json:"-"`
	page
}

// portion is a part of the time of a session.
type portion struct {
	What string
	Time time.Duration
	Part float64
}

func (p *pages) session(ctx context.Context, q *query, r *http.Request) (answer, error) {
	if p.Sessions == nil {
		return p.silent(q, "sessions", "Session")
	}
	text := r.PathValue("id")
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return answer{}, errors.New("not the number of a session: " + plain(text))
	}
	d, ok := p.Sessions.Session(ctx, id)
	if !ok {
		return answer{}, &notFound{errors.New("no session " + text + " is open")}
	}
	t := trial{SessionDetail: d, Stuck: waits(d) >= stuckAfter, Times: portions(d.Spent), page: p.page(q, "sessions", "Session "+text)}
	return answer{name: "session.html", html: t, json: d}, nil
}

// portions are those that took any time, in the order of a fetch.
func portions(t souk.TimeSpent) []portion {
	all := []portion{
		{What: "our store was asked", Time: t.Store},
		{What: "the directory was asked", Time: t.Searching},
		{What: "peers were dialled", Time: t.Dialling},
		{What: "peers were asked and had sent nothing", Time: t.Answers},
		{What: "blocks were on their way", Time: t.Transferring},
		{What: "the caller had results to take", Time: t.Caller},
		{What: "there was nobody left to ask", Time: t.Nobody},
		{What: "nothing was wanted", Time: t.Idle},
	}
	var sum time.Duration
	spent := all[:0]
	for _, of := range all {
		sum += of.Time
		if of.Time > 0 {
			spent = append(spent, of)
		}
	}
	for i := range spent {
		spent[i].Part = float64(spent[i].Time) / float64(sum)
	}
	return spent
}
