package providers

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
)

const (
	// mostUnverified is how many candidates are out whose addresses nobody has
	// verified. They may belong to somebody who does not expect us.
	mostUnverified = 2
	// unverifiedFor is after which time another one may follow: as long as a dial
	// to nowhere takes.
	unverifiedFor = 10 * time.Second
)

// offer takes a candidate into a query: it is named, or held back until there is
// room, or kept for when there is nobody else. Who announces itself is not judged
// by what was before.
func (s *state) offer(now time.Time, q *query, c candidate) {
	if q.over || q.full() || contains(q.found, c.ID) {
		return
	}
	useless := !q.key.watch && s.isUseless(now, q.key.namespace, c.ID)
	switch {
	case !q.key.watch && s.denies(c.ID):
		q.reserve = keep(q.reserve, c)
	case useless && s.verifiable(c):
		q.reserve = keep(q.reserve, c)
	case useless:
	case !s.admit(now, c):
		q.held = keep(q.held, c)
	default:
		s.name(q, c)
	}
}

// full reports whether a query has found as many as were asked for.
func (q *query) full() bool { return !q.key.watch && len(q.found) >= q.key.most }

func (s *state) name(q *query, c candidate) {
	q.held = slices.DeleteFunc(q.held, func(o candidate) bool { return o.ID == c.ID })
	if !q.key.watch {
		q.found = append(q.found, c)
	}
	for _, l := range slices.Clone(q.links) {
		s.pass(l, c)
	}
}

// keep adds a candidate to those that wait, of which there are no more than in an
// answer.
func keep(all []candidate, c candidate) []candidate {
	if len(all) >= mostCandidates || contains(all, c.ID) {
		return all
	}
	return append(all, c)
}

// lastResort names those that were of no use lately, because nobody else is left.
func (s *state) lastResort(q *query) {
	for _, c := range q.reserve {
		if q.over || q.full() {
			return
		}
		if !contains(q.found, c.ID) {
			s.name(q, c)
		}
	}
}

// verifiable reports whether a candidate may be dialled without asking who else
// is.
func (s *state) verifiable(c candidate) bool {
	return c.row == nil || c.row.verified || s.isConnected(c.ID)
}

// admit reports whether a candidate may be named now. One with unverified addresses
// only takes up room, once for all who are told of it.
func (s *state) admit(now time.Time, c candidate) bool {
	if s.verifiable(c) {
		return true
	}
	s.expireDials(now)
	if _, out := s.dialled[c.ID]; out {
		return true
	}
	if len(s.dialled) >= mostUnverified {
		return false
	}
	s.dialled[c.ID] = now.Add(unverifiedFor)
	return true
}

func (s *state) expireDials(now time.Time) {
	for p, until := range s.dialled {
		if !until.After(now) {
			delete(s.dialled, p)
		}
	}
}

// tried gives back the room of a candidate that was reached, or judged.
func (s *state) tried(p peer.ID) {
	delete(s.dialled, p)
	s.release(s.now)
}

// release names candidates that were held back, those of the oldest query first.
func (s *state) release(now time.Time) {
	if !s.holdsAny() {
		return
	}
	for _, q := range slices.Concat(s.ageing, s.watches) {
		if len(q.held) == 0 {
			continue
		}
		held := q.held
		q.held = nil
		for _, c := range held {
			s.offer(now, q, c)
		}
		if q.drained && !q.over && len(q.held) == 0 {
			s.finish(now, q)
		}
	}
}

// heldWake is when somebody who is held back may be named, or the zero time.
func (s *state) heldWake() time.Time {
	var at time.Time
	if s.holdsAny() {
		for _, until := range s.dialled {
			at = due.First(at, until)
		}
	}
	return at
}

func (s *state) holdsAny() bool {
	holds := func(q *query) bool { return len(q.held) > 0 }
	return slices.ContainsFunc(s.ageing, holds) || slices.ContainsFunc(s.watches, holds)
}
