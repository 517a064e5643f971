package providers

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

const (
	askTimeout = 2 * time.Second // of one ask: a dial over half the world and a lost packet
	maxAsks    = 256             // at the trackers at once; each is a goroutine

	// When the answer to an ask is late, and another tracker is asked as well:
	// after twice the usual time and some for jitter, within bounds. Of a tracker
	// that has not answered yet the connection may have to be opened.
	lateMargin  = 50 * time.Millisecond
	soonestLate = 100 * time.Millisecond
	latestLate  = time.Second
	lateUnknown = 500 * time.Millisecond
)

// askID stands for a question to a tracker.
type askID uint64

// ask is one question to one tracker.
type ask struct {
	id      askID
	query   *query
	tracker peer.ID
	late    time.Time // when another one is asked as well; zero when that was done
	until   time.Time // when it is given up
	over    bool      // it was given up
}

// asking is an ask that the shell is to make.
type asking struct {
	id      askID
	tracker peer.ID
	query   wire.Query
}

// reply is what came of an ask: rows that were verified, or nothing.
type reply struct {
	rows    []candidate
	more    bool // there are more that it may not tell
	token   string
	failed  bool // there was no answer
	refused bool
	again   time.Duration // when it is of use to ask again after a refusal
	lied    bool          // some rows were not what was asked for, or signed by nobody
}

// lateness is how long a tracker may take before another one is asked as well.
func (s *state) lateness(id peer.ID) time.Duration {
	usual := s.trackers[id].Latency
	if usual <= 0 {
		return lateUnknown
	}
	return max(soonestLate, min(min(usual, latestLate)*2+lateMargin, latestLate))
}

func (s *state) askTracker(now time.Time, q *query, id peer.ID) {
	q.lookup.asked = append(q.lookup.asked, id)
	q.lookup.here++
	a := s.put(now, q, id)
	a.late = now.Add(s.lateness(id))
}

// put makes an ask, whose answer nobody awaits before it is given up.
func (s *state) put(now time.Time, q *query, id peer.ID) *ask {
	q.lookup.open++
	s.lastAsk++
	a := &ask{id: s.lastAsk, query: q, tracker: id, until: now.Add(askTimeout)}
	s.asks = append(s.asks, a)
	s.stat.Asks++
	s.out.asks = append(s.out.asks, asking{a.id, id, wire.Query{
		About: q.key.about(), K: q.key.rows(), Seed: s.dice.Uint64() | 1,
	}})
	return a
}

// rows is how many rows a tracker is asked for.
func (k key) rows() int {
	if k.watch {
		return mostCandidates
	}
	return k.most
}

// about is the subject in the words of the protocol.
func (a subject) about() wire.About {
	return wire.About{Namespace: record.Namespace(a.namespace), Point: a.point(), Key: a.bytes(), Roles: a.roles}
}

// bytes are those of the key, or nil when there is none.
func (a subject) bytes() []byte {
	if a.key == "" {
		return nil
	}
	return []byte(a.key)
}

// answered takes what came of an ask. It may be late: then what it says serves
// those who ask next.
func (s *state) answered(now time.Time, id askID, r reply) {
	s.see(now)
	a := s.askOf(id)
	s.asks = without(s.asks, a)
	if !a.over {
		s.count(r)
		a.query.lookup.open--
	}
	s.doubt(now, a.tracker, r)
	if !r.failed && !r.refused {
		s.hear(now, a, r)
	}
	s.goOn(now, a.query)
	s.unpark(now)
}

// goOn lets a query ask another tracker, if it still looks for one.
func (s *state) goOn(now time.Time, q *query) {
	if !q.over && !q.lookup.over && q.lookup.parked.IsZero() {
		s.advance(now, q)
	}
}

func (s *state) askOf(id askID) *ask {
	return s.asks[slices.IndexFunc(s.asks, func(a *ask) bool { return a.id == id })]
}

func (s *state) count(r reply) {
	switch {
	case r.failed:
		s.stat.Failed++
	case r.refused:
		s.stat.Refused++
	case len(r.rows) == 0:
		s.stat.Empty++
	}
}

// doubt passes a tracker over for a while that has shown what nobody signed, or that
// does not want to be asked.
func (s *state) doubt(now time.Time, id peer.ID, r reply) {
	if r.lied {
		s.stat.Lied++
		s.distrusted[id] = now.Add(distrustFor)
		s.moveWatches(now)
	}
	if r.again > 0 {
		s.resting[id] = now.Add(min(r.again, distrustFor))
	}
}

// hear takes the rows of an answer into the query that asked, and keeps them for
// others.
func (s *state) hear(now time.Time, a *ask, r reply) {
	q := a.query
	s.learn(now, q.key.topic(), r.rows)
	s.gave(q.key.namespace, a.tracker, r)
	s.rank(r.rows)
	for _, c := range r.rows {
		s.offer(now, q, c)
	}
	q.lookup.heard = true
	q.lookup.whole = q.lookup.whole || slices.ContainsFunc(q.found, candidate.whole)
	if len(r.rows) >= q.key.rows() {
		s.searched(now, q.key)
	}
}

// lateAsks asks another tracker where one takes longer than usual, and gives up
// those that take too long.
func (s *state) lateAsks(now time.Time) {
	for _, a := range slices.Clone(s.asks) {
		switch {
		case a.over:
		case !a.until.After(now):
			a.over = true
			a.query.lookup.open--
			s.stat.Failed++
			s.goOn(now, a.query)
		case !a.late.IsZero() && !a.late.After(now):
			a.late = time.Time{}
			asked := s.stat.Asks
			s.goOn(now, a.query)
			s.stat.Hedges += s.stat.Asks - asked
		}
	}
}

// askWake is when an ask is late or given up, or the zero time.
func (s *state) askWake() time.Time {
	var at time.Time
	for _, a := range s.asks {
		if !a.over {
			at = due.First(at, a.late, a.until)
		}
	}
	for _, q := range s.parked {
		at = due.First(at, q.lookup.parked)
	}
	return at
}

// park lets a query wait for room among the asks, but no longer than an answer
// would take.
func (s *state) park(now time.Time, q *query) {
	q.lookup.parked = now.Add(askTimeout)
	s.parked = append(s.parked, q)
}

// unpark goes on with the queries for which there is room, and lets the finders
// have those that have waited for too long.
func (s *state) unpark(now time.Time) {
	for len(s.parked) > 0 {
		q := s.parked[0]
		room := len(s.asks) < maxAsks
		if !room && q.lookup.parked.After(now) {
			return
		}
		s.parked = slices.Delete(s.parked, 0, 1)
		q.lookup.parked = time.Time{}
		if room {
			s.advance(now, q)
		} else {
			s.lookedUp(now, q)
		}
	}
}
