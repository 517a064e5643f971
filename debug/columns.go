package debug

import (
	"cmp"
	"html/template"
	"slices"
	"strings"

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
	{"peer", "Peer", "peer ID, with a dot when it is connected", true, func(a, b *ledger.Receipt) int {
		return strings.Compare(a.Peer.String(), b.Peer.String())
	}},
	{"received", "Received", "verified block data and blocks from the peer", false, most(func(r *ledger.Receipt) uint64 { return r.BytesReceived })},
	{"sent", "Sent", "block data and blocks to the peer", false, most(func(r *ledger.Receipt) uint64 { return r.BytesSent })},
	{"debt", "Debt ratio", "bytes sent / (bytes received + 1); the bar shows received and sent", false, most(func(r *ledger.Receipt) float64 { return r.Value })},
	{"wants_received", "Wants in", "wants that the peer sent us", false, most(func(r *ledger.Receipt) uint64 { return r.WantsReceived })},
	{"wants_sent", "Wants out", "wants that we sent the peer", false, most(func(r *ledger.Receipt) uint64 { return r.WantsSent })},
	{"latency", "Latency", "smoothed time from a want to the first byte of its answer", true, byLatency},
	{"throughput", "Throughput", "smoothed rate of verified data", false, most(func(r *ledger.Receipt) float64 { return r.Throughput })},
	{"duplicates", "Duplicates", "blocks that came when we had them", false, most(func(r *ledger.Receipt) uint64 { return r.Duplicates })},
	{"faults", "Faults", "what the peer did wrong", false, most(faults)},
	{"score", "Score", "0 to 1; 0.5 is a peer about which nothing is known", false, most(func(r *ledger.Receipt) float64 { return r.Score })},
	{"last", "Last block", "when a block last passed", false, func(a, b *ledger.Receipt) int { return b.LastExchange.Compare(a.LastExchange) }},
}

// most orders the highest value first.
func most[T cmp.Ordered](of func(*ledger.Receipt) T) func(a, b *ledger.Receipt) int {
	return func(a, b *ledger.Receipt) int { return cmp.Compare(of(b), of(a)) }
}

// byLatency orders the lowest latency first and peers without one last.
func byLatency(a, b *ledger.Receipt) int {
	const unmeasured = 1<<63 - 1
	return cmp.Compare(cmp.Or(a.Latency, unmeasured), cmp.Or(b.Latency, unmeasured))
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

// rows sorts all as the query asks and returns those within the limit.
func (q *query) rows(all []ledger.Receipt) []ledger.Receipt {
	if c, ok := columnOf(q.sort); ok {
		slices.SortStableFunc(all, func(a, b ledger.Receipt) int {
			if strings.HasPrefix(q.sort, "-") {
				return c.compare(&b, &a)
			}
			return c.compare(&a, &b)
		})
	}
	if q.limit > 0 && len(all) > q.limit {
		all = all[:q.limit]
	}
	if all == nil {
		return []ledger.Receipt{} // An empty list in JSON, not null.
	}
	return all
}

// heading is a column's head: a link that sorts by it.
type heading struct {
	Key, Title, Tip string
	Href            template.URL
	Sorted          string // "", "ascending" or "descending"
}

func (q *query) headings() []heading {
	hs := make([]heading, len(columns))
	for i, c := range columns {
		h := heading{Key: c.key, Title: c.title, Tip: c.tip, Href: q.with("sort", c.key)}
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
