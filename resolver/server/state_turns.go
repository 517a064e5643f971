package server

import (
	"slices"
	"time"

	"github.com/souk-p2p/souk/resolver/wire"
)

// place is where a client waits for its turn.
type place uint8

const (
	nowhere place = iota // has nothing that could be begun now
	inTurns              // will have its turn
	starved              // will when others have read
)

// offer gives a client a turn, if it has something that can be begun.
func (s *state) offer(c *client) {
	if len(c.queue) == 0 || c.running >= s.limits.PeerProducing || !s.mayHave(c) {
		return
	}
	tight := s.tight() && expected(c) > 0
	switch {
	case c.place == nowhere && tight:
		c.place = starved
		s.starved = append(s.starved, c)
	case c.place == nowhere:
		c.place = inTurns
		s.turns = append(s.turns, c)
	case c.place == starved && !tight:
		i := slices.Index(s.starved, c)
		s.starved = slices.Delete(s.starved, i, i+1)
		c.place = inTurns
		s.turns = append(s.turns, c)
	}
}

// relieve gives turns to those for whom there was no room, if there is now.
func (s *state) relieve() {
	if s.tight() || len(s.starved) == 0 {
		return
	}
	waited := s.starved
	s.starved = nil
	for _, c := range waited {
		c.place = nowhere
		s.offer(c)
	}
}

// expected is how many bytes a client has not read, when all comes that is being
// produced for it.
func expected(c *client) int { return c.unread + c.asking*wire.PartSize }

// mayHave reports whether a client may have another answer, for all that it reads.
func (s *state) mayHave(c *client) bool {
	e := expected(c)
	return e == 0 || e+wire.PartSize <= s.limits.PeerUnread
}

// tight reports whether all together have read so little that each may have but one
// answer at a time.
func (s *state) tight() bool {
	return s.unread+(s.asking+1)*wire.PartSize > s.limits.Unread
}

// serve begins what can be begun, one request of a client at a time.
func (s *state) serve(now time.Time) {
	for len(s.turns) > 0 && len(s.runs) < s.limits.Producing && s.total.Ready(now, 1) {
		c := s.turns[0]
		s.turns = slices.Delete(s.turns, 0, 1) // Which keeps nobody who has gone.
		c.place = nowhere
		if s.may(c) {
			a := c.queue[0]
			c.queue = slices.Delete(c.queue, 0, 1)
			s.unwait(a)
			s.total.Take(1)
			s.begin(now, a)
		}
		s.offer(c)
	}
}

// atOnce reports whether a request needs no turn: its part is kept, or its value is
// being produced, so it does not wait behind what takes up the Producer.
func (s *state) atOnce(now time.Time, a *ask) bool {
	p := s.byKey[a.key]
	free := p != nil && p.due != nil || s.kept.has(a.key, a.list)
	return free && s.roomFor(a.stream.client) && s.total.Ready(now, 1)
}

// may reports whether a client whose turn it is may still begin something.
func (s *state) may(c *client) bool {
	return len(c.queue) > 0 && c.running < s.limits.PeerProducing && s.roomFor(c)
}

// roomFor reports whether a client may have another answer, for all that it and all
// others read.
func (s *state) roomFor(c *client) bool {
	return s.mayHave(c) && (!s.tight() || expected(c) == 0)
}
