package souk

import (
	"cmp"
	"slices"
	"time"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/session"
)

// ActorStat is how an actor is doing. An actor whose saturation is near 1 holds up
// those that wait for it.
type ActorStat struct {
	Name string `json:"name"`
	// Instances is 1, and for "session" the number of sessions that are open: Depth,
	// Capacity and Busy are then sums, the other numbers those of the busiest.
	Instances int `json:"instances"`

	Depth     int `json:"inbox_depth"`      // requests that wait now
	Capacity  int `json:"inbox_capacity"`   // for so many there is room: who sends more waits
	HighWater int `json:"inbox_high_water"` // the most that waited, since the start

	// Saturation10s and Saturation1m are which part of the last 10 and 60 s it was
	// at work, from 0 to 1.
	Saturation10s float64 `json:"saturation_10s"`
	Saturation1m  float64 `json:"saturation_1m"`
	// Oldest is an upper bound of how long the oldest request has waited: 0 when
	// none does.
	Oldest time.Duration `json:"oldest_ns"`
	Busy   time.Duration `json:"busy_ns"` // time at work, since the start

	// Restarts is how often it was replaced after it broke. Only the session of
	// calls without one is; without any other actor the exchange ends.
	Restarts uint64 `json:"restarts"`
	Panics   uint64 `json:"panics"` // recovered, since the start
}

// Actors returns how each actor is doing, by name. It waits for none of them.
func (x *Exchange) Actors() []ActorStat {
	now, panics := time.Now(), x.panics.counts()
	all := []ActorStat{x.sessionsStat(now)}
	for name, a := range x.actors() {
		s := ActorStat{Name: name, Instances: 1}
		s.add(a.Load(now))
		all = append(all, s)
	}
	for i := range all {
		all[i].Panics = panics[all[i].Name]
	}
	slices.SortFunc(all, func(a, b ActorStat) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// sessionsStat is how the open sessions are doing.
func (x *Exchange) sessionsStat(now time.Time) ActorStat {
	s := ActorStat{Name: sessionActor}
	open, restarts := x.openSessions()
	s.Instances, s.Restarts = len(open), restarts
	for _, o := range open {
		s.add(o.Load(now))
	}
	return s
}

// openSessions are those that have not ended, in the order in which they were
// opened, and how often the one of calls without a session was replaced.
func (x *Exchange) openSessions() ([]*session.Session, uint64) {
	x.mu.Lock()
	open := make([]*session.Session, 0, len(x.sessions))
	for s := range x.sessions {
		open = append(open, s)
	}
	restarts := x.restarts
	x.mu.Unlock()
	slices.SortFunc(open, func(a, b *session.Session) int { return cmp.Compare(a.ID(), b.ID()) })
	return open, restarts
}

func (s *ActorStat) add(l actor.Load) {
	s.Depth += l.Depth
	s.Capacity += l.Capacity
	s.Busy += l.Busy
	s.HighWater = max(s.HighWater, l.HighWater)
	s.Saturation10s = max(s.Saturation10s, l.Saturation10s)
	s.Saturation1m = max(s.Saturation1m, l.Saturation1m)
	s.Oldest = max(s.Oldest, l.Oldest)
}
