package server

import (
	"fmt"
	"time"

	"github.com/souk-p2p/souk/resolver/wire"
)

// audit recounts what the state keeps twice, and returns what is wrong.
func (s *state) audit(now time.Time) error {
	var unread, asking, waiting, running int
	for _, c := range s.peers {
		unread, asking, running = unread+c.unread, asking+c.asking, running+c.running
		waiting += len(c.queue)
		if err := s.auditClient(c); err != nil {
			return fmt.Errorf("peer %q: %w", c.peer, err)
		}
	}
	switch {
	case unread != s.unread || asking != s.asking || waiting != s.waits.Len() || running != len(s.runs):
		return fmt.Errorf("%d bytes are unread, %d asks in %d calls, %d wait; counted were %d, %d in %d, %d",
			s.unread, s.asking, len(s.runs), s.waits.Len(), unread, asking, running, waiting)
	case len(s.runs) > s.limits.Producing || s.kept.bytes > s.limits.Kept:
		return fmt.Errorf("%d calls, %d bytes kept", len(s.runs), s.kept.bytes)
	case len(s.turns) > 0 && len(s.runs) < s.limits.Producing && s.total.Ready(now, 1):
		return fmt.Errorf("%d could have their turn", len(s.turns))
	case len(s.starved) > 0 && !s.tight():
		return fmt.Errorf("%d starve, and there is room", len(s.starved))
	}
	for id, st := range s.streams {
		if err := s.auditStream(st); err != nil {
			return fmt.Errorf("stream %d: %w", id, err)
		}
	}
	return s.auditRuns()
}

func (s *state) auditClient(c *client) error {
	streams, unread := 0, 0
	for _, st := range s.streams {
		if st.client == c {
			streams++
			unread += sizeOf(st.answers) + sizeOf(st.writing)
		}
	}
	switch {
	case streams != c.streams || unread != c.unread || (streams == 0) != (c.gone != nil):
		return fmt.Errorf("%d streams, %d bytes unread; counted were %d, %d", c.streams, c.unread, streams, unread)
	case c.running > s.limits.PeerProducing || len(c.queue) > s.limits.PeerWaiting:
		return fmt.Errorf("%d calls, %d waiting", c.running, len(c.queue))
	case c.place == nowhere && s.may(c):
		return fmt.Errorf("it has no turn, and %d asks that could be begun", len(c.queue))
	}
	for _, a := range c.queue {
		if a.wait == nil || s.streams[a.stream.id] != a.stream {
			return fmt.Errorf("request %d waits, and should not", a.id)
		}
	}
	return nil
}

func (s *state) auditStream(st *stream) error {
	owed := len(st.answers) + len(st.writing)
	for _, a := range st.client.queue {
		if a.stream == st {
			owed++
		}
	}
	for _, p := range s.runs {
		for _, a := range p.asks {
			if a.stream == st {
				owed++
			}
		}
	}
	switch {
	case owed != st.owed:
		return fmt.Errorf("%d answers are owed, counted were %d", st.owed, owed)
	case len(st.writing) == 0 && len(st.answers) > 0:
		return fmt.Errorf("%d answers are not written", len(st.answers))
	case st.held && st.pause == nil && len(st.answers) < mostAnswers:
		return fmt.Errorf("it is not read, and could be")
	}
	return nil
}

func (s *state) auditRuns() error {
	for _, p := range s.runs {
		if (p.due == nil) != (len(p.asks) == 0) || p.due != nil && s.byKey[p.key] != p {
			return fmt.Errorf("call %d is in time %t, and %d wait for it", p.id, p.due != nil, len(p.asks))
		}
	}
	bytes := 0
	for e := s.kept.order.Front(); e != nil; e = e.Next() {
		v := e.Value.(*keeping).value
		bytes += len(v.data)
		if v.list == (wire.List{}) {
			return fmt.Errorf("a value of one part is kept")
		}
	}
	if bytes != s.kept.bytes || s.kept.order.Len() != len(s.kept.byKey) {
		return fmt.Errorf("%d bytes are kept, counted were %d", s.kept.bytes, bytes)
	}
	return nil
}
