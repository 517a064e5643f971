package debug

import (
	"context"
	"errors"
	"net/http"
	"strconv"
)

// defaultNamespaces is how many namespaces a page shows. The tracker has to look
// at all of them to find the largest, so programs are not given all either.
const (
	defaultNamespaces = 50
	mostNamespaces    = 1000
)

// Tracker is what a node does as a tracker.
type Tracker struct {
	Namespaces int `json:"namespaces"`
	Announcers int `json:"announcers"`
	Rows       int `json:"rows"`
	Watches    int `json:"watches"`
	Bytes      int `json:"bytes"`  // of memory that the table takes
	Budget     int `json:"budget"` // that it may take

	Announced uint64            `json:"announced"`
	Touched   uint64            `json:"touched"`
	Queries   uint64            `json:"queries"`
	Answered  uint64            `json:"answered"` // rows in answers
	Feedback  uint64            `json:"feedback"`
	Probed    uint64            `json:"probed"`
	Expired   uint64            `json:"expired"`
	Evicted   uint64            `json:"evicted"`
	Refused   map[string]uint64 `json:"refused"` // by reason

	Top []Namespace `json:"top"` // those with the most rows, the largest first
}

// Namespace is what a tracker has and is asked about one namespace, or about one
// shard of it, which is where who has little of it is. Its name is whatever an
// announcer chose.
type Namespace struct {
	Name         string  `json:"name"`
	Shard        string  `json:"shard,omitempty"` // two hexadecimal digits, or empty for the whole
	Rows         int     `json:"rows"`
	Announcers   int     `json:"announcers"`
	Announces    uint64  `json:"announces"`
	Queries      uint64  `json:"queries"`
	AnnounceRate float64 `json:"announce_rate"` // a second, lately
	QueryRate    float64 `json:"query_rate"`    // a second, lately
}

// Full is the share of its memory that the table takes.
func (t Tracker) Full() string {
	return strconv.FormatFloat(100*float64(t.Bytes)/float64(max(t.Budget, 1)), 'f', 1, 64) + " %"
}

// refusals is how many were refused, for whatever reason.
func (t Tracker) refusals() (n uint64) {
	for _, of := range t.Refused {
		n += of
	}
	return n
}

// tracking is the page of the tracker.
type tracking struct {
	Tracker
	Refusals uint64
	page
}

// noTracker is what is said of a node that is none: it is no fault of the asker's.
const noTracker = "this node is no tracker: souk run --tracker makes it one"

func (p *pages) tracker(ctx context.Context, q *query, _ *http.Request) (answer, error) {
	if p.Tracker == nil {
		return answer{}, &notFound{errors.New(noTracker)}
	}
	t, ok := p.Tracker.Tracker(ctx, q.namespaces())
	if !ok {
		return answer{}, &notFound{errors.New(noTracker)}
	}
	return answer{
		name: "tracker.html", html: tracking{Tracker: t, Refusals: t.refusals(), page: p.page(q, "tracker", "Tracker")}, json: t,
	}, nil
}

// namespaces is how many of them are asked for.
func (q *query) namespaces() int {
	if q.values.Get("limit") == "" {
		return defaultNamespaces
	}
	return min(q.limit, mostNamespaces)
}
