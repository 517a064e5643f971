package wantmanager

import (
	"maps"
	"slices"
)

// The bytes that all links together may have in flight or undelivered are lent to
// them. What was lent is lent until the link says that it has it no more: it may
// have been told less and not know it yet, or hold more than that in results that
// nobody reads. So the sum of what is lent never exceeds what there is.

// leastLent is what a link is told that nothing is lent to: not 0, which says
// nothing.
const leastLent = 1

// loan is what one link was lent.
type loan struct {
	told int // what it may have, as it was told last
	owed int // what it may still have in spite of that
}

func (l *loan) size() int { return max(l.told, l.owed) }

// share is what is due to each link with wants.
func (s *state) share() int { return min(s.linkBytes, s.nodeBytes/max(s.busy, 1)) }

// lend lets a link have its share, as far as there is so much, or less than
// before when it has more.
func (s *state) lend(l linkID, lk *link) {
	share := s.share()
	switch {
	case lk.loan.told > share:
		s.tell(l, lk, share)
	case lk.loan.told < share:
		if room := lk.loan.size() + s.nodeBytes - s.lent; room < share {
			s.short = true
			share = room
		}
		if share > lk.loan.told {
			s.tell(l, lk, share)
		}
	}
}

// tell changes what a link may have. With less it owes what it had.
func (s *state) tell(l linkID, lk *link, bytes int) {
	s.lent -= lk.loan.size()
	if bytes < lk.loan.told {
		lk.loan.owed = lk.loan.size()
	}
	lk.loan.told = bytes
	s.lent += lk.loan.size()
	s.out.notices = append(s.out.notices, linkNotice{l, Notice{Budget: bytes}})
}

// returned takes a link's word that it has so many bytes, and works with the
// budget that it was told then.
func (s *state) returned(l linkID, bytes, budget int) {
	lk := s.links[l]
	if lk == nil {
		return
	}
	s.lent -= lk.loan.size()
	lk.loan.owed = min(max(bytes, budget), lk.loan.size())
	s.lent += lk.loan.size()
	s.lendOn()
}

// lendOn lends what has come back to those who have less than their share: first
// to links with wants.
func (s *state) lendOn() {
	if s.lent >= s.nodeBytes {
		return
	}
	links := s.inOrder()
	for _, busy := range []bool{true, false} {
		for _, l := range links {
			if lk := s.links[l]; (len(lk.peers) > 0) == busy && lk.loan.told < s.share() {
				s.lend(l, lk)
			}
		}
	}
}

// reclaim asks links for bytes that others should have: those without wants for
// all, the others for what is well above their share. Once is enough until some
// link has come or gone, or has wants or none.
func (s *state) reclaim() {
	s.short = false
	if s.reclaimed == s.turns {
		return
	}
	s.reclaimed = s.turns
	share := s.share()
	for _, l := range s.inOrder() {
		lk := s.links[l]
		switch told := lk.loan.told; {
		case len(lk.peers) == 0 && told > leastLent:
			s.tell(l, lk, leastLent)
		case told > share+share/4:
			s.tell(l, lk, share)
		}
	}
}

func (s *state) inOrder() []linkID { return slices.Sorted(maps.Keys(s.links)) }
