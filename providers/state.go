package providers

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/record"
)

const (
	mostCandidates = 32   // in one answer: as many as a client may ask for
	mostDials      = 10   // peers to be dialled that one find is told of, while trackers, which may lie, are asked
	maxQueries     = 16   // at the finders; each is a goroutine, and a DHT walk has a cost
	maxCached      = 1024 // answers, and namespaces of which rows are kept
	maxNamespaces  = 1024 // with useful peers
	maxUseful      = 64   // peers in one of them
	cacheFor       = 60 * time.Second
	newsFor        = time.Second // of it where newcomers are wanted: all who want them ask trackers once in that
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
	key       string
	roles     record.Roles
}

// key is what makes two queries the same.
type key struct {
	subject
	most  int
	watch bool // for what is announced from now on, without an end
}

func keyOf(q Query) key {
	k := key{subject: subject{namespace: q.Namespace, key: string(q.Key), roles: q.Roles}, most: min(max(q.Most, 0), mostCandidates)}
	if len(q.CIDs) > 0 {
		k.sample = q.CIDs[0]
	}
	return k
}

// candidate is a peer that may be named.
type candidate struct {
	peer.AddrInfo
	row *row // what a tracker says of it; nil when it was found in another way
}

// state is what the actor owns. Its methods take what happened and add what is
// to be done to its effects.
type state struct {
	timeout time.Duration
	finders bool // there are any
	denies  func(peer.ID) bool
	dice    *rand.Rand
	now     time.Time // of the last event that had one

	connected map[peer.ID]struct{}
	useful    map[string][]peer.ID // by namespace, the last to serve last
	spaces    []string             // of useful, the last in which somebody served last
	cache     map[subject]answer

	links   map[linkID]*link
	flying  map[key]*query     // those that somebody waits for
	ageing  []*query           // the same without watches, oldest first
	waiting []*query           // of those, the ones that wait for room at the finders
	running map[queryID]*query // at the finders, those given up included
	last    queryID

	trackers   map[peer.ID]client.Tracker
	trackerIDs []peer.ID
	distrusted map[peer.ID]time.Time // trackers that showed what nobody signed, until when
	resting    map[peer.ID]time.Time // those that refuse to be asked, until when
	listings   *recent[topic, *listing]
	asks       []*ask   // at the trackers, oldest first, those given up included
	parked     []*query // wait for room among the asks
	lastAsk    askID

	dialled map[peer.ID]time.Time // named with unverified addresses only, until when they take up room
	verdicts

	watches []*query // oldest first
	subs    map[subID]*query
	lastSub subID

	stat Stat
	out  effects
}

// query is one question, for all the links that ask it.
type query struct {
	id       queryID
	key      key
	cids     []cid.Cid
	root     cid.Cid
	deadline time.Time
	links    []linkID // in the order in which they came
	found    []candidate
	held     []candidate // with unverified addresses only: until there is room for them
	reserve  []candidate // not of use lately: named when there is nobody else
	lookup   *lookup     // at the trackers; nil when they are not asked
	watch    *watch      // nil when it is none
	drained  bool        // nobody is asked any more
	over     bool        // nobody waits any more
}

type answer struct {
	peers []candidate
	until time.Time
}

// effects is what the shell does after an event.
type effects struct {
	told        []told
	closed      []linkID
	start       []*query
	stop        []queryID
	asks        []asking
	feedback    []*feedback
	subscribe   []subscribed
	unsubscribe []subID
}

type told struct {
	link       linkID
	candidates Candidates
}

func newState(timeout time.Duration, finders bool) *state {
	return &state{
		timeout: timeout, finders: finders, denies: func(peer.ID) bool { return false }, dice: rand.New(rand.NewPCG(0, 0)),
		connected: make(map[peer.ID]struct{}), useful: make(map[string][]peer.ID), cache: make(map[subject]answer),
		links: make(map[linkID]*link), flying: make(map[key]*query), running: make(map[queryID]*query),
		trackers: make(map[peer.ID]client.Tracker), distrusted: make(map[peer.ID]time.Time),
		resting:  make(map[peer.ID]time.Time),
		listings: newRecent[topic, *listing](maxCached), dialled: make(map[peer.ID]time.Time),
		verdicts: newVerdicts(), subs: make(map[subID]*query),
	}
}

// seed decides what is drawn by lot from then on.
func (s *state) seed(n uint64) { s.dice = rand.New(rand.NewPCG(n, 0)) }

// see tells the time of an event that has none of its own.
func (s *state) see(now time.Time) { s.now = now }

// take returns the effects gathered since the last call.
func (s *state) take() effects {
	out := s.out
	s.out = effects{}
	return out
}

// ask joins the link to the query for the key, which is started if it is not in
// flight.
func (s *state) ask(now time.Time, l linkID, mine *link, k key, asked Query) {
	q := s.flying[k]
	fresh := q == nil
	if fresh {
		q = s.newQuery(k)
		q.cids, q.root, q.deadline = asked.CIDs, asked.Root, now.Add(s.timeout)
		s.ageing = append(s.ageing, q)
	}
	q.links = append(q.links, l)
	mine.query = q
	for _, c := range q.found {
		if s.admit(now, c) {
			s.pass(l, c)
		}
	}
	if fresh && !s.lookUp(now, q, asked.Newcomers) {
		s.toFinders(now, q)
	}
}

func (s *state) newQuery(k key) *query {
	s.last++
	q := &query{id: s.last, key: k}
	s.flying[k] = q
	return q
}

// toFinders asks the finders, after the trackers.
func (s *state) toFinders(now time.Time, q *query) {
	if !s.finders {
		s.drain(now, q)
		return
	}
	s.waiting = append(s.waiting, q)
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

// found takes one candidate from a finder.
func (s *state) found(id queryID, p peer.AddrInfo) {
	if q := s.running[id]; q != nil {
		s.offer(s.now, q, candidate{AddrInfo: p})
	}
}

// ended takes the end of a query at the finders: they have no more, failed, or
// have seen that it was stopped.
func (s *state) ended(now time.Time, id queryID) {
	s.see(now)
	q := s.running[id]
	delete(s.running, id)
	if !q.over {
		s.drain(now, q)
	}
	s.startWaiting()
}

// tick does what time asks for, and ends the queries that are out of it, whatever
// others do.
func (s *state) tick(now time.Time) {
	s.see(now)
	s.lateAsks(now)
	s.unpark(now)
	s.release(now)
	s.flush(now)
	s.subscribeAll(now)
	for len(s.ageing) > 0 && !s.ageing[0].deadline.After(now) {
		if q := s.ageing[0]; s.finish(now, q) {
			s.stop(q)
		}
	}
}

// wake is when tick has something to do, or the zero time.
func (s *state) wake() time.Time {
	at := due.First(s.askWake(), s.heldWake(), s.flushAt, s.watchWake())
	if len(s.ageing) > 0 {
		at = due.First(at, s.ageing[0].deadline)
	}
	return at
}

// drain ends a query for which nobody is asked any more, as soon as nothing of it
// is held back.
func (s *state) drain(now time.Time, q *query) {
	q.drained = true
	if len(q.held) == 0 {
		s.finish(now, q)
	}
}

// finish tells everybody who still waits for a query that no more follow, after
// naming whom it has in reserve. It reports whether anybody still waited then.
func (s *state) finish(now time.Time, q *query) bool {
	s.lastResort(q)
	if q.over {
		return false
	}
	for _, l := range q.links {
		s.links[l].query = nil
		s.tell(l, Candidates{Done: true})
	}
	s.remember(now, q)
	s.retire(q)
	return true
}

// retire takes a query out of those that can be joined.
func (s *state) retire(q *query) {
	q.over, q.links, q.held, q.reserve = true, nil, nil, nil
	delete(s.flying, q.key)
	s.ageing = without(s.ageing, q)
	s.waiting = without(s.waiting, q)
	s.parked = without(s.parked, q)
	s.unwatch(q)
}

// stop lets the finders end what they do for a query that is over.
func (s *state) stop(q *query) {
	if s.running[q.id] != nil {
		s.out.stop = append(s.out.stop, q.id)
	}
}

func contains(all []candidate, p peer.ID) bool {
	return slices.ContainsFunc(all, func(c candidate) bool { return c.ID == p })
}
