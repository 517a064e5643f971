package session

import (
	"slices"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/wantmanager"
)

const (
	lookPast   = 32      // wants whose peers are all busy that are passed over to find one that is not
	mostMissed = 256     // calls in vain after which the rest have to wait for the next event
	maxProbes  = 32      // wants about which several peers are asked at once
	smallBlock = 4 << 10 // servers answer a want-have for less with the block itself

	slowLaps   = 2                     // times as long as a crowded peer takes for a block: it has turned slow, or the block is the last of many
	stealGain  = 2                     // how many times sooner the other peer must have it
	stealAfter = 20 * time.Millisecond // and by how much
)

// assign asks for as much as there is room for, call by call.
func (s *state) assign(now time.Time) {
	s.refresh()
	if s.shed {
		s.shedLoad()
	}
	for s.loadRound() {
	}
	s.lookAround(now)
	s.takeOffers(now)
	s.tryNew(now)
	for s.anyRoom() && s.askRound(now) {
	}
	s.steal(now)
}

// tryNew offers the peers what was not offered yet, whether or not they have
// room, so that what nobody is left to be asked for goes into the search. Calls
// that cannot afford it have to wait.
func (s *state) tryNew(now time.Time) {
	waiting := s.turns.untried[:0]
	for _, id := range s.turns.untried {
		switch c := s.calls[id]; {
		case c == nil:
		case !s.affords(c):
			waiting = append(waiting, id)
		default:
			c.untried = false
			s.askNext(now, c)
		}
	}
	s.turns.untried = waiting
}

// refresh brings up to date which peers may be asked, and what a peer is
// expected to deliver that was not measured: as much as the best, so that
// newcomers are tried.
func (s *state) refresh() {
	if !s.stale {
		return
	}
	s.stale = false
	s.used, s.rate = s.used[:0], unknownRate
	for i, p := range s.peers {
		if p.connected && p.inUse {
			s.used = append(s.used, i)
			s.rate = max(s.rate, p.view.Rate)
		}
	}
}

// unknownRate is what a peer is expected to deliver, in bytes a second, before any has
// been measured.
const unknownRate = 1e6

// loadRound reads one local block for each call that can afford it, and reports
// whether there was any.
func (s *state) loadRound() bool {
	loaded := false
	for range len(s.turns.load) {
		id := s.turns.load[0]
		s.turns.load = s.turns.load[1:]
		c := s.calls[id]
		if c == nil {
			continue
		}
		if len(c.local.items) == 0 {
			c.inLocal = false
			continue
		}
		s.turns.load = append(s.turns.load, id)
		loaded = s.loadNext(c) || loaded
	}
	return loaded
}

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

// askRound asks for one block for each call, while peers have room, and reports
// whether there was any.
func (s *state) askRound(now time.Time) bool {
	some, missed := false, 0
	for range len(s.turns.ask) {
		id := s.turns.ask[0]
		s.turns.ask = s.turns.ask[1:]
		c := s.calls[id]
		if c == nil {
			continue
		}
		if len(c.queue.items) == 0 {
			c.inTurn = false
			continue
		}
		s.turns.ask = append(s.turns.ask, id)
		if !s.askNext(now, c) {
			if missed++; missed == mostMissed && s.expecting() {
				return false
			}
			continue
		}
		some = true
		if !s.anyRoom() {
			return false
		}
	}
	return some
}

// expecting reports whether a peer owes a block, so that an event is to come.
func (s *state) expecting() bool {
	return slices.ContainsFunc(s.used, func(i int) bool { return s.peers[i].load > 0 })
}

// askNext asks a peer for the next open want of a call that some peer has room
// for. Wants that nobody is left to be asked for go into the search.
func (s *state) askNext(now time.Time, c *callState) bool {
	if !s.affords(c) {
		return false
	}
	var passed []*wanted
	defer func() {
		for _, w := range passed {
			c.queue.push(w)
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
			s.sought(now, w)
		}
	}
	return false
}

func (s *state) anyRoom() bool {
	return slices.ContainsFunc(s.used, func(i int) bool { return s.peers[i].room(s.mean) })
}

// choose returns the peer from which w can be expected first, or -1 when none
// has room, and whether there is any to be asked.
func (s *state) choose(w *wanted) (best int, some bool) {
	best = -1
	var lowest float64
	for _, i := range s.used {
		p, bits := s.peers[i], w.knows(i)
		if !p.eligible(bits) {
			continue
		}
		some = true
		if !p.room(s.mean) || ((w.inRound || p.sounding == w && p.load > 0) && bits&awaited != 0) {
			continue // It is about to say whether it has it, perhaps with the block itself.
		}
		if s.spared(w, i) {
			continue // It has blocks that nobody else has.
		}
		if cost := p.cost(s.mean, s.rate, bits&has != 0); best < 0 || cost < lowest {
			best, lowest = i, cost
		}
	}
	return best, some
}

// ask sends a want-block to peer i, and want-haves to a few others unless it is
// known that i has it.
func (s *state) ask(now time.Time, w *wanted, i int) {
	sure := w.knows(i)&has != 0 || s.peers[i].proven()
	s.makeRoom(w, i)
	s.wantBlock(now, w, i)
	if s.rules.flood {
		s.askAll(w)
		return
	}
	if sure || (s.sizes.most() > 0 && s.mean < smallBlock) || s.search.probes >= maxProbes {
		return
	}
	n := w.pending()
	for _, j := range s.used {
		if n >= s.rules.k && !s.rules.only {
			return // Peers that the caller has named are all asked at once.
		}
		if bits := w.knows(j); j != i && s.peers[j].eligible(bits) && bits&wasAsked == 0 {
			s.wantHave(w, j)
			n++
		}
	}
}

// askAll asks everybody in use who was not asked whether they have w.
func (s *state) askAll(w *wanted) {
	for _, j := range s.used {
		if w.knows(j)&(wasAsked|refused|silent) == 0 {
			s.wantHave(w, j)
		}
	}
}

// makeRoom withdraws w from peers that are silent, where asking peer i for it would
// make more than K that have it to answer.
func (s *state) makeRoom(w *wanted, i int) {
	if s.rules.only || s.rules.flood || w.knows(i)&told != 0 {
		return
	}
	for n := range w.known {
		if w.pending() < s.rules.k {
			return
		}
		if k := w.known[n]; k.bits()&told != 0 && k.bits()&silent != 0 {
			s.takeBack(w, k.peer())
		}
	}
}

func (s *state) wantBlock(now time.Time, w *wanted, i int) {
	p := s.peers[i]
	s.search.left(w)
	w.stage = asked
	w.assign(i, s.mean)
	w.learn(i, told|wasAsked|awaited|whole, refused|silent)
	s.clearRefused(w, i)
	p.take(w, i, s.mean)
	p.watch.start(s.clock(now), w)
	s.charge(w)
	s.noteWantBlock(now, w)
	s.noteAsked(w, p.id)
	s.tell(p.id, wantmanager.Ask{CID: w.cid, Type: message.WantBlock, Priority: s.rules.priority})
	s.sound(i)
}

func (s *state) wantHave(w *wanted, i int) {
	w.learn(i, told|wasAsked|awaited, refused|silent)
	s.search.probe(w)
	s.noteAsked(w, s.peers[i].id)
	s.tell(s.peers[i].id, wantmanager.Ask{CID: w.cid, Type: message.WantHave, Priority: s.rules.priority})
}

// askToo asks a named peer or a candidate that connects while wants are out whether
// it has them, so that a fetch fails as soon as the last of those named has refused,
// and a silent candidate does not hold up what another has.
func (s *state) askToo(i int) {
	for _, j := range s.used {
		for _, w := range s.peers[j].asked {
			if !w.assignedTo(j) || s.peers[j].proven() || w.knows(j)&has != 0 || w.knows(i)&wasAsked != 0 {
				continue
			}
			if !w.probed && s.search.probes >= maxProbes {
				return
			}
			if s.rules.only || w.pending() < s.rules.k {
				s.wantHave(w, i)
			}
		}
	}
}

func (s *state) tell(p peer.ID, a wantmanager.Ask) {
	if s.out.asks == nil {
		s.out.asks = make(map[peer.ID][]wantmanager.Ask)
	}
	s.out.asks[p] = append(s.out.asks[p], a)
}

// release ends the want-block that w has at peer i, and reports whether there was
// one.
func (s *state) release(w *wanted, i int) bool {
	size, was := w.withdrawn(i)
	if was {
		p := s.peers[i]
		p.give(size)
		p.watch.drop(w, p.out)
	}
	return was
}

// unassign takes a want-block back from peer i; the want waits to be asked of
// another.
func (s *state) unassign(w *wanted, i int) {
	if s.release(w, i) && w.at.size == 0 && w.stage == asked {
		s.discharge(w)
		s.enqueue(w, open)
	}
}

// takeBack withdraws what peer i was asked about w, and does not ask it again
// for now.
func (s *state) takeBack(w *wanted, i int) {
	id := s.peers[i].id
	w.learn(i, silent, awaited|wasAsked|told|whole)
	if asks := s.out.asks[id]; asks != nil {
		s.out.asks[id] = slices.DeleteFunc(asks, func(a wantmanager.Ask) bool { return a.CID == w.cid })
	}
	if s.out.cancelAt == nil {
		s.out.cancelAt = make(map[peer.ID][]cid.Cid)
	}
	s.out.cancelAt[id] = append(s.out.cancelAt[id], w.cid)
}

func cmpPeers(a, b peer.ID) int { return strings.Compare(string(a), string(b)) }
