package session

import "time"

// steal moves a want from a slow peer to one that has nothing to do and would
// have it much sooner. It happens when nothing waits that the idle peer could be
// asked for: at the end.
func (s *state) steal(now time.Time) {
	for _, i := range s.used {
		p := s.peers[i]
		if p.view.Rate == 0 || p.load > 0 || p.view.Late || !p.likely() {
			continue
		}
		if w, from := s.slowest(now, i); w != nil {
			s.takeBack(w, from)
			s.release(w, from)
			s.settle(w)
			s.wantBlock(now, w, i)
		}
	}
}

// slowest returns the want that the slowest peer was asked for last among those
// that peer i would have much sooner, and that peer.
func (s *state) slowest(now time.Time, i int) (*wanted, int) {
	var found *wanted
	var most float64
	from := -1
	for _, j := range s.used {
		if j == i || s.peers[j].load == 0 {
			continue
		}
		theirs := s.peers[j].cost(0, s.rate, true)
		if lap := s.peers[j].watch.running(s.clock(now)); lap > slowLaps*s.peers[j].mostLap() {
			theirs = max(theirs, lap.Seconds()) // What a block has taken so far it may take again, whatever the rate was.
		}
		if theirs <= most {
			continue
		}
		if w := s.tail(j, i, theirs); w != nil {
			found, most, from = w, theirs, j
		}
	}
	return found, from
}

// tail returns the last want of peer j that peer i can have much sooner than in
// the given number of seconds.
func (s *state) tail(j, i int, seconds float64) *wanted {
	asked := s.peers[j].asked
	for n := len(asked) - 1; n >= 0; n-- {
		w := asked[n]
		bits := w.knows(i)
		if w.alone() != j || !s.peers[i].eligible(bits) {
			continue
		}
		mine := s.peers[i].cost(s.mean, s.rate, bits&has != 0)
		if seconds > max(stealGain*mine, mine+stealAfter.Seconds()) {
			return w
		}
	}
	return nil
}
