package session

import (
	"slices"
	"time"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/internal/planted"
)

// tick is called when a deadline has passed.
func (s *state) tick(now time.Time) {
	f := &s.search
	f.endPatience(now)
	s.believe(now)
	s.endPauses(now)
	if !f.settleAt.IsZero() && !now.Before(f.settleAt) {
		f.settleAt, f.sampled = time.Time{}, true
	}
	if !f.rotateAt.IsZero() && !now.Before(f.rotateAt) {
		f.rotateAt = time.Time{}
		s.rotate(now)
	}
}

// endPauses stops waiting for answers; who stays silent costs a pause that
// grows.
func (s *state) endPauses(now time.Time) {
	f := &s.search
	late := false
	for len(f.pauses) > 0 && !now.Before(f.pauses[0].until) {
		p := f.pauses[0]
		f.pauses = f.pauses[1:]
		w := p.want
		if w.stage == 0 || w.round != p.round || !w.awaiting() {
			continue
		}
		f.endRound(w)
		if !s.likelyOut(w) {
			late = true
			s.silence(w)
		}
	}
	if late {
		f.silences++
	}
}

// likelyOut reports whether w is asked of a peer that is likely to have it.
func (s *state) likelyOut(w *wanted) bool {
	for a := range w.assignments() {
		if i := int(a.peer); s.peers[i].likely() || w.knows(i)&has != 0 {
			return true
		}
	}
	return false
}

// silence counts the peers that owe an answer about w as having refused, until
// they answer after all.
func (s *state) silence(w *wanted) {
	for n, k := range w.known {
		if k.bits()&awaited != 0 {
			w.known[n] = k.with(silent, awaited)
			s.unassign(w, k.peer())
		}
	}
	s.settle(w)
	if w.stage == open {
		s.offer(s.calls[w.call])
	}
}

// rotate lets the oldest of the wants that everybody has refused be asked for
// again, and asks the directory for new candidates in place of those that were of
// no use.
func (s *state) rotate(now time.Time) {
	f := &s.search
	query := s.query()
	for range maxProbes {
		w := f.spent.first()
		if w == nil {
			break
		}
		for n, k := range w.known {
			s.spare(k.peer(), k.bits())
			w.known[n] = k.with(0, wasAsked|refused|silent)
		}
		s.enqueue(w, open)
	}
	if s.rules.only || !f.exhausted {
		return
	}
	f.dials, f.leadTo = 0, now.Add(leadPatience)
	s.judgeAll()
	for i, p := range s.peers {
		if p.candidate && !p.connected && p.hits == 0 && (p.left || p.err != nil) {
			s.giveUp(i)
		}
	}
	s.find(now, query)
}

// giveUp forgets a candidate, and keeps only that it could not be reached, of the
// latest few.
func (s *state) giveUp(i int) {
	p := s.peers[i]
	if p.err != nil {
		s.noteTried(p.answer(0))
	}
	s.out.bored = append(s.out.bored, p.id)
	s.forgetPeer(i)
}

// noteTried keeps what became of a peer that is forgotten, of the latest few.
func (s *state) noteTried(a Answer) {
	s.tried = slices.DeleteFunc(s.tried, func(o Answer) bool { return o.Peer == a.Peer })
	s.tried = append(s.tried, a)
	s.tried = s.tried[max(0, len(s.tried)-mostTried):]
}

// wake is when tick has something to do, or the zero time.
func (s *state) wake() time.Time {
	at := due.First(s.search.settleAt, s.scoutAt, s.search.patientTo, s.search.dialTo)
	if !planted.Is(planted.MissingTimer) {
		at = due.First(at, s.search.rotateAt)
	}
	if len(s.search.pauses) > 0 {
		at = due.First(at, s.search.pauses[0].until)
	}
	for _, d := range s.doubts {
		at = due.First(at, s.began.Add(d.until))
	}
	return at
}
