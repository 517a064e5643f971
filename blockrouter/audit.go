package blockrouter

import (
	"fmt"
	"slices"
)

// audit recounts what the state keeps twice, and returns what is wrong.
func (s *state) audit() error {
	for l, mine := range s.links {
		if len(mine.got) > mostInterest {
			return fmt.Errorf("link %d is interested in %d CIDs", l, len(mine.got))
		}
		if mine.news != 0 {
			return fmt.Errorf("link %d has news that nobody took", l)
		}
	}
	for to, links := range s.listening {
		for _, l := range links {
			if mine := s.links[l]; mine == nil || !slices.Contains(mine.hears, to) {
				return fmt.Errorf("link %d is listed as listening to %s and does not", l, to.Peer)
			}
		}
	}
	for c, links := range s.interested {
		for _, l := range links {
			if mine := s.links[l]; mine == nil || !slices.Contains(mine.got, c) {
				return fmt.Errorf("link %d is listed as interested in %s and is not", l, c)
			}
		}
	}
	if err := s.auditWishes(); err != nil {
		return err
	}
	return s.auditStore()
}

func (s *state) auditWishes() error {
	wants := make(map[linkID]int)
	for at := range s.wishes.first.All() {
		c := at.cid
		seen := make(map[linkID]struct{})
		for w := range s.wishes.of(c) {
			if _, twice := seen[w.link]; twice || s.links[w.link] == nil {
				return fmt.Errorf("%s is registered for link %d, which is not open or has it twice", c, w.link)
			}
			seen[w.link] = struct{}{}
			wants[w.link]++
		}
	}
	for c := range s.wishes.more {
		if _, wanted := s.wishes.first.Get(c); !wanted || len(s.wishes.more[c]) == 0 {
			return fmt.Errorf("%s has more wishes and no first, or no more", c)
		}
	}
	for l, mine := range s.links {
		if mine.wants != wants[l] {
			return fmt.Errorf("link %d wants %d CIDs, counted %d", l, wants[l], mine.wants)
		}
	}
	return nil
}

func (s *state) auditStore() error {
	backlog := 0
	for _, w := range slices.Concat(s.writing, s.unstored) {
		backlog += len(w.block.RawData())
	}
	switch {
	case backlog != s.backlog:
		return fmt.Errorf("%d bytes wait to be stored, counted %d", backlog, s.backlog)
	case len(s.unstored) > 0 && len(s.writing) == 0:
		return fmt.Errorf("%d blocks wait to be stored and the writer is idle", len(s.unstored))
	case s.looking > s.limits.workers || s.looking < 0:
		return fmt.Errorf("%d look-ups are out for %d workers", s.looking, s.limits.workers)
	case len(s.turns) > 0 && s.looking < s.limits.workers:
		return fmt.Errorf("look-ups of %d links wait and %d of %d workers are busy", len(s.turns), s.looking, s.limits.workers)
	}
	return nil
}
