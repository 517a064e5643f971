package engine

import "time"

// A few messages of blocks are on their way at once, not one to everybody: what all
// together send at the same time arrives late for all, nobody can pass it on until
// then, and what is on its way cannot be cancelled. How many are needed to fill the
// uplink depends on the paths, so it is tried whether twice or half as many send more.

const (
	leastSlots = 4               // BitTorrent's number of uploads at once: enough for paths a quarter as fast as we
	mostSlots  = 1 << 10         // above any number of peers that it makes a difference for
	laps       = 2               // times that each slot is used in a round, so that slow paths count, too
	holds      = 8               // rounds between two trials, which may waste one
	gains      = 1.2             // what twice as many must bring: more than rounds differ by themselves
	crowding   = 4               // one message in so many that is not taken in time is many
	losses     = 0.9             // what half as many may lose
	newcomers  = time.Second     // for a message, while nothing is known of how long they take
	promptness = 2 * time.Second // for any: longer than four blocks of 1 MiB share 20 Mb/s for

	// Who does not read holds a slot for as long as several messages take of late, and
	// no shorter than scheduling on a busy machine may take.
	patient       = 4
	leastPatience = 250 * time.Millisecond
)

// slots are how many messages of blocks may be on their way.
type slots struct {
	most  int // that count; those to partners that are slow do not
	out   int
	took  time.Duration // a message of late, on average; 0 while not known
	rate  float64       // bytes a second in the last round
	held  int           // rounds since the last trial
	trial trial         // that is on
	next  trial
	grown bool // a trial has failed: until then, one follows another

	began  time.Time // of the round
	sent   int       // messages in it
	missed int       // of them, that nobody took in time
	bytes  int
}

// trial is a round with another number of slots.
type trial uint8

const (
	noTrial trial = iota
	twice
	half
)

func newSlots() slots { return slots{most: leastSlots, next: twice} }

// learn notes how long a message took.
func (l *slots) learn(took time.Duration) {
	took = min(max(took, 1), promptness)
	if l.took == 0 {
		l.took = took
	}
	l.took += (took - l.took) / smoothing
}

// patience is how long a message may take that holds a slot.
func (l *slots) patience() time.Duration {
	if l.took == 0 {
		return newcomers
	}
	return min(max(patient*l.took, leastPatience), promptness)
}

// full reports whether nothing more may be sent now.
func (l *slots) full() bool { return l.out >= l.most }

// taken gives away a slot.
func (l *slots) taken(now time.Time) {
	if l.out++; l.began.IsZero() {
		l.restart(now)
	}
}

// done takes back the slot of a message that was sent, while so many reads are under
// way or wait for a slot. A round in which a slot was free says nothing.
func (l *slots) done(now time.Time, bytes, reads int) {
	full := l.out+reads >= l.most
	l.out--
	if !full {
		l.restart(now)
		return
	}
	l.sent++
	l.bytes += bytes
	l.finish(now)
}

// lost takes back the slots of messages that are not waited for any more. They count in
// the round: whoever does not take them holds up the others by as much.
func (l *slots) lost(now time.Time, n int) {
	full := l.out+l.missed >= l.most
	l.out -= n
	if full {
		l.sent += n
		l.missed += n
		l.finish(now)
	}
}

// finish ends a round that is complete. One with many messages that nobody took asks
// for more slots without a trial: for slow paths to be filled together, or for those who
// take theirs beside those who do not.
func (l *slots) finish(now time.Time) {
	took := now.Sub(l.began)
	if l.sent < l.round() || took <= 0 {
		return
	}
	if l.missed >= max(1, l.sent/crowding) && 2*l.most <= mostSlots {
		l.most *= 2
		l.trial, l.held = noTrial, 0
		l.rate = float64(l.bytes) / took.Seconds()
	} else {
		l.judge(float64(l.bytes) / took.Seconds())
	}
	l.restart(now)
}

// round is how many messages make a round. The first rounds are short: over long paths
// each message takes its time, and all but a few peers wait.
func (l *slots) round() int {
	if l.grown {
		return laps * l.most
	}
	return l.most
}

func (l *slots) restart(now time.Time) { l.began, l.sent, l.missed, l.bytes = now, 0, 0, 0 }

// judge ends a round.
func (l *slots) judge(rate float64) {
	switch {
	case l.trial == twice && rate >= gains*l.rate:
		l.rate = rate
		l.try(twice) // It may be still better.
		return
	case l.trial == twice:
		l.most /= 2
		l.end(half)
		return
	case l.trial == half && rate < losses*l.rate:
		l.most *= 2
		l.end(twice)
		return
	case l.trial == half:
		l.end(twice)
	}
	steady := rate < gains*l.rate
	l.rate = rate
	if l.held++; !l.grown || l.held > holds && steady {
		l.try(l.next)
	}
}

// try begins a trial, if there is room for it.
func (l *slots) try(t trial) {
	switch {
	case t == twice && 2*l.most <= mostSlots:
		l.most *= 2
	case t == half && l.most/2 >= leastSlots:
		l.most /= 2
	default:
		l.end(twice)
		return
	}
	l.trial = t
}

// end ends a trial.
func (l *slots) end(next trial) { l.trial, l.next, l.held, l.grown = noTrial, next, 0, true }

// occupy counts a message that is handed over for p.
func (s *state) occupy(now time.Time, p *partner) {
	if p.handed == 0 {
		p.since = now
	}
	if !p.slow {
		p.counted++
		s.slots.taken(now)
	}
}

// vacate takes back the slot of a message to p of which so many bytes were sent. One
// that took long makes p slow, and any other prompt.
func (s *state) vacate(now time.Time, p *partner, bytes int) {
	took := now.Sub(p.since)
	if bytes > 0 {
		rate := float64(bytes) / max(took, leastSend).Seconds()
		p.rate, s.pace.rate = average(p.rate, rate), average(s.pace.rate, rate)
	}
	s.setSlow(p, took > s.slots.patience())
	if bytes > 0 {
		s.slots.learn(took)
	}
	p.since = now
	if p.counted > 0 {
		p.counted--
		s.slots.done(now, bytes, s.unsent.jobs)
	}
}

// setSlow notes whether p is slow. What is read for those that are is not counted.
func (s *state) setSlow(p *partner, slow bool) {
	if p.slow == slow {
		return
	}
	p.slow = slow
	sign := 1
	if slow {
		sign = -1
	}
	s.unsent.jobs += sign * len(p.reads)
	s.unsent.bytes += sign * p.unsent
}

// slowAt is when p is slow unless what is on its way is sent by then, and what is being
// read is read, or zero.
func (s *state) slowAt(p *partner) time.Time {
	switch {
	case p.handed == 0:
		return p.overdueAt()
	case p.counted == 0:
		return time.Time{}
	}
	return p.since.Add(s.slots.patience())
}

// pass lets others go before p if it is slow.
func (s *state) pass(now time.Time, p *partner) {
	if at := s.slowAt(p); !at.IsZero() && !at.After(now) {
		s.slots.lost(now, p.counted)
		p.counted = 0
		s.setSlow(p, true)
	}
}
