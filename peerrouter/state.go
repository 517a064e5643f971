package peerrouter

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// linkID stands for a link inside the state.
type linkID uint64

// state is what the actor owns. Its methods take what happened and add what is
// to be done to its effects.
type state struct {
	maxDials  int
	firstWait time.Duration // before the second dial of a peer
	longWait  time.Duration // the longest pause between dials

	peers    map[peer.ID]*peerEntry
	watchers map[linkID]struct{}
	links    map[linkID]map[peer.ID]struct{}
	dialling int
	queue    []peer.ID // waiting for a free dial, oldest first

	out effects
}

// peerEntry exists while a peer is connected or somebody is interested in it.
type peerEntry struct {
	connected bool
	addrs     []peer.AddrInfo
	links     map[linkID]struct{}

	dialling bool
	queued   bool
	failures int
	lastErr  error
	next     time.Time // of the next dial; zero for none
}

// effects is what the shell does after an event.
type effects struct {
	news   []notice
	closed []linkID
	dials  []peer.AddrInfo
	known  []change // connected or gone, for the ledger
}

type notice struct {
	link linkID
	peer peer.ID
	news News
}

type change struct {
	peer      peer.ID
	connected bool
}

func newState(maxDials int, firstWait, longWait time.Duration) *state {
	return &state{
		maxDials: maxDials, firstWait: firstWait, longWait: longWait,
		peers:    make(map[peer.ID]*peerEntry),
		watchers: make(map[linkID]struct{}),
		links:    make(map[linkID]map[peer.ID]struct{}),
	}
}

// take returns the effects gathered since the last call.
func (s *state) take() effects {
	out := s.out
	s.out = effects{}
	return out
}

func (s *state) open(l linkID) { s.links[l] = make(map[peer.ID]struct{}) }

func (s *state) interest(now time.Time, l linkID, infos []peer.AddrInfo) {
	mine, open := s.links[l]
	if !open {
		return
	}
	for _, info := range infos {
		e := s.entry(info.ID)
		mine[info.ID] = struct{}{}
		e.links[l] = struct{}{}
		switch {
		case e.connected:
			s.tell(l, info.ID, News{Status: Available})
		case e.lastErr != nil:
			s.tell(l, info.ID, News{Status: Unreachable, Err: e.lastErr})
		}
		if len(info.Addrs) > 0 {
			e.addrs = []peer.AddrInfo{info}
		}
		if !e.connected && !e.dialling && e.next.IsZero() {
			e.next = now
		}
	}
	s.dial(now)
}

func (s *state) cancel(l linkID, peers []peer.ID) {
	for _, p := range peers {
		delete(s.links[l], p)
		if e := s.peers[p]; e != nil {
			delete(e.links, l)
			s.forget(p, e)
		}
	}
}

func (s *state) watch(l linkID) {
	if _, open := s.links[l]; !open {
		return
	}
	s.watchers[l] = struct{}{}
	for _, p := range sortedKeys(s.peers) {
		if s.peers[p].connected {
			s.tell(l, p, News{Status: Available})
		}
	}
}

func (s *state) cancelAll(l linkID) {
	mine, open := s.links[l]
	if !open {
		return
	}
	s.cancel(l, sortedKeys(mine))
	delete(s.links, l)
	delete(s.watchers, l)
	s.out.closed = append(s.out.closed, l)
}

// peerState takes the latest state of a peer as Network sees it.
func (s *state) peerState(now time.Time, p peer.ID, connected bool) {
	e := s.peers[p]
	if e == nil {
		if !connected {
			return
		}
		e = s.entry(p)
	}
	if e.connected == connected {
		return
	}
	e.connected = connected
	s.out.known = append(s.out.known, change{p, connected})
	if connected {
		e.failures, e.lastErr, e.next = 0, nil, time.Time{}
		s.tellAll(p, e, News{Status: Available})
		return
	}
	s.tellAll(p, e, News{Status: Gone})
	if len(e.links) > 0 && !e.dialling {
		e.next = now // A peer lost while somebody needs it is dialled at once.
	}
	s.forget(p, e)
	s.dial(now)
}

// dialled takes the result of a dial. Success is not yet availability: whether
// the peer speaks Bitswap is learnt from Network.
func (s *state) dialled(now time.Time, p peer.ID, err error) {
	s.dialling--
	e := s.peers[p]
	if e != nil {
		e.dialling = false
		if !e.connected {
			s.dialFailed(now, p, e, err)
		}
		s.forget(p, e)
	}
	s.dial(now)
}

func (s *state) dialFailed(now time.Time, p peer.ID, e *peerEntry, err error) {
	pause := s.firstWait << min(e.failures, 16)
	e.next = now.Add(min(pause, s.longWait))
	e.failures++
	if err == nil { // Connected, but not yet known to speak Bitswap.
		return
	}
	e.lastErr = err
	for _, l := range sortedKeys(e.links) {
		s.tell(l, p, News{Status: Unreachable, Err: err})
	}
}

// silent is called when a peer that was dialled with success has not turned out
// to speak Bitswap: the next dial's time has come and it is still not available.
func (s *state) silent(p peer.ID, e *peerEntry) {
	if e.failures > 0 && e.lastErr == nil {
		e.lastErr = errNoBitswap
		for _, l := range sortedKeys(e.links) {
			s.tell(l, p, News{Status: Unreachable, Err: e.lastErr})
		}
	}
}

// tick starts the dials whose time has come.
func (s *state) tick(now time.Time) { s.dial(now) }

func (s *state) dial(now time.Time) {
	for _, p := range sortedKeys(s.peers) {
		e := s.peers[p]
		if e.due(now) {
			s.silent(p, e)
			e.queued = true
			e.next = time.Time{}
			s.queue = append(s.queue, p)
		}
	}
	for s.dialling < s.maxDials && len(s.queue) > 0 {
		p := s.queue[0]
		s.queue = s.queue[1:]
		e := s.peers[p]
		if e == nil || !e.queued {
			continue
		}
		e.queued = false
		if e.connected || len(e.links) == 0 {
			s.forget(p, e)
			continue
		}
		e.dialling = true
		s.dialling++
		s.out.dials = append(s.out.dials, e.target(p))
	}
}

func (e *peerEntry) due(now time.Time) bool {
	return !e.connected && !e.dialling && !e.queued && len(e.links) > 0 && !e.next.IsZero() && !e.next.After(now)
}

func (e *peerEntry) target(p peer.ID) peer.AddrInfo {
	if len(e.addrs) > 0 {
		return e.addrs[0]
	}
	return peer.AddrInfo{ID: p}
}

// wake is when tick has something to do, or the zero time.
func (s *state) wake() time.Time {
	var at time.Time
	for _, e := range s.peers {
		if e.connected || e.dialling || e.queued || len(e.links) == 0 || e.next.IsZero() {
			continue
		}
		if at.IsZero() || e.next.Before(at) {
			at = e.next
		}
	}
	return at
}

func (s *state) entry(p peer.ID) *peerEntry {
	e := s.peers[p]
	if e == nil {
		e = &peerEntry{links: make(map[linkID]struct{})}
		s.peers[p] = e
	}
	return e
}

// forget drops a peer that is neither connected nor of interest to anybody.
func (s *state) forget(p peer.ID, e *peerEntry) {
	if !e.connected && !e.dialling && len(e.links) == 0 {
		delete(s.peers, p)
	}
}

func (s *state) tell(l linkID, p peer.ID, n News) {
	s.out.news = append(s.out.news, notice{l, p, n})
}

func (s *state) tellAll(p peer.ID, e *peerEntry, n News) {
	for _, l := range sortedKeys(e.links) {
		s.tell(l, p, n)
	}
	for _, l := range sortedKeys(s.watchers) {
		if _, twice := e.links[l]; !twice {
			s.tell(l, p, n)
		}
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
