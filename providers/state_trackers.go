package providers

import (
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
)

// mostAsked is how many trackers are asked for one query at each level: those that
// announcers take, and as many again because announcers do not see the same ones
// alive.
const mostAsked = 2 * tracker.Replicas

// distrustFor is how long a tracker is passed over that shows what nobody signed:
// as long as one that does not answer is at most.
const distrustFor = 5 * time.Minute

// lookup is the way of a query down the ranks of trackers.
type lookup struct {
	order  []peer.ID // of all trackers, at this level
	asked  []peer.ID // at whatever level: whoever is asked answers with all that it has
	here   int       // of them, how many at this level
	open   int       // asks that were neither answered nor given up
	narrow bool      // this is the second level: that of the sample's shard
	heard  bool      // somebody has answered
	whole  bool      // somebody who has everything was named
	parked time.Time // until when it waits for room; zero when it does not
	over   bool
}

// setTrackers takes the trackers that there are.
func (s *state) setTrackers(now time.Time, all []client.Tracker) {
	s.see(now)
	clear(s.trackers)
	s.trackerIDs = nil
	for _, t := range all {
		s.trackers[t.ID] = t
		s.trackerIDs = append(s.trackerIDs, t.ID)
	}
	gone := func(id peer.ID, _ time.Time) bool {
		_, known := s.trackers[id]
		return !known
	}
	maps.DeleteFunc(s.distrusted, gone)
	maps.DeleteFunc(s.resting, gone)
	s.moveWatches(now)
}

// trackable reports whether trackers can be asked about a subject: it needs a name
// that follows their rules.
func (s *state) trackable(about subject) bool {
	return len(s.trackers) > 0 && len(about.key) <= record.MaxKey && record.Namespace(about.namespace).Check() == nil
}

// usable are those of the trackers in order that may be asked: those that are up
// or, when none is, those that are down.
func (s *state) usable(now time.Time, order []peer.ID) []peer.ID {
	var up, down []peer.ID
	for _, id := range order {
		t, known := s.trackers[id]
		switch {
		case !known || now.Before(s.distrusted[id]) || now.Before(s.resting[id]):
		case t.Down(now):
			down = append(down, id)
		default:
			up = append(up, id)
		}
	}
	if len(up) == 0 {
		return down
	}
	return up
}

// lookUp begins to ask trackers for a query, and reports whether it did: not when
// there is nobody to ask or nothing to be learnt.
func (s *state) lookUp(now time.Time, q *query, newcomers bool) bool {
	about, since := q.key.subject, now.Add(-cacheFor)
	if newcomers {
		since = now.Add(-newsFor)
	}
	if !s.trackable(about) || s.knowsAll(now, q.key, since) {
		return false
	}
	q.lookup = &lookup{order: tracker.Rank(tracker.Place{Namespace: about.namespace}, s.trackerIDs)}
	s.advance(now, q)
	return true
}

// advance asks the next tracker of a query for which too little has come, goes on
// to the second level when all were asked at the first, or ends the lookup.
func (s *state) advance(now time.Time, q *query) {
	k := q.lookup
	for len(q.found)+len(q.held) < q.key.most {
		next, any := s.next(now, k)
		switch {
		case any && len(s.asks) >= maxAsks:
			s.park(now, q)
			return
		case any:
			s.askTracker(now, q, next)
			return
		case k.open > 0:
			return
		case !s.narrow(q):
			s.lookedUp(now, q)
			return
		}
	}
	s.lookedUp(now, q)
}

// next is the tracker that a lookup asks next. It is the next by rank, but while
// another is asked that takes long, one of the first that is known to answer.
func (s *state) next(now time.Time, k *lookup) (peer.ID, bool) {
	if k.here >= mostAsked {
		return "", false
	}
	usable := s.usable(now, k.order)
	asked := func(id peer.ID) bool { return slices.Contains(k.asked, id) }
	if k.open > 0 {
		for _, id := range usable[:min(len(usable), tracker.Replicas)] {
			if !asked(id) && s.trackers[id].Latency > 0 {
				return id, true
			}
		}
	}
	for _, id := range usable {
		if !asked(id) {
			return id, true
		}
	}
	return "", false
}

// narrow takes a lookup to the second level, unless there is no reason: somebody
// has everything, or what is wanted has no place there.
func (s *state) narrow(q *query) bool {
	k, point := q.lookup, q.key.point()
	if k.narrow || k.whole || point == nil {
		return false
	}
	place := tracker.Place{Namespace: q.key.namespace, Narrow: true, Division: uint8(point.Shard())}
	k.order, k.here, k.narrow = tracker.Rank(place, s.trackerIDs), 0, true
	return true
}

// lookedUp ends a lookup: the finders follow. Asks that are open may yet be
// answered.
func (s *state) lookedUp(now time.Time, q *query) {
	q.lookup.over = true
	if q.lookup.heard {
		s.searched(now, q.key)
	}
	s.toFinders(now, q)
}
