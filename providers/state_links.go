package providers

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// link is what one party has asked last.
type link struct {
	subject subject
	at      time.Time
	query   *query // nil when nothing is to come
	most    int
	seen    map[peer.ID]struct{} // what it was told
	dials   int                  // of those, how many were not connected, while there are trackers
}

func (s *state) open(l linkID) { s.links[l] = &link{} }

func (s *state) cancelAll(l linkID) {
	mine, open := s.links[l]
	if !open {
		return
	}
	s.leave(l, mine)
	delete(s.links, l)
	s.out.closed = append(s.out.closed, l)
}

// enough takes a link from its query. What the link had was of use, so that it is
// told of it again.
func (s *state) enough(l linkID) {
	if mine, open := s.links[l]; open {
		s.leave(l, mine)
		*mine = link{}
	}
}

// find answers at once with what is known, and asks others when that is too
// little, or when the link has just asked the same: then what is known was of no
// use to it, and of the others it hears everything.
func (s *state) find(now time.Time, l linkID, q Query) {
	s.see(now)
	mine, open := s.links[l]
	if !open {
		return
	}
	k := keyOf(q)
	if mine.query != nil && mine.query.key == k {
		return // Its answer is on the way.
	}
	s.leave(l, mine)
	others := s.finders || s.trackable(k.subject)
	again := others && mine.subject == k.subject && now.Before(mine.at.Add(cacheFor))
	*mine = link{subject: k.subject, at: now, most: k.most, seen: make(map[peer.ID]struct{})}
	var known Candidates
	if again {
		s.forget(k.subject)
	} else {
		known = s.known(now, k, mine)
	}
	known.Done = mine.satisfied() || !others
	s.tell(l, known)
	if !known.Done {
		s.ask(now, l, mine, k, q)
	}
}

func (k *link) satisfied() bool { return len(k.seen) >= k.most || k.dials >= mostDials }

// note counts a candidate that a link is told of.
func (s *state) note(mine *link, p peer.ID) {
	mine.seen[p] = struct{}{}
	if len(s.trackers) > 0 && !s.isConnected(p) {
		mine.dials++
	}
}

func (s *state) tell(l linkID, c Candidates) {
	if len(c.Peers) > 0 || c.Done {
		s.out.told = append(s.out.told, told{l, c})
	}
}

// pass gives a link one candidate of its query. With the last that it asked for
// it leaves.
func (s *state) pass(l linkID, p candidate) {
	mine := s.links[l]
	var c Candidates
	c.add(p)
	if mine.query == nil {
		return
	}
	if mine.query.key.watch {
		s.tell(l, c)
		return
	}
	if _, twice := mine.seen[p.ID]; twice {
		return
	}
	s.note(mine, p.ID)
	c.Done = mine.satisfied()
	s.tell(l, c)
	if mine.satisfied() {
		s.leave(l, mine)
	}
}

// leave takes a link from its query, and stops a query that nobody waits for.
func (s *state) leave(l linkID, mine *link) {
	q := mine.query
	if q == nil {
		return
	}
	mine.query = nil
	q.links = without(q.links, l)
	if len(q.links) == 0 {
		s.remember(q.deadline.Add(-s.timeout), q)
		s.retire(q)
		s.stop(q)
	}
}
