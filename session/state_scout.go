package session

import (
	"cmp"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/wantmanager"
)

const (
	scoutEvery = 100 * time.Millisecond // soon against a fetch that is worth spreading, rarely for peers that have nothing
	scoutWants = 32                     // the next wants that others are asked about
)

// scout asks other peers in use whether they have what comes next, while the
// peers that have it are busy and much is left to be asked for; strangers only
// where the directory has nobody. Downloaders of
// the same thing learn so of each other: each answers HAVE when it gets one of
// the blocks, and spares the source from sending it again.
func (s *state) scout(now time.Time) {
	if s.rules.only || !s.search.sampled || !s.backlog() {
		s.scoutAt, s.scouted = time.Time{}, time.Time{}
		return
	}
	if !s.crowd() {
		s.scoutAt = s.crowdedAt()
		return
	}
	if s.scoutAt = s.scouted.Add(scoutEvery); now.Before(s.scoutAt) {
		return
	}
	s.scoutAt, s.scouted = now.Add(scoutEvery), now
	next, list := s.upcoming(), s.neighbours()
	s.findMore(now, next, len(list))
	for _, i := range list {
		for _, w := range next {
			s.question(w, i)
		}
	}
}

// neighbours are the peers that are asked what they have: K of those in use, first
// those that get the same as we, others in an order of our own, so that a crowd does
// not ask the same few.
func (s *state) neighbours() []int {
	led := s.hoping() || s.led()
	if !led {
		s.takeNeighbours()
	}
	var list []int
	for _, i := range s.used {
		if p := s.peers[i]; !p.proven() && !(p.crowded && p.likely()) && !p.view.Late && !(led && s.stranger(i)) {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b int) int {
		if x, y := s.peers[a].getting, s.peers[b].getting; x != y {
			if x {
				return -1
			}
			return 1
		}
		return cmp.Compare(s.distance(s.peers[a].id), s.distance(s.peers[b].id))
	})
	return list[:min(len(list), s.rules.k)]
}

// findMore asks the directory again who has come since, while those whom it has named
// are crowded and there are fewer neighbours than may be asked.
func (s *state) findMore(now time.Time, next []*wanted, neighbours int) {
	f := &s.search
	if !s.led() || f.finding || neighbours >= s.rules.k || len(next) == 0 || now.Before(f.moreAt) {
		return
	}
	if !f.moreAt.IsZero() {
		s.find(now, []cid.Cid{next[0].cid})
		s.out.news = true
	}
	f.pace = min(max(f.pace+f.pace/2, firstRotation), lastRotation)
	f.moreAt = now.Add(f.pace)
}

// takeNeighbours takes connected peers into use until there are K that may be asked.
func (s *state) takeNeighbours() {
	n := len(s.used)
	var more []int
	for i, p := range s.peers {
		if p.connected && !p.inUse {
			more = append(more, i)
		}
	}
	slices.SortFunc(more, func(a, b int) int { return s.byScore(s.peers[a].id, s.peers[b].id) })
	for _, i := range more[:max(min(len(more), s.rules.k+1-n), 0)] {
		s.peers[i].inUse, s.used = true, append(s.used, i)
	}
	slices.Sort(s.used)
}

// distance is a number for a peer that is another for every session's node.
func (s *state) distance(p peer.ID) uint64 { return hash(s.rules.self, string(p)) }

// backlog reports whether wants wait because the peers that are likely to have
// them are busy.
func (s *state) backlog() bool {
	return len(s.turns.ask) > 0 && !slices.ContainsFunc(s.used, func(i int) bool {
		p := s.peers[i]
		return p.likely() && p.room(s.mean)
	})
}

// upcoming are wants that wait to be asked for, the next of each call, and how many
// of them.
func (s *state) upcoming() []*wanted {
	next := s.crowding()
	for _, id := range s.turns.ask {
		if c := s.calls[id]; c != nil {
			next = append(next, c.queue.first(scoutWants-len(next))...)
		}
	}
	return next
}

// question asks peer i whether it has w, once. Nothing waits for the answer.
func (s *state) question(w *wanted, i int) {
	if w.knows(i)&(wasAsked|has) != 0 {
		return
	}
	w.learn(i, told|wasAsked, refused|silent)
	s.tell(s.peers[i].id, wantmanager.Ask{CID: w.cid, Type: message.WantHave, Priority: s.rules.priority})
}

// expect reports whether candidates were asked questions about w to which no answer
// has come and for which nobody waits, because others were likely to have it; from
// now on they are waited for.
func (s *state) expect(w *wanted) (any bool) {
	for n, k := range w.known {
		if s.peers[k.peer()].listed && k.bits()&wasAsked != 0 && k.bits()&(awaited|has|refused|silent) == 0 {
			w.known[n] = k.with(awaited, 0)
			any = true
		}
	}
	return any
}

// prefer moves a want to peer i, which has just said that it has it, from a peer
// that would send it much later, or that has what nobody else has to send.
func (s *state) prefer(now time.Time, w *wanted, i int) {
	from := w.alone()
	if w.stage != asked || from < 0 || from == i {
		return
	}
	if s.first(from) == w && s.sending(now, from) {
		return // It may be under way.
	}
	source := s.peers[from].crowded && !s.peers[from].getting
	switch {
	case s.peers[i].room(s.mean) && (source && s.peers[i].getting || !s.peers[from].getting && s.sooner(i, from)):
		s.moveTo(now, w, i)
	case source && s.peers[i].getting:
		s.withdrawFrom(w, from)
	}
}

// sooner reports whether peer i would have a block much sooner than the last that
// peer from is asked for. As long as nothing is known of the way of one of them, it
// counts as long as the other's.
func (s *state) sooner(i, from int) bool {
	if s.peers[from].view.Rate == 0 && !s.peers[from].view.Late {
		return false // It has only just been asked.
	}
	mine, theirs := s.peers[i].cost(s.mean, s.rate, true), s.peers[from].cost(0, s.rate, true)
	if s.peers[i].view.RTT == 0 {
		mine += s.peers[from].view.RTT.Seconds()
	}
	return theirs > max(stealGain*mine, mine+stealAfter.Seconds())
}

// first returns the want that peer i was asked for first.
func (s *state) first(i int) *wanted {
	for _, w := range s.peers[i].asked {
		if w.assignedTo(i) {
			return w
		}
	}
	return nil
}

// moveTo takes a want from the one peer that was asked for it to another.
func (s *state) moveTo(now time.Time, w *wanted, i int) {
	from := w.alone()
	s.recall(w, from)
	s.release(w, from)
	s.settle(w)
	s.wantBlock(now, w, i)
}

// withdrawFrom takes a want back that others will be asked for.
func (s *state) withdrawFrom(w *wanted, from int) {
	s.recall(w, from)
	s.unassign(w, from)
	s.settle(w)
}

// recall takes back what peer i was asked about w, which it may be asked again.
func (s *state) recall(w *wanted, i int) {
	s.takeBack(w, i)
	w.learn(i, 0, silent)
	p := s.peers[i]
	p.asked = slices.DeleteFunc(p.asked, func(o *wanted) bool { return o == w })
}
