package session

import (
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/wantmanager"
)

const (
	lookPast   = 32      // wants whose peers are all busy that are passed over to find one that is not
	maxProbes  = 32      // wants about which several peers are asked at once
	smallBlock = 4 << 10 // servers answer a want-have for less with the block itself

	stealGain  = 2                     // how many times sooner the other peer must have it
	stealAfter = 20 * time.Millisecond // and by how much
)

// assign asks for as much as there is room for, call by call.
func (s *state) assign(now time.Time) {
	for again := true; again; {
		again = false
		for range len(s.turn) {
			id := s.turn[0]
			s.turn = s.turn[1:]
			c := s.calls[id]
			if c == nil || c.idle() {
				continue
			}
			s.turn = append(s.turn, id)
			again = s.loadNext(c) || again
			again = s.askNext(now, c) || again
		}
	}
	s.steal(now)
}

// loadNext reads one local block of a call, if it can afford it.
func (s *state) loadNext(c *callState) bool {
	if !s.affords(c) {
		return false
	}
	w := c.local.pop()
	if w == nil {
		return false
	}
	w.stage = loading
	s.charge(w)
	s.out.loads = append(s.out.loads, w.cid)
	return true
}

// askNext asks a peer for the next open want of a call that some peer has room
// for. Wants that nobody is left to be asked for go into the search.
func (s *state) askNext(now time.Time, c *callState) bool {
	if !s.affords(c) || (c.tried && !s.anyRoom()) {
		return false
	}
	c.tried = true
	var passed []*wanted
	defer func() {
		for _, w := range passed {
			c.queue.push(w, open)
		}
	}()
	for len(passed) < lookPast {
		w := c.queue.pop()
		if w == nil {
			return false
		}
		best, some := s.choose(w)
		switch {
		case best >= 0:
			s.ask(now, w, best)
			return true
		case some:
			passed = append(passed, w)
			if !s.anyRoom() {
				return false
			}
		default:
			s.search.add(w)
		}
	}
	return false
}

func (s *state) anyRoom() bool {
	for _, p := range s.peers {
		if p.connected && p.inUse && p.room(s.mean) {
			return true
		}
	}
	return false
}

// choose returns the peer from which w can be expected first, or -1 when none
// has room, and whether there is any to be asked.
func (s *state) choose(w *wanted) (best int, some bool) {
	best = -1
	var lowest float64
	rate := s.unknownRate()
	for i, p := range s.peers {
		bits := w.knows(i)
		if !s.eligible(p, bits) {
			continue
		}
		some = true
		if !p.room(s.mean) {
			continue
		}
		if cost := p.cost(s.mean, rate, bits&has != 0); best < 0 || cost < lowest {
			best, lowest = i, cost
		}
	}
	return best, some
}

// unknownRate is what a peer is expected to deliver that was not measured: as
// much as the best, so that newcomers are tried.
func (s *state) unknownRate() float64 {
	rate := 1e6
	for _, p := range s.peers {
		rate = max(rate, p.view.Rate)
	}
	return rate
}

// ask sends a want-block to peer i, and want-haves to a few others unless it is
// known that i has it.
func (s *state) ask(now time.Time, w *wanted, i int) {
	p := s.peers[i]
	sure := w.knows(i)&has != 0 || p.proven()
	s.wantBlock(now, w, i)
	if sure || (s.most > 0 && s.mean < smallBlock) || s.search.probes >= maxProbes {
		return
	}
	n := 1
	for j, o := range s.peers {
		if n == s.rules.k {
			return
		}
		if j != i && s.eligible(o, w.knows(j)) && w.knows(j)&wasAsked == 0 {
			s.wantHave(w, j)
			n++
		}
	}
}

func (s *state) wantBlock(now time.Time, w *wanted, i int) {
	p := s.peers[i]
	s.search.left(w)
	w.stage = asked
	w.at = append(w.at, assignment{peer: i, size: s.mean, time: now})
	w.learn(i, told|wasAsked|awaited, refused|silent)
	p.load += s.mean
	s.charge(w)
	s.tell(p.id, wantmanager.Ask{CID: w.cid, Type: message.WantBlock, Priority: s.rules.priority})
}

func (s *state) wantHave(w *wanted, i int) {
	w.learn(i, told|wasAsked|awaited, refused|silent)
	s.search.probe(w)
	s.tell(s.peers[i].id, wantmanager.Ask{CID: w.cid, Type: message.WantHave, Priority: s.rules.priority})
}

func (s *state) tell(p peer.ID, a wantmanager.Ask) {
	if s.out.asks == nil {
		s.out.asks = make(map[peer.ID][]wantmanager.Ask)
	}
	s.out.asks[p] = append(s.out.asks[p], a)
}

// steal moves a want from a slow peer to one that has nothing to do and would
// have it much sooner. It happens at the end, when nothing waits to be asked.
func (s *state) steal(now time.Time) {
	for i, p := range s.peers {
		if !p.connected || !p.likely() || p.load > 0 || p.view.Late || p.view.Rate == 0 {
			continue
		}
		if w, from := s.slowest(i); w != nil {
			s.takeBack(s.peers[from].id, w.cid)
			w.learn(from, silent, awaited|wasAsked|told)
			s.peers[from].load -= w.at[0].size
			w.at = w.at[:0]
			s.wantBlock(now, w, i)
		}
	}
}

func (s *state) takeBack(p peer.ID, c cid.Cid) {
	if s.out.cancelAt == nil {
		s.out.cancelAt = make(map[peer.ID][]cid.Cid)
	}
	s.out.cancelAt[p] = append(s.out.cancelAt[p], c)
}

// slowest returns the want that peer i would have sooner than the peer that was
// asked, by the largest difference, and that peer.
func (s *state) slowest(i int) (*wanted, int) {
	var found *wanted
	var most float64
	rate := s.unknownRate()
	mine := s.peers[i].cost(s.mean, rate, true)
	for _, w := range s.wants {
		if w.stage == open && w.knows(i)&(refused|silent) == 0 {
			return nil, 0 // There is other work for it.
		}
		if w.stage != asked || len(w.at) != 1 || !s.eligible(s.peers[i], w.knows(i)) {
			continue
		}
		theirs := s.peers[w.at[0].peer].cost(0, rate, true)
		gain := theirs - max(stealGain*mine, mine+stealAfter.Seconds())
		if gain > most || (gain > 0 && gain == most && w.cid.KeyString() < found.cid.KeyString()) {
			found, most = w, gain
		}
	}
	if found == nil {
		return nil, 0
	}
	return found, found.at[0].peer
}

func cmpPeers(a, b peer.ID) int { return strings.Compare(string(a), string(b)) }
