package ledger

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
)

// The bounds of what is kept of what peers say of themselves.
const (
	mostAgent     = 128 // bytes; what is in use takes 20 to 60
	mostAddresses = 4   // of one peer: both transports over both versions of IP
	mostAddress   = 256 // bytes; twice the longest that is in use
)

// Row is one account, or the sum of all, as it is kept over restarts.
type Row struct {
	Version int     `json:"v"`
	Peer    peer.ID `json:"peer,omitempty"` // empty for the sum of all
	Counters
	Faults map[string]uint64 `json:"faults,omitempty"`

	Penalty    float64   `json:"penalty,omitempty"`
	PenaltyAt  time.Time `json:"penalty_at,omitzero"`
	Throughput float64   `json:"throughput,omitempty"`

	FirstSeen    time.Time `json:"first_seen,omitzero"`
	LastSeen     time.Time `json:"last_seen,omitzero"`
	LastExchange time.Time `json:"last_exchange,omitzero"`
	LastActive   time.Time `json:"last_active,omitzero"`

	Agent     string   `json:"agent,omitempty"`
	Addresses []string `json:"addresses,omitempty"`
	History   *cells   `json:"history,omitempty"`

	connected bool // not kept: after a restart nobody is
}

// cells are those of a history with something in them: when, received and sent.
type cells struct {
	Minutes   [][3]float64 `json:"minutes,omitempty"`
	HalfHours [][3]float64 `json:"half_hours,omitempty"`
}

// rowVersion is that of the rows that are written.
const rowVersion = 1

// unkept lists whose rows are to be written, and whose are to be removed.
type unkept struct{ changed, gone []peer.ID }

// At the last time those who are connected are among them: until when, is news.
func (s *state) unkept(last bool) unkept {
	var u unkept
	for p, a := range s.accounts {
		if (a.changed || last && a.connected) && a.lasting() {
			u.changed = append(u.changed, p)
		}
	}
	slices.Sort(u.changed)
	u.gone = slices.Sorted(maps.Keys(s.gone))
	return u
}

// rows returns the rows of peers, which count as written from now on, and takes
// others as removed. The sum of all comes last.
func (s *state) rows(now time.Time, changed, gone []peer.ID) []Row {
	rows := make([]Row, 0, len(changed)+1)
	for _, p := range changed {
		if a := s.accounts[p]; a != nil && a.lasting() {
			a.changed, a.kept = false, true
			delete(s.gone, p)
			rows = append(rows, a.row(now, p))
		}
	}
	for _, p := range gone {
		delete(s.gone, p)
	}
	return append(rows, s.sum.row(now, ""))
}

// lost takes back that rows were written or removed.
func (s *state) lost(changed, gone []peer.ID) {
	for _, p := range changed {
		if a := s.accounts[p]; a != nil {
			a.changed = true
		}
	}
	for _, p := range gone {
		if s.accounts[p] == nil {
			s.gone[p] = struct{}{}
		}
	}
}

// drop removes an account, and its row if it has one.
func (s *state) drop(p peer.ID, a *account) {
	s.retag(p, a, 0)
	delete(s.accounts, p)
	if a.kept {
		s.gone[p] = struct{}{}
	}
}

func (a *account) row(now time.Time, p peer.ID) Row {
	return Row{
		Version: rowVersion, Peer: p, Counters: a.Counters, Faults: a.faultsByName(),
		Penalty: a.penalty, PenaltyAt: a.penaltyAt, Throughput: a.throughput,
		FirstSeen: a.firstSeen, LastSeen: a.seen(now), LastExchange: a.lastExchange, LastActive: a.lastActive,
		Agent: a.agent, Addresses: a.addresses, History: a.history.cells(), connected: a.connected,
	}
}

// restore brings an account back. It reports false for a row that says what cannot
// be.
func (s *state) restore(r *Row) bool {
	if !r.sound() {
		return false
	}
	a := &account{
		Counters: r.Counters, penalty: r.Penalty, penaltyAt: r.PenaltyAt, throughput: r.Throughput,
		firstSeen: r.FirstSeen, lastSeen: r.LastSeen, since: r.LastSeen, lastExchange: r.LastExchange, lastActive: r.LastActive,
		kept: true,
	}
	a.meet(r.Agent, r.Addresses)
	a.history = r.History.history()
	for name, n := range r.Faults {
		if f := faultNamed(name); f != 0 && n > 0 {
			a.setFault(f, n)
		}
	}
	if r.Peer == "" {
		s.sum = *a
		return true
	}
	if s.accounts[r.Peer] != nil || !a.lasting() {
		return false
	}
	s.accounts[r.Peer] = a
	if a.stranger() {
		s.alien++
	}
	s.changed = true
	s.evict()
	return true
}

// restoreAll brings accounts back, and returns how many rows say what cannot be.
func (s *state) restoreAll(rows []Row) (damaged int) {
	for i := range rows {
		if !s.restore(&rows[i]) {
			damaged++
		}
	}
	return damaged
}

// sound reports whether a row says what an account may hold.
func (r *Row) sound() bool {
	positive := func(x float64) bool { return x >= 0 && !math.IsInf(x, 0) }
	return r.Version == rowVersion && positive(r.Penalty) && r.Penalty <= worstPenalty && positive(r.Throughput)
}

func (a *account) setFault(f message.Fault, n uint64) {
	if a.faults == nil {
		a.faults = make(map[message.Fault]uint64)
	}
	a.faults[f] = n
}

// faultNamed is the fault of a name, or 0.
func faultNamed(name string) message.Fault {
	for f := message.Fault(1); int(f) < message.NumFaults; f++ {
		if f.String() == name {
			return f
		}
	}
	return 0
}

// introduce notes what a peer calls itself and where it is connected.
func (s *state) introduce(p peer.ID, agent string, addresses []string) {
	if a := s.accounts[p]; a != nil {
		a.meet(agent, addresses)
	}
}

func (a *account) meet(agent string, addresses []string) {
	if agent != "" {
		a.agent = bounded(agent, mostAgent)
	}
	if len(addresses) == 0 {
		return
	}
	a.addresses = make([]string, 0, min(len(addresses), mostAddresses))
	for _, at := range addresses[:min(len(addresses), mostAddresses)] {
		a.addresses = append(a.addresses, bounded(at, mostAddress))
	}
}

// bounded is a text in valid UTF-8, cut where it is longer than most bytes.
func bounded(text string, most int) string {
	return strings.Clone(strings.ToValidUTF8(text[:min(len(text), most)], ""))
}

func (h *history) cells() *cells {
	if h == nil {
		return nil
	}
	return &cells{
		Minutes:   filled(h.minutes[:], h.minute),
		HalfHours: filled(h.halfHours[:], h.halfHour),
	}
}

func filled(of []cell, last int64) [][3]float64 {
	var told [][3]float64
	for i := range of {
		at := last - int64(len(of)-1-i)
		if c := of[(at+int64(len(of)))%int64(len(of))]; c != (cell{}) {
			told = append(told, [3]float64{float64(at), float64(c.received), float64(c.sent)})
		}
	}
	return told
}

// history brings a history back, or nil when there is none.
func (c *cells) history() *history {
	if c == nil {
		return nil
	}
	h := new(history)
	fill(h.minutes[:], &h.minute, c.Minutes)
	fill(h.halfHours[:], &h.halfHour, c.HalfHours)
	return h
}

// fill puts cells where they belong. What lies before 1970 or cannot be a number of
// bytes is left out.
func fill(into []cell, last *int64, from [][3]float64) {
	n := int64(len(into))
	for _, c := range from[:min(len(from), len(into))] {
		at := int64(c[0])
		if c[0] < 0 || c[0] > math.MaxInt32 || c[1] < 0 || c[2] < 0 || at < *last {
			continue
		}
		turn(into, last, at)
		into[at%n] = cell{float32(c[1]), float32(c[2])}
	}
}
