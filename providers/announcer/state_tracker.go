package announcer

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/tracker"
)

const (
	// A call that failed lets its tracker rest for a second, twice that after the
	// next failure, and half a minute at most: while nobody else says that it is
	// down, a tracker that is back has to be told within a minute.
	firstPause = time.Second
	longPause  = 30 * time.Second

	// Rows are checked within this after a connection was lost, so that a tracker
	// that has lost everything with it knows them within a minute, and is not
	// asked by everybody at once.
	checkWithin = 20 * time.Second
	// Connections are lost without a restart, too, be it that the tracker has too
	// many: twice in a row that is checked as usual, and then ever later.
	longCheck   = 10 * time.Minute
	alarmMemory = time.Hour
)

// trackerNews is what is known of a tracker outside.
type trackerNews struct {
	id        peer.ID
	downUntil time.Time
	lost      uint64
}

// trackerState is a tracker of the set, or one that was while its call has not
// returned.
type trackerState struct {
	id        peer.ID
	gone      bool // from the set
	downUntil time.Time
	lost      uint64

	call        *call
	failures    int       // of calls, in a row
	pausedUntil time.Time // because of them
	quietUntil  time.Time // it asked for that

	alarms  int       // lost connections in a row after which it still had everything
	alarmed time.Time // until when the last of them is to be checked
	checkAt time.Time // when all rows are to be checked after the last loss

	warned uint32 // codes of refusals that were logged, a bit each
}

// up reports whether the tracker can be told something now.
func (t *trackerState) up(now time.Time) bool {
	return !t.gone && !now.Before(t.downUntil) && !now.Before(t.pausedUntil) && (t.call == nil || !t.call.givenUp)
}

// quiet reports whether it has asked not to be told anything now.
func (t *trackerState) quiet(now time.Time) bool { return now.Before(t.quietUntil) }

// untold is why a tracker is not told anything now, or nil when it can be.
func (t *trackerState) untold(now time.Time) error {
	switch {
	case !t.up(now):
		return ErrDown
	case t.quiet(now):
		return ErrQuiet
	default:
		return nil
	}
}

// known takes the whole set of trackers.
func (s *state) known(now time.Time, set []trackerNews) {
	ids := make([]peer.ID, 0, len(set))
	for _, n := range set {
		ids = append(ids, n.id)
		s.knownOne(now, n)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if slices.Equal(ids, s.ids) {
		return
	}
	for _, id := range s.ids {
		if _, stays := slices.BinarySearch(ids, id); !stays {
			s.vanished(s.trackers[id])
		}
	}
	s.ids = ids
	for _, c := range s.all {
		s.rank(c)
	}
}

func (s *state) knownOne(now time.Time, n trackerNews) {
	t := s.trackers[n.id]
	if t == nil {
		t = &trackerState{id: n.id, lost: n.lost}
		s.trackers[n.id] = t
	}
	t.gone, t.downUntil = false, n.downUntil
	if n.lost > t.lost {
		t.lost = n.lost
		s.lostConnection(now, t)
	}
}

// vanished takes a tracker out of the set, and what it was told with it: it is
// not known any more how to reach it.
func (s *state) vanished(t *trackerState) {
	t.gone = true
	for _, c := range s.all {
		c.rows = slices.DeleteFunc(c.rows, func(r *row) bool { return r.tracker == t && r.dropped() })
	}
	if t.call == nil {
		delete(s.trackers, t.id)
	}
}

// lostConnection lets every row of a tracker be checked soon, all with one touch.
// One that refused may do so no more.
func (s *state) lostConnection(now time.Time, t *trackerState) {
	if now.Sub(t.alarmed) > alarmMemory {
		t.alarms = 0
	}
	within := min(checkWithin<<max(t.alarms-1, 0), longCheck)
	if !now.Before(t.alarmed) {
		t.alarms = min(t.alarms+1, 10)
		t.alarmed = now.Add(within)
	}
	t.checkAt = now.Add(s.jitter(within))
	t.quietUntil = earlier(t.quietUntil, t.checkAt)
	for _, c := range s.all {
		if r := c.row(t); r != nil {
			r.check()
		}
	}
}

// check lets a row be told when its tracker is to be checked.
func (r *row) check() {
	r.at = earlier(r.at, r.tracker.checkAt)
	r.refusedUntil = earlier(r.refusedUntil, r.tracker.checkAt)
}

// rank orders the trackers for each place of a claim.
func (s *state) rank(c *claim) {
	c.ranks = c.ranks[:0]
	for _, p := range c.places {
		c.ranks = append(c.ranks, tracker.Rank(p, s.ids))
	}
}

// rest lets a tracker rest after a call that failed.
func (s *state) rest(now time.Time, t *trackerState) {
	pause := min(firstPause<<min(t.failures, 10), longPause)
	t.failures++
	t.pausedUntil = now.Add(pause/2 + s.jitter(pause/2))
}

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
