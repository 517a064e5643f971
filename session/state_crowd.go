package session

import (
	"slices"
	"time"

	"github.com/souk-p2p/souk/internal/due"
)

// Many who want the same of one source are a crowd. It has what nobody else has, so
// it is asked for that, and for little at a time: what one of the crowd has got is
// taken from there, and withdrawn from the source if it still waits there.

const (
	crowdedTrips = 3                     // round trips that a block may take from a peer whose window is as it should be: one, the window's, and startup
	leastCrowded = 25 * time.Millisecond // and this much is scheduling, on a busy machine
	crowdedDepth = 2                     // blocks asked of a crowded peer: one that it sends, and the next
	crowdedBytes = 64 << 10              // or as many small ones
)

// stopwatch measures how long a peer takes for a block: one at a time.
type stopwatch struct {
	want *wanted
	from time.Duration // since when the peer owes it, or one that was taken back
	took time.Duration // the one before
	runs bool
}

// start measures w unless another is being measured.
func (t *stopwatch) start(now time.Duration, w *wanted) {
	if !t.runs {
		t.from, t.runs = now, true
	}
	if t.want == nil {
		t.want = w
	}
}

// stop ends the measurement of w, which has come.
func (t *stopwatch) stop(now time.Duration, w *wanted) {
	if t.want == w {
		t.took, t.runs = now-t.from, false
	}
}

// drop lets go of w, in place of which another will be measured, unless nothing is
// left that the peer owes.
func (t *stopwatch) drop(w *wanted, left int) {
	if t.want == w {
		t.want = nil
	}
	if left == 0 {
		t.runs = false
	}
}

// running is for how long the peer owes what is measured.
func (t *stopwatch) running(now time.Duration) time.Duration {
	if !t.runs {
		return 0
	}
	return now - t.from
}

// lap is what a block takes, as far as known.
func (t *stopwatch) lap(now time.Duration) time.Duration {
	if !t.runs {
		return t.took
	}
	return max(t.took, now-t.from)
}

// lookAround notes which peers are crowded: those that take much longer for a block than
// a window is long.
func (s *state) lookAround(now time.Time) {
	for _, i := range s.used {
		p := s.peers[i]
		before := p.crowded
		p.crowded = !s.rules.only && p.view.RTT > 0 && p.watch.lap(s.clock(now)) > p.mostLap()
		if p.crowded && !before && !p.getting && !s.sending(now, i) {
			s.unload(i)
		}
	}
}

// steady reports whether the peer has had nearly all that it was asked for, be it little.
func (p *sessionPeer) steady() bool { return p.hits > 0 && p.misses*8 <= p.hits }

// clearRefused withdraws w from peers that have refused it, because peer i has it and was
// asked: who gets it meanwhile would send it, too.
func (s *state) clearRefused(w *wanted, i int) {
	if s.rules.only || w.knows(i)&has == 0 && !s.peers[i].steady() {
		return
	}
	for _, k := range slices.Clone(w.known) {
		if k.peer() != i && k.bits()&(refused|whole|told) == refused|whole|told {
			s.takeBack(w, k.peer())
			w.learn(k.peer(), refused, silent)
		}
	}
}

// worthSounding is how many blocks have to be to come: a few small ones come, or are asked
// for, before the answer, which then is a block that comes twice.
const worthSounding = 6

// sound asks peer i, which is asked for a first block, whether it has one that comes
// much later. It can say so at once however many wait for blocks: without that, who
// comes to a crowd would take the wait for the round trip, and not see the crowd.
func (s *state) sound(i int) {
	p := s.peers[i]
	if p.sounded || s.rules.only || s.rules.flood || s.stranger(i) {
		return
	}
	next := s.upcoming()
	if len(next) < worthSounding {
		return
	}
	p.sounded = true
	for _, w := range slices.Backward(next) {
		if w.stage == open && w.knows(i)&wasAsked == 0 && w.pending() == 0 {
			s.wantHave(w, i)
			p.sounding = w
			return
		}
	}
}

// crowd reports whether some peer is crowded.
func (s *state) crowd() bool {
	return slices.ContainsFunc(s.used, func(i int) bool { return s.peers[i].crowded })
}

// crowdedAt is when the first peer will be crowded unless it sends something, or the
// zero time.
func (s *state) crowdedAt() time.Time {
	var at time.Time
	for _, i := range s.used {
		p := s.peers[i]
		if !p.watch.runs || p.view.RTT == 0 {
			continue
		}
		at = due.First(at, s.began.Add(p.watch.from+p.mostLap()+1))
	}
	return at
}

// mostLap is how long a block may take from a peer that is not crowded.
func (p *sessionPeer) mostLap() time.Duration { return max(crowdedTrips*p.view.RTT, leastCrowded) }

// spared reports whether peer i, which is crowded, is not to be asked for w because
// somebody else has it, who will be asked when there is room.
func (s *state) spared(w *wanted, i int) bool {
	return s.peers[i].crowded && s.elsewhere(w, i) && !s.starving()
}

// crowding are the wants that wait at peers which are crowded.
func (s *state) crowding() []*wanted {
	var list []*wanted
	for _, i := range s.used {
		p := s.peers[i]
		if !p.crowded || p.getting {
			continue
		}
		for _, w := range p.asked {
			if w.assignedTo(i) && len(list) < scoutWants {
				list = append(list, w)
			}
		}
	}
	return list
}

// unload takes back from peer i, which has turned out to be crowded, all that it was
// asked for but the first.
func (s *state) unload(i int) {
	p, n := s.peers[i], 0
	for _, w := range slices.Clone(p.asked) {
		if !w.assignedTo(i) {
			continue
		}
		if n += s.mean; n > max(crowdedDepth*s.mean, crowdedBytes) {
			s.withdrawFrom(w, i)
		}
	}
}

// sending reports whether something has come from peer i just now, so that a block may
// be under way.
func (s *state) sending(now time.Time, i int) bool {
	p := s.peers[i]
	if s.rules.progress == nil || !p.crowded {
		return true
	}
	return now.Sub(s.rules.progress(p.id)) < p.view.RTT+leastCrowded
}

// elsewhere reports whether a peer beside i that answers has said that it has w.
func (s *state) elsewhere(w *wanted, i int) bool {
	return slices.ContainsFunc(w.known, func(k knowledge) bool {
		p := s.peers[k.peer()]
		return k.bits()&has != 0 && k.peer() != i && p.eligible(k.bits()) && !p.view.Late
	})
}

// starving reports whether so little is asked for that who is crowded must not be
// spared.
func (s *state) starving() bool {
	out := 0
	for _, i := range s.used {
		if out += s.peers[i].out; out >= 2*crowdedDepth {
			return false
		}
	}
	return true
}

// holders is how many peers have said that they have w.
func (w *wanted) holders() int {
	n := 0
	for _, k := range w.known {
		if k.bits()&has != 0 {
			n++
		}
	}
	return n
}

// offered notes that peer i has w, which may be asked of it.
func (s *state) offered(w *wanted, i int) {
	p := s.peers[i]
	p.offers = append(p.offers, w)
}

// takeOffers asks peers for what they have said that they have, of each the rarest first.
func (s *state) takeOffers(now time.Time) {
	for {
		w, i := s.bestOffer()
		if w == nil {
			return
		}
		s.wantBlock(now, w, i)
	}
}

// bestOffer returns the rarest want of the peer from which one can be expected first.
func (s *state) bestOffer() (best *wanted, from int) {
	var lowest float64
	for _, i := range s.used {
		p := s.peers[i]
		if len(p.offers) == 0 || !p.room(s.mean) {
			continue
		}
		cost := p.cost(s.mean, s.rate, true)
		if best != nil && cost >= lowest {
			continue
		}
		if w := s.rarest(i); w != nil {
			best, from, lowest = w, i, cost
		}
	}
	return best, from
}

// rarest returns the want that fewest have, of those that peer i has offered.
func (s *state) rarest(i int) *wanted {
	p := s.peers[i]
	var best *wanted
	left := p.offers[:0]
	for _, w := range p.offers {
		bits := w.knows(i)
		if w.stage != open || bits&has == 0 {
			continue
		}
		left = append(left, w)
		if !p.eligible(bits) || s.spared(w, i) || !s.affords(s.calls[w.call]) {
			continue
		}
		if best == nil || w.holders() < best.holders() || w.holders() == best.holders() && w.order < best.order {
			best = w
		}
	}
	clear(p.offers[len(left):])
	p.offers = left
	return best
}
