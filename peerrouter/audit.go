package peerrouter

import (
	"fmt"
	"slices"
)

// audit recounts what the state keeps twice, and returns what is wrong.
func (s *state) audit() error {
	dialling, waiting := 0, 0
	for id, e := range s.peers {
		if e.dial.running {
			dialling++
		}
		if e.dial.queued() {
			waiting++
		}
		needed := len(e.links) > 0 && !e.connected && !e.denied
		switch {
		case e.id != id || len(e.links) == 0 && !e.connected && !e.dial.running:
			return fmt.Errorf("peer %s is kept for nothing", id)
		case needed && !e.dial.running && !e.dial.queued():
			return fmt.Errorf("peer %s is needed and no dial is due", id)
		case !needed && e.dial.queued():
			return fmt.Errorf("peer %s is not needed and a dial is due", id)
		case e.dial.queued() && s.waiting[e.dial.place-1] != e:
			return fmt.Errorf("peer %s has not the place in the queue that it says", id)
		}
		for _, l := range e.links {
			if _, interested := s.links[l][id]; !interested {
				return fmt.Errorf("link %d is listed at %s, in which it is not interested", l, id)
			}
		}
	}
	if dialling != s.dialling || dialling > s.maxDials || waiting != len(s.waiting) {
		return fmt.Errorf("%d dials, counted %d, may be %d; %d wait, counted %d", dialling, s.dialling, s.maxDials, waiting, len(s.waiting))
	}
	return s.auditLinks()
}

func (s *state) auditLinks() error {
	for l, mine := range s.links {
		for p := range mine {
			if e := s.peers[p]; e == nil || !slices.Contains(e.links, l) {
				return fmt.Errorf("link %d is interested in %s and is not listed there", l, p)
			}
		}
	}
	return nil
}
