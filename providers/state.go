package providers

import (
	"cmp"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	maxQueries    = 16   // in flight; each is a goroutine, and a DHT walk has a cost
	maxCached     = 1024 // answers
	maxNamespaces = 1024 // with useful peers
	maxUseful     = 64   // peers in one of them
	cacheFor      = 60 * time.Second
)

// linkID stands for a link inside the state.
type linkID uint64

// key is what makes two queries the same.
type key struct {
	namespace string
	sample    cid.Cid
}

// state is what the actor owns. Its methods take what happened and add what is
// to be done to its effects.
type state struct {
	timeout   time.Duration
	finders   bool // there are any
	connected map[peer.ID]struct{}
	useful    map[string][]peer.ID // by namespace, the last to serve last
	spaces    []string             // of useful, oldest first
	cache     map[key]answer
	flying    map[key]*query
	waiting   []*query
	links     map[linkID]*query // what each link waits for; nil for nothing

	out effects
}

// query is one question to the finders, for all the links that ask it.
type query struct {
	key      key
	most     int
	cids     []cid.Cid
	links    map[linkID]map[peer.ID]struct{} // what each was told
	found    []peer.AddrInfo
	deadline time.Time
	stopped  bool // nobody waited any more
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
	stop   []key
}

type told struct {
	link       linkID
	candidates Candidates
}

func newState(timeout time.Duration, finders bool) *state {
	return &state{
		timeout: timeout, finders: finders,
		connected: make(map[peer.ID]struct{}), useful: make(map[string][]peer.ID),
		cache: make(map[key]answer), flying: make(map[key]*query), links: make(map[linkID]*query),
	}
}

// take returns the effects gathered since the last call.
func (s *state) take() effects {
	out := s.out
	s.out = effects{}
	return out
}

func (s *state) open(l linkID) { s.links[l] = nil }

func (s *state) peerState(p peer.ID, connected bool) {
	if connected {
		s.connected[p] = struct{}{}
	} else {
		delete(s.connected, p)
	}
}

// find answers at once with the useful connected peers, and asks the finders
// when those are too few.
func (s *state) find(now time.Time, l linkID, q Query) {
	before, open := s.links[l]
	if !open {
		return
	}
	s.leave(l, before)
	known := s.usefulPeers(q)
	k := key{namespace: q.Namespace}
	if len(q.CIDs) > 0 {
		k.sample = q.CIDs[0]
	}
	if a, ok := s.cache[k]; ok && now.Before(a.until) {
		known = append(known, a.peers...)
	}
	known = unique(known)
	known = known[:min(len(known), max(q.Most, 0))]
	done := len(known) >= q.Most || !s.finders
	s.out.told = append(s.out.told, told{l, Candidates{Peers: known, Done: done}})
	if !done {
		s.ask(now, l, k, q, known)
	}
}

func (s *state) usefulPeers(q Query) []peer.AddrInfo {
	var known []peer.AddrInfo
	for _, p := range slices.Backward(s.useful[q.Namespace]) {
		if _, ok := s.connected[p]; ok {
			known = append(known, peer.AddrInfo{ID: p})
		}
	}
	return known
}

// ask joins the link to the query for the key, which is started if it is not in
// flight.
func (s *state) ask(now time.Time, l linkID, k key, q Query, known []peer.AddrInfo) {
	qu := s.flying[k]
	if qu == nil {
		qu = &query{
			key: k, most: q.Most, cids: q.CIDs, deadline: now.Add(s.timeout),
			links: make(map[linkID]map[peer.ID]struct{}),
		}
		s.flying[k] = qu
		s.waiting = append(s.waiting, qu)
	}
	seen := make(map[peer.ID]struct{})
	for _, p := range known {
		seen[p.ID] = struct{}{}
	}
	qu.links[l] = seen
	s.links[l] = qu
	for _, p := range qu.found {
		s.tell(qu, l, p)
	}
	s.startWaiting()
}

func (s *state) startWaiting() {
	for len(s.waiting) > 0 && len(s.flying)-len(s.waiting) < maxQueries {
		s.out.start = append(s.out.start, s.waiting[0])
		s.waiting = s.waiting[1:]
	}
}

func (s *state) tell(q *query, l linkID, p peer.AddrInfo) {
	seen := q.links[l]
	if _, twice := seen[p.ID]; twice || len(seen) >= q.most {
		return
	}
	seen[p.ID] = struct{}{}
	s.out.told = append(s.out.told, told{l, Candidates{Peers: []peer.AddrInfo{p}}})
}

// found takes one candidate from a finder.
func (s *state) found(k key, p peer.AddrInfo) {
	q := s.flying[k]
	if q == nil || len(q.found) >= q.most {
		return
	}
	q.found = append(q.found, p)
	for _, l := range sortedKeys(q.links) {
		s.tell(q, l, p)
	}
}

// ended takes the end of a query: its finders have no more, failed, or were out
// of time.
func (s *state) ended(now time.Time, k key) {
	q := s.flying[k]
	if q == nil {
		return
	}
	if q.stopped && len(q.links) > 0 { // Somebody came after it was stopped.
		q.stopped, q.found, q.deadline = false, nil, now.Add(s.timeout)
		s.waiting = append(s.waiting, q)
		s.startWaiting()
		return
	}
	for _, l := range sortedKeys(q.links) {
		s.out.told = append(s.out.told, told{l, Candidates{Done: true}})
		s.links[l] = nil
	}
	delete(s.flying, k)
	s.remember(now, q)
	s.startWaiting()
}

func (s *state) remember(now time.Time, q *query) {
	if len(q.found) == 0 {
		return
	}
	if len(s.cache) >= maxCached {
		s.sweep(now)
	}
	s.cache[q.key] = answer{q.found, now.Add(cacheFor)}
}

// sweep makes room in the cache: first what has expired, else everything, which
// costs at most one query each.
func (s *state) sweep(now time.Time) {
	for k, a := range s.cache {
		if !now.Before(a.until) {
			delete(s.cache, k)
		}
	}
	if len(s.cache) >= maxCached {
		clear(s.cache)
	}
}

// served remembers useful peers of a namespace, the latest last.
func (s *state) served(namespace string, peers []peer.ID) {
	if _, known := s.useful[namespace]; !known {
		s.spaces = append(s.spaces, namespace)
		if len(s.spaces) > maxNamespaces {
			delete(s.useful, s.spaces[0])
			s.spaces = s.spaces[1:]
		}
	}
	list := s.useful[namespace]
	for _, p := range peers {
		list = append(slices.DeleteFunc(list, func(o peer.ID) bool { return o == p }), p)
	}
	s.useful[namespace] = list[max(0, len(list)-maxUseful):]
}

func (s *state) cancelAll(l linkID) {
	q, open := s.links[l]
	if !open {
		return
	}
	s.leave(l, q)
	delete(s.links, l)
	s.out.closed = append(s.out.closed, l)
}

// leave takes a link from its query, and stops a query that nobody waits for.
func (s *state) leave(l linkID, q *query) {
	if q == nil {
		return
	}
	delete(q.links, l)
	s.links[l] = nil
	if len(q.links) > 0 {
		return
	}
	if at := slices.Index(s.waiting, q); at >= 0 {
		s.waiting = slices.Delete(s.waiting, at, at+1)
		delete(s.flying, q.key)
		return
	}
	q.stopped = true
	s.out.stop = append(s.out.stop, q.key)
}

func unique(peers []peer.AddrInfo) []peer.AddrInfo {
	seen := make(map[peer.ID]struct{}, len(peers))
	return slices.DeleteFunc(peers, func(p peer.AddrInfo) bool {
		_, twice := seen[p.ID]
		seen[p.ID] = struct{}{}
		return twice
	})
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
