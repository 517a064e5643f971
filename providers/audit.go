package providers

import (
	"fmt"
	"slices"
)

// audit recounts what the state keeps twice, and returns what is wrong.
func (s *state) audit() error {
	for k, q := range s.flying {
		listed := slices.Contains(s.ageing, q) != slices.Contains(s.watches, q)
		switch {
		case len(q.links) == 0 || q.over:
			return fmt.Errorf("query %d is kept that nobody waits for", q.id)
		case q.key != k || k.watch != (q.watch != nil) || !listed:
			return fmt.Errorf("query %d is not listed as what it is", q.id)
		case q.drained && len(q.held) == 0:
			return fmt.Errorf("query %d has ended, and nobody was told", q.id)
		}
		for _, l := range q.links {
			if mine := s.links[l]; mine == nil || mine.query != q {
				return fmt.Errorf("link %d is listed at query %d, for which it does not wait", l, q.id)
			}
		}
	}
	if len(s.flying) != len(s.ageing)+len(s.watches) {
		return fmt.Errorf("%d queries fly, and %d are listed", len(s.flying), len(s.ageing)+len(s.watches))
	}
	return s.auditLookups()
}

func (s *state) auditLookups() error {
	open := make(map[*lookup]int)
	for _, a := range s.asks {
		if !a.over {
			open[a.query.lookup]++
		}
	}
	for _, q := range s.ageing {
		k := q.lookup
		elsewhere := q.drained || s.running[q.id] == q || slices.Contains(s.waiting, q)
		switch {
		case elsewhere == (k != nil && !k.over):
			return fmt.Errorf("query %d is asked of nobody, or of trackers and finders at once", q.id)
		case k == nil:
		case k.open != open[k]:
			return fmt.Errorf("query %d counts %d asks, and there are %d", q.id, k.open, open[k])
		case k.here > mostAsked:
			return fmt.Errorf("query %d has asked %d trackers at one level", q.id, k.here)
		case !k.parked.IsZero() != slices.Contains(s.parked, q):
			return fmt.Errorf("query %d waits for room, or does not, and is not listed so", q.id)
		case !k.over && k.open == 0 && k.parked.IsZero():
			return fmt.Errorf("query %d looks for trackers and asks none", q.id)
		}
	}
	if len(s.asks) > maxAsks || len(s.dialled) > mostUnverified || len(s.subs) > maxSubscriptions {
		return fmt.Errorf("%d asks, %d unverified candidates, %d subscriptions are too many", len(s.asks), len(s.dialled), len(s.subs))
	}
	return s.auditWatches()
}

func (s *state) auditWatches() error {
	for _, q := range s.watches {
		if w := q.watch; w.sub != 0 && s.subs[w.sub] != q {
			return fmt.Errorf("query %d has a subscription that nobody keeps", q.id)
		}
	}
	return nil
}
