package providers

import (
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	mostCandidates = 32   // in one answer: as many as a client may ask for
	maxQueries     = 16   // at the finders; each is a goroutine, and a DHT walk has a cost
	maxCached      = 1024 // answers
	maxNamespaces  = 1024 // with useful peers
	maxUseful      = 64   // peers in one of them
	cacheFor       = 60 * time.Second
)

type (
	// linkID stands for a link inside the state. Links are numbered in the order
	// in which they were opened, queries in the order in which they were asked.
	linkID  uint64
	queryID uint64
)

// subject is what candidates are candidates for.
type subject struct {
	namespace string
	sample    cid.Cid
}

// key is what makes two queries the same.
type key struct {
	subject
	most int
}

// state is what the actor owns. Its methods take what happened and add what is
// to be done to its effects.
type state struct {
	timeout time.Duration
	finders bool // there are any

	connected map[peer.ID]struct{}
	useful    map[string][]peer.ID // by namespace, the last to serve last
	spaces    []string             // of useful, the last in which somebody served last
	cache     map[subject]answer

	links   map[linkID]*link
	flying  map[key]*query     // those that somebody waits for
	ageing  []*query           // the same, oldest first
	waiting []*query           // of those, the ones that wait for room at the finders
	running map[queryID]*query // at the finders, those given up included
	last    queryID

	out effects
}

// link is what one party has asked last.
type link struct {
	subject subject
	at      time.Time
	query   *query // nil when nothing is to come
	most    int
	seen    map[peer.ID]struct{} // what it was told
}

// query is one question to the finders, for all the links that ask it.
type query struct {
	id       queryID
	key      key
	cids     []cid.Cid
	deadline time.Time
	links    []linkID // in the order in which they came
	found    []peer.AddrInfo
	over     bool // nobody waits any more
}

type answer struct {
	peers []peer.AddrInfo
	until time.Time
}

// effects is what the shell does after an event.
type effects struct {
	told   []told
	closed []linkID
	start  []*query
	stop   []queryID
}

type told struct {
	link       linkID
	candidates Candidates
}

func newState(timeout time.Duration, finders bool) *state {
	return &state{
		timeout: timeout, finders: finders,
		connected: make(map[peer.ID]struct{}), useful: make(map[string][]peer.ID), cache: make(map[subject]answer),
		links: make(map[linkID]*link), flying: make(map[key]*query), running: make(map[queryID]*query),
	}
}

// take returns the effects gathered since the last call.
func (s *state) take() effects {
	out := s.out
	s.out = effects{}
	return out
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

// find answers at once with what is known, and asks the finders when that is too
// little, or when the link has just asked the same: then what is known was of no
// use to it, and of the finders it hears everything.
func (s *state) find(now time.Time, l linkID, q Query) {
	mine, open := s.links[l]
	if !open {
		return
	}
	k := key{subject{namespace: q.Namespace}, min(max(q.Most, 0), mostCandidates)}
	if len(q.CIDs) > 0 {
		k.sample = q.CIDs[0]
	}
	if mine.query != nil && mine.query.key == k {
		return // Its answer is on the way.
	}
	s.leave(l, mine)
	again := s.finders && mine.subject == k.subject && now.Before(mine.at.Add(cacheFor))
	*mine = link{subject: k.subject, at: now, most: k.most, seen: make(map[peer.ID]struct{})}
	var known []peer.AddrInfo
	if again {
		delete(s.cache, k.subject)
	} else {
		known = s.known(now, k)
	}
	for _, p := range known {
		mine.seen[p.ID] = struct{}{}
	}
	done := mine.satisfied() || !s.finders
	s.tell(l, Candidates{Peers: known, Done: done})
	if !done {
		s.ask(now, l, mine, k, q.CIDs)
	}
}

func (k *link) satisfied() bool { return len(k.seen) >= k.most }

func (s *state) tell(l linkID, c Candidates) {
	if len(c.Peers) > 0 || c.Done {
		s.out.told = append(s.out.told, told{l, c})
	}
}

// ask joins the link to the query for the key, which is started if it is not in
// flight.
func (s *state) ask(now time.Time, l linkID, mine *link, k key, cids []cid.Cid) {
	q := s.flying[k]
	if q == nil {
		s.last++
		q = &query{id: s.last, key: k, cids: cids, deadline: now.Add(s.timeout)}
		s.flying[k] = q
		s.ageing = append(s.ageing, q)
		s.waiting = append(s.waiting, q)
	}
	q.links = append(q.links, l)
	mine.query = q
	for _, p := range q.found {
		s.pass(l, p)
	}
	s.startWaiting()
}

func (s *state) startWaiting() {
	for len(s.waiting) > 0 && len(s.running) < maxQueries {
		q := s.waiting[0]
		s.waiting = slices.Delete(s.waiting, 0, 1)
		s.running[q.id] = q
		s.out.start = append(s.out.start, q)
	}
}

// pass gives a link one candidate of its query. With the last that it asked for
// it leaves.
func (s *state) pass(l linkID, p peer.AddrInfo) {
	mine := s.links[l]
	if _, twice := mine.seen[p.ID]; twice || mine.query == nil {
		return
	}
	mine.seen[p.ID] = struct{}{}
	s.tell(l, Candidates{Peers: []peer.AddrInfo{p}, Done: mine.satisfied()})
	if mine.satisfied() {
		s.leave(l, mine)
	}
}

// found takes one candidate from a finder.
func (s *state) found(id queryID, p peer.AddrInfo) {
	q := s.running[id]
	if q == nil || q.over || len(q.found) >= q.key.most || contains(q.found, p.ID) {
		return
	}
	q.found = append(q.found, p)
	for _, l := range slices.Clone(q.links) {
		s.pass(l, p)
	}
}

// ended takes the end of a query at the finders: they have no more, failed, or
// have seen that it was stopped.
func (s *state) ended(now time.Time, id queryID) {
	q := s.running[id]
	delete(s.running, id)
	if !q.over {
		s.finish(now, q)
	}
	s.startWaiting()
}

// tick ends the queries that are out of time, whatever the finders do.
func (s *state) tick(now time.Time) {
	for len(s.ageing) > 0 && !s.ageing[0].deadline.After(now) {
		q := s.ageing[0]
		s.finish(now, q)
		s.stop(q)
	}
}

// wake is when tick has something to do, or the zero time.
func (s *state) wake() time.Time {
	if len(s.ageing) == 0 {
		return time.Time{}
	}
	return s.ageing[0].deadline
}

// finish tells everybody who still waits for a query that no more follow.
func (s *state) finish(now time.Time, q *query) {
	for _, l := range q.links {
		s.links[l].query = nil
		s.tell(l, Candidates{Done: true})
	}
	s.remember(now, q)
	s.retire(q)
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

// retire takes a query out of those that can be joined.
func (s *state) retire(q *query) {
	q.over, q.links = true, nil
	delete(s.flying, q.key)
	s.ageing = without(s.ageing, q)
	s.waiting = without(s.waiting, q)
}

// stop lets the finders end what they do for a query that is over.
func (s *state) stop(q *query) {
	if s.running[q.id] != nil {
		s.out.stop = append(s.out.stop, q.id)
	}
}

func contains(peers []peer.AddrInfo, p peer.ID) bool {
	return slices.ContainsFunc(peers, func(o peer.AddrInfo) bool { return o.ID == p })
}
