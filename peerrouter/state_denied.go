package peerrouter

import (
	"maps"
	"slices"
	"time"
)

// presence is how a connected peer stands.
func (e *peerEntry) presence() News {
	if e.denied {
		return News{Status: Denied}
	}
	return News{Status: Available}
}

// decideAll asks anew of every peer whether it is denied.
func (s *state) decideAll(now time.Time) {
	for _, p := range slices.Sorted(maps.Keys(s.peers)) {
		s.decide(now, s.peers[p])
	}
	s.startDials(now)
}

// decide asks whether a peer is denied, and tells of it when that has changed. One
// that is not any more and that somebody needs is dialled at once.
func (s *state) decide(now time.Time, e *peerEntry) {
	denied := s.denies(e.id)
	if denied == e.denied {
		return
	}
	e.denied = denied
	switch {
	case e.connected:
		s.tellAll(e, e.presence())
	case denied:
		s.waiting.remove(e)
		e.dial.failures, e.dial.err, e.dial.silent = 0, nil, false
		s.tellInterested(e, News{Status: Denied})
	case len(e.links) > 0 && !e.dial.running:
		s.dialAt(e, now)
	}
}
