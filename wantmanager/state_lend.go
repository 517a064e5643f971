package wantmanager

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

// due is what a link is told: its share, or an eighth less where that is not all
// that a link may have. With every link that comes or goes the share of all
// changes a little, and each word wakes a session.
func (s *state) due() int {
	share := s.share()
	if share == s.linkBytes {
		return share
	}
	return share - share/8
}

// lend lets a link have what is due to it, as far as there is so much, or less
// than before when it has more than its share.
func (s *state) lend(lk *link) {
	due := s.due()
	switch told := lk.loan.told; {
	case told > s.share():
		s.tell(lk, due)
	case s.hungry(lk):
		if room := lk.loan.size() + s.nodeBytes - s.lent; room < due {
			s.short = true
			due = room
		}
		if due > told {
			s.tell(lk, due)
		}
	}
}

// hungry reports whether a link has so much less than its share that it is worth
// a word.
func (s *state) hungry(lk *link) bool {
	told := lk.loan.told
	return told+told/4 < s.share() || told < s.share() && s.share() == s.linkBytes
}

// tell changes what a link may have. With less it owes what it had.
func (s *state) tell(lk *link, bytes int) {
	s.lent -= lk.loan.size()
	if bytes < lk.loan.told {
		lk.loan.owed = lk.loan.size()
	}
	lk.loan.told = bytes
	s.lent += lk.loan.size()
	s.out.notices = append(s.out.notices, linkNotice{lk.id, Notice{Budget: bytes}})
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
	for _, busy := range []bool{true, false} {
		for _, lk := range s.order {
			if (len(lk.peers) > 0) == busy && s.hungry(lk) {
				s.lend(lk)
			}
		}
	}
}

// relend lends every link what is due to it after the share has changed by an
// eighth, or has become all that a link may have.
func (s *state) relend() {
	share, slack := s.share(), s.shared/8
	if share == s.shared || share < s.linkBytes && share <= s.shared+slack && share >= s.shared-slack {
		return
	}
	s.shared = share
	for _, lk := range s.order {
		if len(lk.peers) > 0 {
			s.lend(lk)
		}
	}
}

// reclaim asks links for bytes that others should have: those without wants for
// all, the others for what is above their share. Once is enough until some
// link has come or gone, or has wants or none.
func (s *state) reclaim() {
	if s.reclaimed == s.turns {
		return
	}
	s.reclaimed, s.short = s.turns, false
	share := s.share()
	for _, lk := range s.order {
		busy := len(lk.peers) > 0
		switch told := lk.loan.told; {
		case !busy && told > leastLent:
			s.tell(lk, leastLent)
		case told > share:
			s.tell(lk, s.due())
		}
		s.short = s.short || busy && s.hungry(lk)
	}
}
