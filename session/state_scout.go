package session

import (
	"slices"
	"time"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/wantmanager"
)

const (
	scoutEvery = 500 * time.Millisecond // soon against a fetch that is worth spreading, rarely for peers that have nothing
	scoutWants = 32                     // the next wants that others are asked about
)

// scout asks other peers in use whether they have what comes next, while the
// peers that have it are busy and much is left to be asked for; strangers only
// where the directory has nobody. Downloaders of
// the same thing learn so of each other: each answers HAVE when it gets one of
// the blocks, and spares the source from sending it again.
func (s *state) scout(now time.Time) {
	if s.rules.only || !s.search.sampled || !s.backlog() {
		s.scoutAt = time.Time{}
		return
	}
	if s.scoutAt.IsZero() {
		s.scoutAt = now.Add(scoutEvery)
	}
	if now.Before(s.scoutAt) {
		return
	}
	s.scoutAt = now.Add(scoutEvery)
	next := s.upcoming()
	n, led := 0, s.hoping() || s.led()
	for _, i := range s.used {
		if p := s.peers[i]; p.proven() || p.view.Late || led && s.stranger(i) {
			continue
		}
		if n++; n > s.rules.k {
			return
		}
		for _, w := range next {
			s.question(w, i)
		}
	}
}

// backlog reports whether wants wait because the peers that are likely to have
// them are busy.
func (s *state) backlog() bool {
	return len(s.turns.ask) > 0 && !slices.ContainsFunc(s.used, func(i int) bool {
		p := s.peers[i]
		return p.likely() && p.room(s.mean)
	})
}

// upcoming are wants that wait to be asked for, about the next of each call.
func (s *state) upcoming() []*wanted {
	var next []*wanted
	for _, id := range s.turns.ask {
		c := s.calls[id]
		if c == nil {
			continue
		}
		for _, item := range c.queue.items {
			w := item.want
			if len(next) == scoutWants {
				return next
			}
			if w.stage == open {
				next = append(next, w)
			}
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
// that would send it much later.
func (s *state) prefer(w *wanted, i int) {
	from := w.alone()
	if w.stage != asked || from < 0 || from == i {
		return
	}
	if s.peers[from].asked[0] == w {
		return // It may be under way.
	}
	mine, theirs := s.peers[i].cost(s.mean, s.rate, true), s.peers[from].cost(0, s.rate, true)
	if !s.peers[i].room(s.mean) || theirs <= max(stealGain*mine, mine+stealAfter.Seconds()) {
		return
	}
	s.takeBack(w, from)
	s.release(w, from)
	s.settle(w)
	s.wantBlock(w, i)
}
