package client

import (
	"time"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// holdTag is under what the connection manager protects the connections to
// trackers.
const holdTag = "souk-tracker"

// stake is what we have at a tracker, for which the connection to it is kept from
// being trimmed. It is under the lock of the client.
type stake struct {
	leases        map[record.Namespace]lease
	subscriptions int
	held          bool
	expiry        *time.Timer // of the lease that lasts longest
}

// lease is a row of ours at the tracker.
type lease struct {
	ttl   time.Duration
	until time.Time
}

// announced notes that the tracker has taken a record, or a withdrawal.
func (l *line) announced(r *record.Record) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	if r.Withdrawn() {
		delete(l.stake.leases, r.Namespace)
	} else {
		if l.stake.leases == nil {
			l.stake.leases = make(map[record.Namespace]lease)
		}
		l.stake.leases[r.Namespace] = lease{r.TTL, time.Now().Add(r.TTL)}
	}
	l.weigh()
}

// touched notes which rows were kept alive.
func (l *line) touched(rows []wire.Touched, refusals []wire.Refusal) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	now := time.Now()
	for _, row := range rows {
		if had, known := l.stake.leases[row.Namespace]; known {
			l.stake.leases[row.Namespace] = lease{had.ttl, now.Add(had.ttl)}
		}
	}
	for _, r := range refusals {
		if r.Code == wire.CodeUnknownRow {
			delete(l.stake.leases, rows[r.Item].Namespace)
		}
	}
	l.weigh()
}

// subscribed notes that there are n more subscriptions.
func (l *line) subscribed(n int) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.stake.subscriptions += n
	l.weigh()
}

// weigh holds the connection or lets it go. The caller holds the lock.
func (l *line) weigh() {
	s, now := &l.stake, time.Now()
	var last time.Time
	for ns, row := range s.leases {
		if !row.until.After(now) {
			delete(s.leases, ns)
		} else if row.until.After(last) {
			last = row.until
		}
	}
	s.stopExpiry()
	if !l.gone && !last.IsZero() {
		s.expiry = l.c.after(last.Sub(now), l.expire)
	}
	hold := !l.gone && (s.subscriptions > 0 || len(s.leases) > 0)
	switch {
	case hold && !s.held:
		l.c.cfg.Network.Hold(l.info.ID, holdTag)
	case !hold && s.held:
		l.c.cfg.Network.Release(l.info.ID, holdTag)
	}
	s.held = hold
}

func (l *line) expire() {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.weigh()
}

func (s *stake) stopExpiry() {
	if s.expiry != nil {
		s.expiry.Stop()
		s.expiry = nil
	}
}
