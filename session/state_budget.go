package session

import "slices"

// What is in flight is charged to the first call that waits for it, at the size
// of the largest block of late, because its own is not known.

const sizesTurn = 64 // blocks after which the largest before them is forgotten, and the largest of these a turn later

// sizes is the largest block among the last 64 to 128.
type sizes struct {
	now, before int
	blocks      int
}

func (z *sizes) add(n int) {
	if z.blocks++; z.blocks > sizesTurn {
		z.before, z.now, z.blocks = z.now, 0, 1
	}
	z.now = max(z.now, n, 1)
}

// most is 0 when no block was seen.
func (z *sizes) most() int { return max(z.now, z.before) }

func (s *state) learnSize(n int) {
	if s.sizes.most() == 0 {
		s.mean = max(n, 1)
		s.recount()
	}
	s.mean = max(s.mean+(n-s.mean)/8, 1)
	before := s.size()
	s.sizes.add(n)
	s.shed = s.shed || s.size() >= 2*before
}

// recount corrects the loads of peers that were asked while no block had been
// seen: a guess that is far off would make those that are waited for look slow.
func (s *state) recount() {
	for _, p := range s.peers {
		p.load = 0
	}
	for w := range s.wants.All() {
		for a := range w.assignments() {
			a.size = int32(s.mean)
			s.peers[a.peer].load += s.mean
		}
	}
}

// lend takes a budget from WantManager. What was lent before and is more is owed
// until it is given back.
func (s *state) lend(budget int) {
	if budget < s.budget {
		s.owed = max(s.owed, s.budget)
	}
	s.budget = budget
}

// giveBack tells WantManager what came back of an earlier budget, in steps of a
// block of the usual largest size, and when that is all. What every call may have
// in any case was not lent.
func (s *state) giveBack() {
	if s.owed == 0 {
		return
	}
	held := max(s.held-always*s.size()*len(s.calls), 0)
	if held > s.budget && held > s.owed-unknownSize {
		return
	}
	s.out.returned, s.out.held, s.out.budget = true, held, s.budget
	s.owed = held
	if held <= s.budget {
		s.owed = 0
	}
}

// shedLoad takes back what was asked for at the size of smaller blocks and is too
// much now: the last that each peer was asked for, down to what every call may
// have.
func (s *state) shedLoad() {
	s.shed = false
	for _, i := range s.used {
		for _, w := range s.peers[i].asked {
			if w.assignedTo(i) {
				s.held += s.size() - int(w.charge)
				w.charge = int32(s.size())
			}
		}
	}
	for _, i := range s.used {
		for _, w := range slices.Backward(slices.Clone(s.peers[i].asked)) {
			if s.held <= s.budget {
				return
			}
			if w.assignedTo(i) && s.calls[w.call].inFlight > always {
				s.takeBack(w, i)
				w.learn(i, 0, silent) // It is asked again when there is room.
				s.unassign(w, i)
				s.settle(w)
			}
		}
	}
}

// size is what a block that is not here yet counts in the budget.
func (s *state) size() int {
	if most := s.sizes.most(); most > 0 {
		return most
	}
	return unknownSize
}

// affords reports whether a call may have one more block in flight.
func (s *state) affords(c *callState) bool {
	return c.inFlight+c.ready < always || s.held+s.size() <= s.budget
}

func (s *state) charge(w *wanted) {
	if w.charge != 0 {
		return
	}
	w.charge = int32(s.size())
	s.held += int(w.charge)
	s.calls[w.call].inFlight++
}

func (s *state) discharge(w *wanted) {
	if w.charge == 0 {
		return
	}
	s.held -= int(w.charge)
	w.charge = 0
	s.calls[w.call].inFlight--
}
