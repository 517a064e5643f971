package actor

import (
	"sync"
	"sync/atomic"
	"time"
)

// Load is how busy an actor is and what waits for it.
type Load struct {
	Depth     int // requests that wait in its inboxes
	Capacity  int // of these: who sends more waits
	HighWater int // the most that were seen to wait, since the start
	// Saturation10s and Saturation1m are which part of the last 10 and 60 s the
	// actor was at work, from 0 to 1; of an actor that is younger, of its life.
	Saturation10s, Saturation1m float64
	// Oldest is an upper bound of how long the oldest request has waited: 0 when
	// none does. See [meter.look] for how far it is off.
	Oldest time.Duration
	Busy   time.Duration // time spent at work, since the start
}

const (
	shortWindow = 10 * time.Second
	longWindow  = time.Minute

	// What an actor did is noted once a second, when it begins to work, and also
	// when it ended before if that was longer ago: so 128 notes reach back over
	// the longer window.
	noteEvery = time.Second
	mostNotes = 128

	// After so many stretches of work for each place of the inboxes everything
	// that waited is taken to be gone. A select chooses evenly among at most nine
	// channels that are ready.
	turnsPerPlace = 8
)

// queue is an inbox as its loop sees it.
type queue interface {
	Depth() int
	Capacity() int
}

// meter measures a loop. What it costs a message is a look at the length of each
// inbox.
type meter struct {
	queues []queue // fixed by the start
	places uint64  // in all of them

	// The loop's goroutine alone:

	turns  uint64 // stretches of work
	turned uint64 // when younger was set, in turns
	noted  int64  // when the last note was made
	waited int64  // when the last stretch ended

	// Of all goroutines. Times are Unix nanoseconds.

	high    atomic.Int64
	older   atomic.Int64 // something has waited since then; 0 when nothing does
	younger atomic.Int64 // takes the place of older in its turn

	mu    sync.Mutex // taken once a second, and by who asks
	notes []note     // a ring once it has mostNotes; in order of time from next on
	next  int
}

// note is how long the actor had worked by a time.
type note struct{ at, busy int64 }

// look notes what waits, as the actor sees it between two requests: not by request,
// which would cost a clock and two writes each. What waits now has come after older:
// that is when the inboxes were last empty, or, where they never are, so many turns
// ago that all that waited then has been received.
func (m *meter) look(now int64) {
	depth := 0
	for _, q := range m.queues {
		depth += q.Depth()
	}
	if int64(depth) > m.high.Load() {
		m.high.Store(int64(depth))
	}
	waits := m.older.Load() != 0
	switch {
	case depth == 0 && waits:
		m.older.Store(0)
	case depth > 0 && !waits:
		m.younger.Store(now)
		m.older.Store(now)
		m.turned = m.turns
	case depth > 0 && m.turns-m.turned >= turnsPerPlace*m.places:
		m.older.Store(m.younger.Load())
		m.younger.Store(now)
		m.turned = m.turns
	}
	m.waited = now
}

// turn counts a stretch of work that begins, before which the actor had worked for
// so long.
func (m *meter) turn(now int64, busy *atomic.Int64) {
	m.turns++
	if now-m.noted < int64(noteEvery) {
		return
	}
	m.noted = now
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waited != 0 && now-m.waited > int64(noteEvery) {
		m.add(note{m.waited, busy.Load()})
	}
	m.add(note{now, busy.Load()})
}

func (m *meter) add(n note) {
	if len(m.notes) < mostNotes {
		m.notes = append(m.notes, n)
		return
	}
	m.notes[m.next] = n
	m.next = (m.next + 1) % mostNotes
}

// share is which part of a window that ends now the actor has worked: for busy in
// all its stretches that have ended, and in one since began, if that is not 0.
func (m *meter) share(now, busy, began int64, window time.Duration) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.notes) == 0 {
		return 0
	}
	from := now - int64(window)
	first := m.notes[m.next%len(m.notes)]
	if first.at > from {
		from = min(first.at, now-int64(noteEvery))
	}
	end := now
	worked := int64(0)
	if began != 0 {
		end = began
		worked = now - max(began, from)
	}
	worked += busy - m.busyAt(from, note{end, busy})
	return min(max(float64(worked)/float64(now-from), 0), 1)
}

// busyAt is how long the actor had worked by a time: between two notes it is taken
// to have worked evenly.
func (m *meter) busyAt(at int64, last note) int64 {
	before := note{}
	for i := range len(m.notes) + 1 {
		n := last
		if i < len(m.notes) {
			n = m.notes[(m.next+i)%len(m.notes)]
		}
		switch {
		case n.at < at:
			before = n
		case i == 0 || n.at == before.at:
			return n.busy
		default:
			part := float64(at-before.at) / float64(n.at-before.at)
			return before.busy + int64(part*float64(n.busy-before.busy))
		}
	}
	return last.busy
}

// Watch has the loop measure what waits in inboxes. It must be called before
// [Loop.Start].
func (l *Loop) Watch(inboxes ...queue) {
	l.meter.queues = append(l.meter.queues, inboxes...)
	for _, q := range inboxes {
		l.meter.places += uint64(q.Capacity())
	}
}

// Load returns how busy the loop is. It never waits for it.
func (l *Loop) Load(at time.Time) Load {
	m, now := &l.meter, at.UnixNano()
	busy, began := l.busy.Load(), l.since.Load()
	load := Load{
		HighWater: int(m.high.Load()), Capacity: int(m.places), Busy: time.Duration(busy),
		Saturation10s: m.share(now, busy, began, shortWindow), Saturation1m: m.share(now, busy, began, longWindow),
	}
	for _, q := range m.queues {
		load.Depth += q.Depth()
	}
	load.HighWater = max(load.HighWater, load.Depth)
	if load.Depth > 0 {
		load.Oldest = l.oldest(now, began)
	}
	return load
}

// oldest is since when something waits, where something does. What the loop has not
// seen has come since it last looked: in the stretch of work that goes on.
func (l *Loop) oldest(now, began int64) time.Duration {
	since := l.meter.older.Load()
	if since == 0 {
		since = began
	}
	if since == 0 {
		return 0
	}
	return time.Duration(max(now-since, 0))
}
