package debug

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/souk-p2p/souk/ledger"
)

// column is a column that the list can be sorted by.
type column struct {
	key, title, tip string
	rising          bool                           // compare puts the lowest first
	compare         func(a, b *ledger.Receipt) int // the order of the first click
}

// columns are those of the table, from left to right.
var columns = []column{
	{"peer", "Peer", "peer ID, with a dot when it is connected, and what it calls itself", true, func(a, b *ledger.Receipt) int {
		return cmp.Compare(a.Peer, b.Peer) // as their texts, which take long to make
	}},
	{"down", "Down", "from the peer, mean of 10 s", false, most(func(r *ledger.Receipt) float64 { return r.Rates.Received10s })},
	{"up", "Up", "to the peer, mean of 10 s", false, most(func(r *ledger.Receipt) float64 { return r.Rates.Sent10s })},
	{"received", "Received", "verified block data and blocks from the peer", false, most(func(r *ledger.Receipt) uint64 { return r.BytesReceived })},
	{"sent", "Sent", "block data and blocks to the peer", false, most(func(r *ledger.Receipt) uint64 { return r.BytesSent })},
	{"debt", "Debt ratio", "bytes sent / (bytes received + 1); the bar shows received and sent", false, most(func(r *ledger.Receipt) float64 { return r.Value })},
	{"wants_received", "Wants in", "wants that the peer sent us", false, most(func(r *ledger.Receipt) uint64 { return r.WantsReceived })},
	{"wants_sent", "Wants out", "wants that we sent the peer", false, most(func(r *ledger.Receipt) uint64 { return r.WantsSent })},
	{"latency", "Latency", "smoothed time from a want to the first byte of its answer", true, byMeasure(func(r *ledger.Receipt) time.Duration { return r.Latency })},
	{"resolver_latency", "Resolver", "how a resolver measures the peer: its answers, and what it did not answer", true, byMeasure(func(r *ledger.Receipt) time.Duration { return r.Resolver })},
	{"throughput", "Throughput", "smoothed rate of verified data while it comes", false, most(func(r *ledger.Receipt) float64 { return r.Throughput })},
	{"duplicates", "Duplicates", "blocks that came when we had them", false, most(func(r *ledger.Receipt) uint64 { return r.Duplicates })},
	{"faults", "Faults", "what the peer did wrong", false, most(faults)},
	{"score", "Score", "0 to 1; 0.5 is a peer about which nothing is known", false, most(func(r *ledger.Receipt) float64 { return r.Score })},
	{"last", "Last block", "when a block last passed", false, func(a, b *ledger.Receipt) int { return b.LastExchange.Compare(a.LastExchange) }},
}

// most orders the highest value first.
func most[T cmp.Ordered](of func(*ledger.Receipt) T) func(a, b *ledger.Receipt) int {
	return func(a, b *ledger.Receipt) int { return cmp.Compare(of(b), of(a)) }
}

// byMeasure orders the lowest first and peers that were not measured last.
func byMeasure(of func(*ledger.Receipt) time.Duration) func(a, b *ledger.Receipt) int {
	const unmeasured = 1<<63 - 1
	return func(a, b *ledger.Receipt) int {
		return cmp.Compare(cmp.Or(of(a), unmeasured), cmp.Or(of(b), unmeasured))
	}
}

func faults(r *ledger.Receipt) uint64 {
	var n uint64
	for _, of := range r.Faults {
		n += of
	}
	return n
}

// columnOf returns the column that a sort parameter names.
func columnOf(sort string) (column, bool) {
	key := strings.TrimPrefix(sort, "-")
	i := slices.IndexFunc(columns, func(c column) bool { return c.key == key })
	if i < 0 {
		return column{}, false
	}
	return columns[i], true
}

// sorted returns the rows in the order that the query asks for. Where two are
// alike, the order of the source stays.
func (q *query) sorted(all []ledger.Receipt) ([]ledger.Receipt, error) {
	if q.sort == "" {
		return all, nil
	}
	c, ok := columnOf(q.sort)
	if !ok {
		return nil, fmt.Errorf("sort: no column %q", strings.TrimPrefix(q.sort, "-"))
	}
	order := make([]*ledger.Receipt, len(all)) // Rows are large to move.
	for i := range all {
		order[i] = &all[i]
	}
	slices.SortStableFunc(order, func(a, b *ledger.Receipt) int {
		if strings.HasPrefix(q.sort, "-") {
			return c.compare(b, a)
		}
		return c.compare(a, b)
	})
	rows := make([]ledger.Receipt, len(all))
	for i, r := range order {
		rows[i] = *r
	}
	return rows, nil
}

// condition is a state that rows can be filtered by.
type condition struct {
	Key, Title string
	is         func(*ledger.Receipt) bool
}

var states = []condition{
	{"", "all peers", func(*ledger.Receipt) bool { return true }},
	{"open", "connected", func(r *ledger.Receipt) bool { return r.Connected }},
	{"closed", "not connected", func(r *ledger.Receipt) bool { return !r.Connected }},
	{"busy", "moving data", func(r *ledger.Receipt) bool { return r.Rates.Received10s+r.Rates.Sent10s > 0 }},
	{"faulty", "with faults", func(r *ledger.Receipt) bool { return len(r.Faults) > 0 }},
}

// filtered returns the rows that the query asks for.
func (q *query) filtered(all []ledger.Receipt) ([]ledger.Receipt, error) {
	at := slices.IndexFunc(states, func(c condition) bool { return c.Key == q.state })
	if at < 0 {
		return nil, fmt.Errorf("state: %q is not open, closed, busy or faulty", q.state)
	}
	if q.state == "" && q.text == "" {
		return all, nil
	}
	text := strings.ToLower(q.text)
	rows := []ledger.Receipt{}
	for i := range all {
		if states[at].is(&all[i]) && has(&all[i], text) {
			rows = append(rows, all[i])
		}
	}
	return rows, nil
}

// has reports whether a peer's ID or agent contains text, which is in lower case.
func has(r *ledger.Receipt, text string) bool {
	return text == "" || strings.Contains(strings.ToLower(r.Agent), text) || strings.Contains(strings.ToLower(r.Peer.String()), text)
}

// heading is a column's head: a link that sorts by it.
type heading struct {
	Key, Title, Tip string
	Href            template.URL
	Sorted          string // "", "ascending" or "descending"
	Hidden          bool   // it shares the column of the latency
}

func (q *query) headings() []heading {
	hs := make([]heading, len(columns))
	for i, c := range columns {
		h := heading{Key: c.key, Title: c.title, Tip: c.tip, Href: q.with("sort", c.key), Hidden: c.key == "throughput" || c.key == "resolver_latency"}
		switch q.sort {
		case c.key:
			h.Sorted, h.Href = direction(c.rising), q.with("sort", "-"+c.key)
		case "-" + c.key:
			h.Sorted = direction(!c.rising)
		}
		hs[i] = h
	}
	return hs
}

func direction(rising bool) string {
	if rising {
		return "ascending"
	}
	return "descending"
}

// total sums up receipts.
func total(all []ledger.Receipt) ledger.Receipt {
	sum := ledger.Receipt{Faults: map[string]uint64{}}
	for i := range all {
		r := &all[i]
		sum.Counters.Add(&r.Counters)
		sum.Exchanged += r.Exchanged
		sum.Rates.Received10s += r.Rates.Received10s
		sum.Rates.Received1m += r.Rates.Received1m
		sum.Rates.Sent10s += r.Rates.Sent10s
		sum.Rates.Sent1m += r.Rates.Sent1m
		for fault, n := range r.Faults {
			sum.Faults[fault] += n
		}
		if r.LastExchange.After(sum.LastExchange) {
			sum.LastExchange = r.LastExchange
		}
	}
	sum.Value = float64(sum.BytesSent) / (float64(sum.BytesReceived) + 1)
	return sum
}

func connected(all []ledger.Receipt) int {
	n := 0
	for i := range all {
		if all[i].Connected {
			n++
		}
	}
	return n
}
