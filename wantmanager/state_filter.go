package wantmanager

import "time"

const (
	rateMemory  = 10               // round trips that a rate is remembered for
	leastMemory = time.Second      // and at least this long
	rttMemory   = 30 * time.Second // that a lowest round trip is remembered for
)

// rateFilter is the maximum over a time between one and two memories.
type rateFilter struct {
	now, before float64
	turn        time.Time
}

func (f *rateFilter) add(now time.Time, rate float64, memory time.Duration, limited bool) {
	if !limited {
		f.now = max(f.now, rate) // A rate held back by us says nothing against the older ones.
		return
	}
	if now.Sub(f.turn) > memory {
		f.before, f.now, f.turn = f.now, 0, now
	}
	f.now = max(f.now, rate)
}

func (f *rateFilter) highest() float64 { return max(f.now, f.before) }

// rttFilter is the minimum over a time between one and two memories.
type rttFilter struct {
	now, before time.Duration
	turn        time.Time
}

func (f *rttFilter) add(now time.Time, rtt time.Duration) {
	if now.Sub(f.turn) > rttMemory {
		f.before, f.now, f.turn = f.now, 0, now
	}
	if f.now == 0 || rtt < f.now {
		f.now = max(rtt, 1)
	}
}

// lowest is 0 when nothing was measured.
func (f *rttFilter) lowest() time.Duration {
	if f.before == 0 || (f.now != 0 && f.now < f.before) {
		return f.now
	}
	return f.before
}
