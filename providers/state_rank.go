package providers

import (
	"cmp"
	"slices"
	"time"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// slow is the capacity in KiB/s below which a provider that declares it comes
// later: less than what a block of usual size takes a second for. More than that
// counts for nothing, because whoever wants to be asked would declare it.
const slow = 256

// row is what a tracker says of a provider, which has signed it. It does not change.
type row struct {
	ranges   record.Ranges
	complete bool // it has all of what the ranges cover
	verified bool // the tracker has seen it at one of its addresses
	capacity uint32
	sequence uint64
	score    wire.Score
	own      float64 // what we think of the provider ourselves
}

// whole reports whether a candidate says that it has everything.
func (c candidate) whole() bool { return c.row != nil && c.row.complete && c.row.ranges.Everything() }

// rank orders candidates, best first: those that are connected, then those that
// were seen at their addresses; of equal ones by what the tracker has heard, by
// what we know ourselves, and by what they are not able to do. What then is equal
// stays as the tracker had it.
func (s *state) rank(all []candidate) {
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(s.reach(a), s.reach(b)),
			cmp.Compare(standing(a.row.score), standing(b.row.score)),
			cmp.Compare(b.row.own, a.row.own),
			cmp.Compare(slowness(a.row.capacity), slowness(b.row.capacity)),
		)
	})
}

// reach is how far away a candidate is: connected, seen where it says it is, or
// perhaps somebody else.
func (s *state) reach(c candidate) int {
	switch {
	case s.isConnected(c.ID):
		return 0
	case c.row.verified:
		return 1
	}
	return 2
}

// standing puts a newcomer beside one of which good and bad was heard: it is to be
// tried.
func standing(score wire.Score) int {
	switch score {
	case wire.ScoreGood:
		return 0
	case wire.ScorePoor:
		return 2
	}
	return 1
}

func slowness(capacity uint32) int {
	if capacity > 0 && capacity < slow {
		return 1
	}
	return 0
}

// topic is what a tracker is asked about, beside the point.
type topic struct {
	namespace string
	key       string
	roles     record.Roles
}

func (a subject) topic() topic { return topic{a.namespace, a.key, a.roles} }

// point is where the sample lies, if there is one and keys are not what is asked for.
func (a subject) point() *record.Point {
	if p, ok := record.PointOf(a.sample); ok && a.key == "" {
		return &p
	}
	return nil
}

// mostListed is how many rows of a topic are kept: two answers of the longest kind.
const mostListed = 2 * mostCandidates

// listing is what trackers have said about a topic lately, for whatever point.
type listing struct {
	rows  []listed  // in the order in which they came
	asked time.Time // when trackers were asked until they had no more, or as many rows as wanted
	most  int       // how many were wanted then
}

type listed struct {
	candidate
	until time.Time
}

// learn keeps the rows of an answer. Of a provider the newer record counts.
func (s *state) learn(now time.Time, about topic, rows []candidate) {
	l, known := s.listings.get(about)
	if !known {
		l = &listing{}
	}
	s.listings.put(about, l)
	for _, c := range rows {
		at := slices.IndexFunc(l.rows, func(o listed) bool { return o.ID == c.ID })
		if at >= 0 && l.rows[at].row.sequence > c.row.sequence {
			continue
		}
		if at >= 0 {
			l.rows = slices.Delete(l.rows, at, at+1)
		}
		l.rows = append(l.rows, listed{c, now.Add(cacheFor)})
	}
	l.rows = slices.Delete(l.rows, 0, max(0, len(l.rows)-mostListed))
}

// listed are the rows of lately that cover a subject, best first.
func (s *state) listed(now time.Time, about subject) []candidate {
	l, known := s.listings.get(about.topic())
	if !known {
		return nil
	}
	var all []candidate
	point := about.point()
	for _, c := range l.rows {
		if now.Before(c.until) && (point == nil || c.row.ranges.Contains(*point)) {
			all = append(all, c.candidate)
		}
	}
	s.rank(all)
	return all
}

// searched notes that trackers were asked for all that they have, or have given as
// much as was wanted.
func (s *state) searched(now time.Time, k key) {
	if l, known := s.listings.get(k.topic()); known {
		if now.Before(l.asked.Add(cacheFor)) {
			l.most = max(l.most, k.most)
		} else {
			l.most = k.most
		}
		l.asked = now
	}
}

// knowsAll reports whether trackers were searched since then for as many, and somebody
// has everything: then another point is no reason to ask them again.
func (s *state) knowsAll(now time.Time, k key, since time.Time) bool {
	l, known := s.listings.get(k.topic())
	return known && l.asked.After(since) && k.most <= l.most && slices.ContainsFunc(l.rows, func(c listed) bool {
		return now.Before(c.until) && c.whole() && !s.isUseless(now, k.namespace, c.ID)
	})
}
