package announcer

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// audit looks for what contradicts itself in the state after it has settled, and
// returns what is wrong.
func (s *state) audit(now time.Time) error {
	if live := s.live(); live > mostNamespaces || len(s.names)-live > mostWithdrawn || len(s.names) != len(s.claims) {
		return fmt.Errorf("%d namespaces are announced, %d are listed and %d kept", live, len(s.names), len(s.claims))
	}
	if err := s.auditCalls(); err != nil {
		return err
	}
	for id, t := range s.trackers {
		if _, listed := slices.BinarySearch(s.ids, id); t.id != id || listed == t.gone || t.gone && t.call == nil {
			return fmt.Errorf("tracker %s is not what it is kept as", id)
		}
	}
	for _, c := range s.all {
		if !c.live && len(c.rows) == 0 {
			return fmt.Errorf("namespace %q is kept for nothing", c.namespace)
		}
		for _, r := range c.rows {
			if err := s.auditRow(now, c, r); err != nil {
				return fmt.Errorf("namespace %q at %s: %w", c.namespace, r.tracker.id, err)
			}
		}
	}
	return nil
}

func (s *state) auditCalls() error {
	busy := 0
	for _, t := range s.trackers {
		if t.call != nil {
			busy++
		}
	}
	if busy != len(s.calls) || s.flying() > mostCalls {
		return fmt.Errorf("%d calls, of them %d not given up, at %d trackers", len(s.calls), s.flying(), busy)
	}
	for _, c := range s.calls {
		if c.tracker.call != c {
			return fmt.Errorf("tracker %s does not have its call", c.tracker.id)
		}
	}
	return nil
}

func (s *state) auditRow(now time.Time, c *claim, r *row) error {
	switch {
	case r.claim != c || r.gone || s.trackers[r.tracker.id] != r.tracker || r.tracker.gone:
		return errors.New("not the row that it is kept as")
	case !c.live && r.task == keeping:
		return errors.New("kept although it is withdrawn")
	case r.sent < r.has.sequence:
		return fmt.Errorf("has %d, of what was sent up to %d", r.has.sequence, r.sent)
	case r.task != idle && s.ready(now, r) && s.flying() < mostCalls:
		return fmt.Errorf("due since %s and not begun", now.Sub(r.at))
	case r.task != idle && r.at.After(now) && (s.wake.IsZero() || s.wake.After(r.at)):
		return fmt.Errorf("due in %s, and nobody wakes then", r.at.Sub(now))
	}
	return nil
}
