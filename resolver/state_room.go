package resolver

import "slices"

// askable reports whether there is room for the value of a fetch beside what is held and
// what is asked for, of which each is expected to be as large as those that came.
func (s *state) askable(f *fetch) bool {
	return s.undelivered()+max(int64(f.need), s.expected) <= s.limits.Undelivered
}

// undelivered is what counts towards Limits.Undelivered.
func (s *state) undelivered() int64 { return s.held + int64(s.awaited)*s.expected }

// hasRoom reports whether a value of the size may be held.
func (s *state) hasRoom(size int64) bool { return s.held+size <= s.limits.Undelivered }

// claimedShare is which part of the room values may take that are larger than any good
// one of who sends them. A peer has a size believed for one part, and nothing may ever
// follow: with all of the room, five peers of a hundred that claim 16 MiB each time kept
// the others from being asked for most of the time. So they cost a half of it at most.
const claimedShare = 2

// believes reports whether a peer may begin a value of the size: one that is no larger
// than it has given before, or one of few that are. There may always be one.
func (s *state) believes(p *remote, size int64) bool {
	return size <= p.largest || s.claimed == 0 || s.claimed+size <= s.limits.Undelivered/claimedShare
}

// hold lets a value count.
func (s *state) hold(f *fetch, v *value, size int64) {
	s.drop(f)
	v.size, v.held = size, size
	s.held += size
	if v.claimed {
		s.claimed += size
	}
	f.value = v
}

// drop forgets the value of a fetch that does not wait for its peer.
func (s *state) drop(f *fetch) {
	v := f.value
	if v == nil {
		return
	}
	s.unpin(f)
	f.value = nil
	s.held -= v.held
	if v.claimed {
		s.claimed -= v.held
	}
	if v.held > 0 {
		s.readmit()
	}
}

// expect learns how large values are, from those that were good: what a peer says of
// one that it never sends must not take the room of others.
func (s *state) expect(size int64) {
	if s.expected < size {
		s.expected = size
	}
	s.expected += (size - s.expected) / expectedOver
}

// firstExpected is how large a value is expected before there was one: each of 500 peers
// may be asked for two then. When they are larger some may come for which there is no
// room, once: a first good one shows it.
const firstExpected = 64 << 10

// expectedOver is how many values the expectation is smoothed over. It rises at once.
const expectedOver = 16

// crowd passes over data for which there is no room, and has them asked for again when
// there is. The peer is not to blame. Where only it says that the value is so large, it
// waits for the room, and not the fetch, for which others may have a smaller one.
func (s *state) crowd(f *fetch, r *request, size int64) {
	s.counts.Dropped++
	s.performed(r)
	claimed := size > max(int64(s.limits.Part), r.peer.largest)
	if claimed {
		s.turnDown(r.peer, size)
	} else {
		f.need = uint32(size)
	}
	if !s.unasked(f) {
		return
	}
	s.drop(f)
	if !claimed {
		s.again(f)
		return
	}
	f.at = s.now // It has not failed: it goes to the best that is left.
	s.enqueue(f)
}

// turnDown has a peer not be asked before there is room for a value of the size, or the
// timeout has passed: what takes the room may be a value that only it can go on with. With
// those that it has begun itself it goes on.
func (s *state) turnDown(p *remote, size int64) {
	if !p.member {
		return
	}
	if p.excess == 0 {
		s.turned = append(s.turned, p)
		p.turnedAt = s.now
	}
	p.excess = size
	s.place(p)
}

// readmit has those asked again for whose values there is room now. Each of them may have
// nothing any more, so all are for whom it would do.
func (s *state) readmit() {
	waited := s.turned
	s.turned = nil
	for _, p := range waited {
		if !s.hasRoom(p.excess) || !s.believes(p, p.excess) {
			s.turned = append(s.turned, p)
			continue
		}
		p.excess = 0
		s.place(p)
	}
}

// turnsUp is when the peer that was turned down first is asked again at the latest.
func (s *state) turnsUp() moment { return s.turned[0].turnedAt.after(s.limits.Timeout) }

// admit forgets that a peer was turned down.
func (s *state) admit(p *remote) {
	if p.excess > 0 {
		s.turned = slices.DeleteFunc(s.turned, func(o *remote) bool { return o == p })
		p.excess = 0
	}
}
