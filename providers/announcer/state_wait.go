package announcer

import (
	"slices"
	"time"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/providers/tracker"
)

// waiter is somebody who waits for what becomes of a claim.
type waiter struct {
	id         waiterID
	since      time.Time
	version    uint64
	withdrawal bool
}

func (s *state) answerWith(w waiterID, err error) {
	s.out.answers = append(s.out.answers, answer{w, err})
}

// dismiss forgets somebody who waits no longer.
func (s *state) dismiss(w waiterID) {
	for _, c := range s.all {
		c.waiters = slices.DeleteFunc(c.waiters, func(o waiter) bool { return o.id == w })
	}
}

// answer answers those for whom it is decided.
func (s *state) answer(now time.Time, c *claim) {
	c.waiters = slices.DeleteFunc(c.waiters, func(w waiter) bool {
		decided, err := s.verdict(now, c, w)
		if decided {
			s.answerWith(w.id, err)
		}
		return decided
	})
}

func (s *state) verdict(now time.Time, c *claim, w waiter) (decided bool, err error) {
	if w.withdrawal {
		if s.undecided(now, c) {
			return false, nil
		}
		return true, s.unheard(now, c)
	}
	switch {
	case !c.live && s.leaving:
		return true, ErrClosed
	case !c.live:
		return true, ErrWithdrawn
	case c.takenSince(now, w.version):
		return true, nil
	case len(s.ids) == 0:
		return true, ErrNoTrackers
	case c.triedAll(w.since):
		return true, s.refusedBy(now, c)
	}
	return false, nil
}

// takenSince reports whether a tracker has a version of the claim, or a later
// one.
func (c *claim) takenSince(now time.Time, version uint64) bool {
	return slices.ContainsFunc(c.rows, func(r *row) bool {
		return r.has.sequence != 0 && r.has.version >= version && now.Before(r.has.heard.Add(c.holding.TTL))
	})
}

// triedAll reports whether each tracker that the claim belongs at, or as many as
// clients would ask, has failed.
func (c *claim) triedAll(since time.Time) bool {
	failed, pending := 0, 0
	for _, r := range c.rows {
		switch {
		case !r.failed.Before(since):
			failed++
		case r.task == keeping || r.flying():
			pending++
		}
	}
	return pending == 0 || failed >= 2*tracker.Replicas
}

// flying reports whether a call about the row is under way.
func (r *row) flying() bool {
	c := r.tracker.call
	return c != nil && !c.givenUp && slices.Contains(c.rows, r)
}

// refusedBy says why no tracker has the claim.
func (s *state) refusedBy(now time.Time, c *claim) error {
	e := &Error{Namespace: c.namespace}
	for _, r := range c.rows {
		if r.err != nil {
			e.Trackers = append(e.Trackers, &TrackerError{r.tracker.id, r.err})
		}
	}
	for _, id := range s.ids {
		t := s.trackers[id]
		if r := c.row(t); r != nil && r.err != nil {
			continue
		}
		if err := t.untold(now); err != nil {
			e.Trackers = append(e.Trackers, &TrackerError{id, err})
		}
	}
	return e
}

// undecided reports whether a tracker is still to be told, for the first time,
// that the claim is withdrawn.
func (s *state) undecided(now time.Time, c *claim) bool {
	return slices.ContainsFunc(c.rows, func(r *row) bool {
		return r.task == withdrawing && r.tries == 0 && r.tracker.untold(now) == nil
	})
}

// unheard says which trackers have not taken a withdrawal, if there are any.
func (s *state) unheard(now time.Time, c *claim) error {
	e := &Error{Namespace: c.namespace}
	for _, r := range c.rows {
		if r.task != withdrawing {
			continue
		}
		err := r.err
		if r.tries == 0 {
			err = r.tracker.untold(now)
		}
		e.Trackers = append(e.Trackers, &TrackerError{r.tracker.id, err})
	}
	if len(e.Trackers) == 0 {
		return nil
	}
	return e
}

// answerLeavers answers who leaves when there is nothing left that can be told.
func (s *state) answerLeavers(now time.Time) {
	for _, c := range s.all {
		if s.undecided(now, c) {
			return
		}
	}
	for _, w := range s.leavers {
		s.answerWith(w, nil)
	}
	s.leavers = nil
}

// status returns what each tracker was told.
func (s *state) status() []Status {
	var all []Status
	for _, c := range s.all {
		for _, r := range c.rows {
			st := Status{Namespace: c.namespace, Tracker: r.tracker.id, Sequence: r.has.sequence, Heard: r.has.heard, Err: r.err}
			if r.task != idle {
				st.Next = r.at
			}
			all = append(all, st)
		}
	}
	return all
}

// next is when the state has to be woken, or the zero time.
func (s *state) next(now time.Time) time.Time {
	var at time.Time
	note := func(t time.Time) {
		if t.After(now) {
			at = due.First(at, t)
		}
	}
	note(s.movedAt)
	for _, c := range s.calls {
		if !c.givenUp {
			note(c.deadline())
		}
	}
	for _, id := range s.ids {
		if len(s.names) > 0 {
			s.trackers[id].wakes(note)
		}
	}
	for _, c := range s.all {
		for _, r := range c.rows {
			r.wakes(note)
		}
	}
	return at
}

// wakes tells when a tracker can be told something again.
func (t *trackerState) wakes(note func(time.Time)) {
	note(t.downUntil)
	note(t.pausedUntil)
	note(t.quietUntil)
}

// wakes tells when a row has to be looked at.
func (r *row) wakes(note func(time.Time)) {
	switch r.task {
	case idle:
		note(r.refusedUntil)
		note(r.until)
	case withdrawing:
		note(r.until)
		note(r.at)
	case keeping:
		note(r.at)
	}
}
