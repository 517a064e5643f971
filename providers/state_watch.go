package providers

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/due"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/providers/wire"
)

const (
	maxSubscriptions = 64 // at all trackers; each is a goroutine

	// How long a watch waits before it subscribes again after a subscription has
	// ended: doubling, with jitter.
	soonestRetry = time.Second
	latestRetry  = time.Minute
)

// subID stands for a subscription at a tracker.
type subID uint64

// watch is what a query is that follows announcements. It has a subscription at
// one tracker at a time, the first by rank that is up.
type watch struct {
	sub      subID // zero for none
	tracker  peer.ID
	failures int       // since it was last told something
	retry    time.Time // not to subscribe before; zero for at once
}

// subscribed is a subscription that the shell is to make.
type subscribed struct {
	id      subID
	tracker peer.ID
	about   wire.About
}

// watch lets a link hear of candidates as they are announced, in place of what it
// asked before.
func (s *state) watch(now time.Time, l linkID, asked Query) {
	s.see(now)
	mine, open := s.links[l]
	if !open {
		return
	}
	k := keyOf(asked)
	k.most, k.watch = 0, true
	if mine.query != nil && mine.query.key == k {
		return
	}
	s.leave(l, mine)
	*mine = link{}
	q := s.flying[k]
	if q == nil {
		q = s.newQuery(k)
		q.watch, q.lookup = &watch{}, &lookup{over: true}
		s.watches = append(s.watches, q)
	}
	q.links = append(q.links, l)
	mine.query = q
	s.subscribeAll(now)
}

// subscribeAll subscribes for the watches that have no subscription, as far as
// there is room and a tracker to ask.
func (s *state) subscribeAll(now time.Time) {
	for _, q := range s.watches {
		w := q.watch
		if w.sub != 0 || w.retry.After(now) || len(s.subs) >= maxSubscriptions || !s.trackable(q.key.subject) {
			continue
		}
		order := s.usable(now, tracker.Rank(tracker.Place{Namespace: q.key.namespace}, s.trackerIDs))
		if len(order) == 0 {
			continue
		}
		s.lastSub++
		w.sub = s.lastSub
		w.tracker = order[w.failures%min(len(order), tracker.Replicas)]
		s.subs[w.sub] = q
		s.stat.Subscriptions++
		s.out.subscribe = append(s.out.subscribe, subscribed{w.sub, w.tracker, q.key.about()})
	}
}

// noticed takes rows of a subscription, verified. The tracker is asked for those that
// it could not tell.
func (s *state) noticed(now time.Time, id subID, r reply) {
	s.see(now)
	q := s.subs[id]
	if q.over || q.watch.sub != id {
		return
	}
	s.doubt(now, q.watch.tracker, r)
	q.watch.failures = 0
	s.rank(r.rows)
	for _, c := range r.rows {
		s.offer(now, q, c)
	}
	if r.more && !r.lied && len(s.asks) < maxAsks && q.lookup.open == 0 {
		s.put(now, q, q.watch.tracker)
	}
}

// unsubscribed takes the end of a subscription: the tracker or the connection has
// ended it, or has seen that we did.
func (s *state) unsubscribed(now time.Time, id subID) {
	s.see(now)
	q := s.subs[id]
	delete(s.subs, id)
	if w := q.watch; w.sub == id {
		w.sub = 0
		w.retry = now.Add(s.pause(w.failures))
		w.failures++
	}
	s.subscribeAll(now)
}

// pause is how long a watch waits after so many failures: half of it is by lot, so
// that not everybody comes at once when a tracker is back.
func (s *state) pause(failures int) time.Duration {
	most := min(soonestRetry<<min(failures, 10), latestRetry)
	return most/2 + time.Duration(s.dice.Int64N(int64(most/2)))
}

// moveWatches ends the subscriptions at trackers that are not to be trusted, and at
// those that are down while another one is up.
func (s *state) moveWatches(now time.Time) {
	for _, q := range s.watches {
		w := q.watch
		t, known := s.trackers[w.tracker]
		bad := !known || t.Down(now) || now.Before(s.distrusted[w.tracker])
		if w.sub != 0 && bad && !slices.Contains(s.usable(now, s.trackerIDs), w.tracker) {
			s.unsubscribe(q)
		}
	}
	s.subscribeAll(now)
}

func (s *state) unsubscribe(q *query) {
	s.out.unsubscribe = append(s.out.unsubscribe, q.watch.sub)
	q.watch.sub = 0
}

// unwatch ends what follows announcements for a query that is over.
func (s *state) unwatch(q *query) {
	if q.watch == nil {
		return
	}
	s.watches = without(s.watches, q)
	if q.watch.sub != 0 {
		s.unsubscribe(q)
	}
}

// watchWake is when a watch may subscribe again, or the zero time.
func (s *state) watchWake() time.Time {
	var at time.Time
	next := func(t time.Time) {
		if t.After(s.now) {
			at = due.First(at, t)
		}
	}
	for _, q := range s.watches {
		if q.watch.sub != 0 {
			continue
		}
		next(q.watch.retry)
		for _, id := range s.trackerIDs {
			next(s.distrusted[id])
			next(s.resting[id])
		}
	}
	return at
}
