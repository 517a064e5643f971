package peerrouter

import (
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// linkID stands for a link inside the state. Links are numbered in the order in
// which they were opened.
type linkID uint64

// state is what the actor owns. Its methods take what happened and add what is
// to be done to its effects.
type state struct {
	maxDials  int
	firstWait time.Duration // before the second dial of a peer
	longWait  time.Duration // the longest pause between dials
	denies    func(peer.ID) bool

	peers    map[peer.ID]*peerEntry
	links    map[linkID]map[peer.ID]struct{} // what each is interested in
	watchers []linkID                        // ascending
	dialling int
	waiting  dialQueue

	out effects
}

// peerEntry exists while a peer is connected or being dialled, or somebody is
// interested in it.
type peerEntry struct {
	id        peer.ID
	links     []linkID // interested, ascending
	connected bool
	denied    bool      // is neither dialled nor told to be available
	since     time.Time // of the connection
	dial      dialState
}

// effects is what the shell does after an event.
type effects struct {
	known  []change // connected or gone, for the ledger
	news   []notice
	closed []linkID
	dials  []peer.AddrInfo
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
		denies: func(peer.ID) bool { return false },
		peers:  make(map[peer.ID]*peerEntry), links: make(map[linkID]map[peer.ID]struct{}),
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
		s.decide(now, e)
		mine[e.id] = struct{}{}
		e.links = with(e.links, l)
		if len(info.Addrs) > 0 {
			e.dial.addrs = info
		}
		switch {
		case e.denied:
			s.tell(l, e.id, News{Status: Denied})
			continue
		case e.connected:
			s.tell(l, e.id, News{Status: Available})
			continue
		case e.dial.err != nil:
			s.tell(l, e.id, News{Status: Unreachable, Err: e.dial.err})
		}
		if !e.dial.running && !e.dial.queued() {
			s.dialAt(e, now)
		}
	}
	s.startDials(now)
}

func (s *state) cancel(l linkID, peers []peer.ID) {
	mine, open := s.links[l]
	if !open {
		return
	}
	for _, p := range peers {
		if _, interested := mine[p]; !interested {
			continue
		}
		delete(mine, p)
		e := s.peers[p]
		e.links = without(e.links, l)
		s.settle(e)
	}
}

// watch tells a link of the connected peers, and of every change from then on.
func (s *state) watch(l linkID) {
	if _, open := s.links[l]; !open {
		return
	}
	s.watchers = with(s.watchers, l)
	for _, p := range slices.Sorted(maps.Keys(s.peers)) {
		if e := s.peers[p]; e.connected {
			s.tell(l, p, e.presence())
		}
	}
}

func (s *state) cancelAll(l linkID) {
	mine, open := s.links[l]
	if !open {
		return
	}
	s.cancel(l, slices.Sorted(maps.Keys(mine)))
	s.watchers = without(s.watchers, l)
	delete(s.links, l)
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
		s.decide(now, e) // It may have another connection.
		return
	}
	e.connected = connected
	s.out.known = append(s.out.known, change{p, connected})
	if connected {
		s.appeared(now, e)
	} else {
		s.left(now, e)
	}
	s.startDials(now)
}

func (s *state) appeared(now time.Time, e *peerEntry) {
	e.since = now
	e.denied = s.denies(e.id)
	s.dialSucceeded(e)
	s.tellAll(e, e.presence())
}

func (s *state) left(now time.Time, e *peerEntry) {
	if !e.denied {
		s.tellAll(e, News{Status: Gone})
	}
	s.connectionLost(now, e)
	s.settle(e)
}

func (s *state) entry(p peer.ID) *peerEntry {
	e := s.peers[p]
	if e == nil {
		e = &peerEntry{id: p, dial: newDialState(p)}
		s.peers[p] = e
	}
	return e
}

// settle is called when something a peer's entry is kept for has ended: without
// interest it is not dialled, and without a connection it is forgotten.
func (s *state) settle(e *peerEntry) {
	if len(e.links) > 0 {
		return
	}
	s.waiting.remove(e)
	if !e.connected && !e.dial.running {
		delete(s.peers, e.id)
	}
}

func (s *state) tell(l linkID, p peer.ID, n News) {
	s.out.news = append(s.out.news, notice{l, p, n})
}

// tellInterested tells those who asked for a peer, tellAll the watchers too, each
// once.
func (s *state) tellInterested(e *peerEntry, n News) {
	for _, l := range e.links {
		s.tell(l, e.id, n)
	}
}

func (s *state) tellAll(e *peerEntry, n News) {
	s.tellInterested(e, n)
	for _, l := range s.watchers {
		if _, twice := slices.BinarySearch(e.links, l); !twice {
			s.tell(l, e.id, n)
		}
	}
}

// with adds a link to an ascending list.
func with(links []linkID, l linkID) []linkID {
	at, twice := slices.BinarySearch(links, l)
	if twice {
		return links
	}
	return slices.Insert(links, at, l)
}

func without(links []linkID, l linkID) []linkID {
	if at, found := slices.BinarySearch(links, l); found {
		return slices.Delete(links, at, at+1)
	}
	return links
}
