package resolver

import "github.com/souk-p2p/souk/internal/planted"

// link is a peer that a fetch may ask in particular: one of its targets, or the one
// that has begun to send its value.
type link struct {
	fetch *fetch
	peer  *remote
	at    int // in the list of the peer that it is in
	place int // in peer.waiting; -1
}

// pins reports whether it is that to the peer which has begun the value.
func (l *link) pins() bool { return l.fetch.value != nil && l.fetch.value.pin == l }

// links are those of one peer, in no order that means anything.
type links []*link

func (ls *links) add(l *link) {
	l.at = len(*ls)
	*ls = append(*ls, l)
}

func (ls *links) remove(l *link) {
	last := len(*ls) - 1
	moved := (*ls)[last]
	(*ls)[l.at], moved.at = moved, l.at
	(*ls)[last] = nil
	*ls = (*ls)[:last]
}

// aim adds the targets of an order to a fetch. The resolver itself is none, and neither
// is a peer that is blocked, which has left all targets.
func (s *state) aim(f *fetch, o order) {
	for _, id := range o.targets {
		if !o.targeted || id == s.self {
			continue
		}
		p := s.remote(id)
		if p.blocked && p.until > 0 && p.until <= s.now {
			s.rested(s.pauses.Remove(p.pausesAt))
			p = s.remote(id)
		}
		if p.blocked || f.aimsAt(p) {
			s.forget(p)
			continue
		}
		l := &link{fetch: f, peer: p, place: -1}
		f.targets = append(f.targets, l)
		p.targets.add(l)
		if f.queued() && !f.awaitsPin() && !f.asksOf(p) {
			s.await(l)
		}
	}
}

func (f *fetch) aimsAt(p *remote) bool {
	for _, l := range f.targets {
		if l.peer == p {
			return true
		}
	}
	return false
}

// free lets a fetch ask all peers.
func (s *state) free(f *fetch) {
	waits := f.queued() && !f.awaitsPin()
	if waits {
		s.dequeue(f)
	}
	s.release(f)
	f.targeted = false
	if waits {
		s.open.Push(f)
	}
}

// release removes all targets of a fetch that does not wait for them.
func (s *state) release(f *fetch) {
	for _, l := range f.targets {
		l.peer.targets.remove(l)
		s.forget(l.peer)
	}
	f.targets = nil
}

// miss removes one target, whose peer is blocked. The fetch may have none then, and
// waits for new ones.
func (s *state) miss(l *link) {
	s.forgo(l)
	f := l.fetch
	for i, other := range f.targets {
		if other == l {
			f.targets = append(f.targets[:i], f.targets[i+1:]...)
			break
		}
	}
	l.peer.targets.remove(l)
	if planted.Is(planted.FallBack) && len(f.targets) == 0 {
		s.free(f)
	}
}

// await has a fetch wait for the peer of a link.
func (s *state) await(l *link) {
	l.peer.waiting.Push(l)
	s.place(l.peer)
}

// forgo has it wait no more.
func (s *state) forgo(l *link) {
	if l.place >= 0 {
		l.peer.waiting.Remove(l.place)
		s.place(l.peer)
	}
}
