package client

import (
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/souk-p2p/souk/providers/record"
)

// maxAdded bounds the trackers that were added while the client runs, as many as a
// list has.
const maxAdded = record.MaxTrackers

// trackers is what is told of the set.
func (s *state) trackers() []Tracker {
	set := make([]Tracker, len(s.order))
	for i, l := range s.order {
		set[i] = l.tracker()
	}
	return set
}

// add puts trackers into the set, all or none.
func (s *state) add(now time.Time, trackers []peer.AddrInfo) error {
	added := slices.Clone(s.added)
	for _, t := range trackers {
		i := slices.IndexFunc(added, func(o peer.AddrInfo) bool { return o.ID == t.ID })
		if i < 0 {
			i, added = len(added), append(added, peer.AddrInfo{ID: t.ID})
		}
		added[i].Addrs = t.Addrs // The last word: a tracker may have moved.
	}
	if len(added) > maxAdded {
		return ErrTooMany
	}
	s.added = added
	s.gather(now)
	return nil
}

// pin replaces the pinned trackers.
func (s *state) pin(now time.Time, trackers []peer.AddrInfo) {
	s.pinned = trackers
	s.gather(now)
}

// listed takes over the list that came on a stream, unless what we have is as new.
// There may be none. Fault is what the tracker did wrong with it.
func (s *state) listed(now time.Time, from streamID, list *record.SignedTrackers, fault error) {
	st := s.streams[from]
	switch {
	case st == nil && fault != nil:
	case fault != nil:
		s.hangUp(now, st, &FaultError{fault})
	case st != nil:
		s.up(st.line)
	}
	if list != nil && list.Trackers().Sequence > s.sequence() {
		s.list = list
		s.gather(now)
	}
}

// sequence is that of the list that we have; zero for none.
func (s *state) sequence() uint64 {
	if s.list == nil {
		return 0
	}
	return s.list.Trackers().Sequence
}

// gather makes the set of the pinned trackers, those that were added and those of
// the list.
func (s *state) gather(now time.Time) {
	set := make(map[peer.ID][]multiaddr.Multiaddr)
	for _, p := range slices.Concat(s.pinned, s.added) {
		set[p.ID] = union(set[p.ID], p.Addrs)
	}
	if s.list != nil {
		for _, t := range s.list.Trackers().List {
			set[t.Peer] = union(set[t.Peer], t.Addrs)
		}
	}
	delete(set, "")
	delete(set, s.without)
	for id, addrs := range set {
		if s.lines[id] == nil {
			s.lines[id] = &line{info: peer.AddrInfo{ID: id}}
		}
		s.lines[id].info.Addrs = addrs
	}
	for _, l := range s.order {
		if _, stays := set[l.info.ID]; !stays {
			s.leave(now, l)
		}
	}
	s.order = s.order[:0]
	for _, id := range slices.Sorted(maps.Keys(s.lines)) {
		s.order = append(s.order, s.lines[id])
	}
	s.out.members, s.out.news = true, true
}

// leave ends what there is of a line that is used no more.
func (s *state) leave(now time.Time, l *line) {
	delete(s.lines, l.info.ID)
	l.gone = true
	if l.stream != nil {
		s.hangUp(now, l.stream, ErrUnknown)
	}
	s.weigh(now, l)
}

// union appends those addresses that are not there yet.
func union(have, more []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	for _, a := range more {
		if len(a) > 0 && !slices.ContainsFunc(have, a.Equal) {
			have = append(have, a)
		}
	}
	return have
}
