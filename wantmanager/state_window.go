package wantmanager

import "time"

// window decides how many bytes may be unanswered at one peer: the product of
// the highest delivery rate and the lowest round trip of late, which keeps the
// path full and its queue empty. It starts small and doubles every round trip
// while the delivery rate still grows.
type window struct {
	bytes   int
	startup bool
	flat    int     // rounds of the startup without growth
	full    float64 // rate at the last round that grew

	rate rateFilter
	rtt  rttFilter

	delivered  int64         // bytes in all
	roundEnd   int64         // value of delivered at which the round ends
	rounds     int           // since the start, for the probing cycle
	block      int           // running mean size of the peer's blocks
	deliveredA time.Time     // when delivered last grew
	took       time.Duration // from asking for a block until it came, the longest of late
}

const (
	firstWindow = 256 << 10            // two to sixteen blocks of the usual sizes
	leastWindow = 64 << 10             // so that small blocks keep a fast path busy
	firstBlock  = 64 << 10             // what a block counts before any was seen
	jitter      = 5 * time.Millisecond // of scheduling at both ends; matters only where the round trip is shorter
	growth      = 1.25                 // a round's rate over the last one's, to go on doubling
	flatRounds  = 3                    // without growth until the path counts as full
	probeEvery  = 8                    // rounds between two that ask for a little more
	startupGain = 2                    // a rate that the window held back allows to double it; a full path no more than this
	probeGain   = 1.05                 // above this the queue costs more than the probe finds
	rateMemory  = 10                   // round trips that a rate is remembered for
	leastMemory = time.Second          // and at least this long
	rttMemory   = 30 * time.Second     // that a lowest round trip is remembered for
)

func newWindow() window {
	return window{bytes: firstWindow, startup: true, block: firstBlock}
}

// mark is what a want remembers of the moment it was sent, to measure the rate
// at which answers came until its own.
type mark struct {
	delivered int64
	at        time.Time
}

func (w *window) mark(now time.Time) mark {
	at := w.deliveredA
	if at.IsZero() || now.Sub(at) > w.rtt.lowest() {
		at = now // The path was idle: time spent waiting for a want does not count.
	}
	return mark{w.delivered, at}
}

// answered takes an answer to a want: its size (0 for a presence) and when it
// came. limited tells whether the window, and not a lack of wants, held us back.
func (w *window) answered(now time.Time, sentAt time.Time, m mark, size int, limited bool) {
	if !sentAt.IsZero() {
		w.rtt.add(now, now.Sub(sentAt))
	}
	if size == 0 {
		return
	}
	if !sentAt.IsZero() {
		w.took = max(now.Sub(sentAt), w.took-w.took/8)
	}
	w.block += (size - w.block) / 8
	if w.delivered == 0 {
		w.block = size
	}
	w.delivered += int64(size)
	w.deliveredA = now
	if took := now.Sub(m.at); took > 0 && !m.at.IsZero() {
		rate := float64(w.delivered-m.delivered) / took.Seconds()
		w.rate.add(now, rate, max(rateMemory*w.rtt.lowest(), leastMemory), limited)
	}
	if w.startup && limited {
		w.bytes = max(w.bytes, min(w.bytes+size, w.product(startupGain)))
	}
	if m.delivered >= w.roundEnd {
		w.endRound(limited)
	}
	w.resize()
}

// endRound is called when a want that was sent in this round is answered.
func (w *window) endRound(limited bool) {
	w.roundEnd = w.delivered
	w.rounds++
	if !w.startup || !limited {
		return
	}
	if w.rate.highest() >= w.full*growth {
		w.full, w.flat = w.rate.highest(), 0
		return
	}
	if w.flat++; w.flat >= flatRounds {
		w.startup = false
	}
}

func (w *window) resize() {
	if w.startup {
		return
	}
	gain := 1.0
	if w.rounds%probeEvery == 0 {
		gain = probeGain
	}
	w.bytes = max(w.product(gain), w.least())
}

// product is what is under way when the path is full and its queue is empty,
// times the gain.
func (w *window) product(gain float64) int {
	return int(gain * w.rate.highest() * (w.rtt.lowest() + jitter).Seconds())
}

// least keeps one block coming while the next is asked for.
func (w *window) least() int { return max(2*w.block, leastWindow) }

// shrink is called when the peer is late: it starts over from the least.
func (w *window) shrink() {
	w.bytes, w.startup, w.flat, w.full = w.least(), true, 0, 0
	w.rate = rateFilter{}
}

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
