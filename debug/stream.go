package debug

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/souk-p2p/souk/ledger"
)

const (
	// maxListeners is how many streams of events there are at a time: a few
	// people with a few tabs each. Everybody else asks again for the page.
	maxListeners = 16
	// Two seconds are often enough to see what moves, and seldom enough to read it.
	eventEvery = 2 * time.Second
	// After streamTime a stream ends and a browser opens it again, so that one
	// that was forgotten does not hold its place for ever.
	streamTime = 10 * time.Minute
)

// stream sends the page again and again, as server-sent events: as HTML to a
// page, which takes from it what may change, as JSON to programs.
func (p *pages) stream(w http.ResponseWriter, r *http.Request, q *query, make maker) {
	select {
	case p.listeners <- struct{}{}:
		defer func() { <-p.listeners }()
	default:
		w.Header().Set("Retry-After", "5")
		fail(w, r, http.StatusServiceUnavailable, "too many listen already: ask for the page again instead")
		return
	}
	if _, err := make(r.Context(), q, r); err != nil {
		fail(w, r, statusOf(err), err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	ctx, cancel := context.WithTimeout(r.Context(), streamTime)
	defer cancel()
	p.repeat(w, r.WithContext(ctx), q, make)
}

// repeat ends when the client has gone or does not read, with the server, when
// there is no such page any more, and with the context of the request.
func (p *pages) repeat(w http.ResponseWriter, r *http.Request, q *query, make maker) {
	every := time.NewTicker(max(eventEvery, time.Duration(q.refresh)*time.Second))
	defer every.Stop()
	for {
		a, err := make(r.Context(), q, r)
		if err != nil {
			return
		}
		body, err := a.event(q.html)
		if err != nil {
			return
		}
		allow(w, answerTime)
		if writeEvent(w, body) != nil {
			return
		}
		select {
		case <-r.Context().Done():
			allow(w, answerTime) // to end in order
			return
		case <-every.C:
		}
	}
}

func (a *answer) event(html bool) ([]byte, error) {
	if html {
		return render(a.name, a.html)
	}
	return json.Marshal(a.json)
}

// writeEvent sends one event. A line of its own begins each line of the data.
func writeEvent(w http.ResponseWriter, data []byte) error {
	var out bytes.Buffer
	out.WriteString("event: page\n")
	for line := range bytes.Lines(data) {
		out.WriteString("data: ")
		out.Write(bytes.TrimRight(line, "\r\n"))
		out.WriteByte('\n')
	}
	out.WriteByte('\n')
	if _, err := io.Copy(w, &out); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

// recentTime is how old the ledgers of a stream of events may be, so that many
// who listen cost the ledger no more than one.
const recentTime = time.Second

// recent keeps the last ledgers for streams of events.
type recent struct {
	mu   sync.Mutex
	at   time.Time
	rows []ledger.Receipt
}

// ledgers returns the account of each peer; nobody may change them.
func (p *pages) ledgers(q *query) []ledger.Receipt {
	if !q.events {
		return p.Source.Ledgers()
	}
	p.recent.mu.Lock()
	defer p.recent.mu.Unlock()
	if now := p.Now(); p.recent.rows == nil || now.Sub(p.recent.at) >= recentTime {
		p.recent.rows, p.recent.at = p.Source.Ledgers(), now
	}
	return p.recent.rows
}
