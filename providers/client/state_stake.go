package client

import (
	"time"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// stake is what we have at a tracker, beside subscriptions, for which the connection
// to it is kept from being trimmed.
type stake struct {
	leases map[record.Namespace]lease
	held   bool
}

// lease is a row of ours at the tracker.
type lease struct {
	ttl   time.Duration
	until time.Time
}

// announced notes that the tracker has taken a record, or a withdrawal.
func (s *stake) announced(now time.Time, r *record.Record) {
	if r.Withdrawn() {
		delete(s.leases, r.Namespace)
		return
	}
	if s.leases == nil {
		s.leases = make(map[record.Namespace]lease)
	}
	s.leases[r.Namespace] = lease{r.TTL, now.Add(r.TTL)}
}

// touched notes which rows were kept alive.
func (s *stake) touched(now time.Time, rows []wire.Touched, refusals []wire.Refusal) {
	for _, row := range rows {
		if had, known := s.leases[row.Namespace]; known {
			s.leases[row.Namespace] = lease{had.ttl, now.Add(had.ttl)}
		}
	}
	for _, r := range refusals {
		if r.Code == wire.CodeUnknownRow {
			delete(s.leases, rows[r.Item].Namespace)
		}
	}
}

// expire forgets rows that have ended, and returns when the last one does.
func (s *stake) expire(now time.Time) (last time.Time) {
	for ns, row := range s.leases {
		if !row.until.After(now) {
			delete(s.leases, ns)
		} else if row.until.After(last) {
			last = row.until
		}
	}
	return last
}

// weigh holds the connection to a tracker or lets it go.
func (s *state) weigh(now time.Time, l *line) {
	last := l.stake.expire(now)
	hold := !l.gone && (!last.IsZero() || l.stream != nil && l.stream.begun() > 0)
	switch {
	case hold && !l.stake.held:
		s.out.hold = append(s.out.hold, l.info.ID)
	case !hold && l.stake.held:
		s.out.release = append(s.out.release, l.info.ID)
	}
	l.stake.held = hold
	if hold && !last.IsZero() {
		s.wakeAt(last)
	}
}
