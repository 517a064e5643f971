package wantmanager

import (
	"math"
	"time"
)

// window decides how many bytes may still be to come from a peer when it is asked
// for another block: the product of delivery rate and lowest round trip, so that
// the next want is there when the peer has sent what it was asked for. Less leaves
// the path idle. More stands in its queue, and what is lost there costs the sender
// far more: one that was never held up sends at the rate of the path, one that lost
// something needs many round trips to come back to it.
//
// The window starts small and grows by what arrives, as the sender's own does, but
// only up to what the path was seen to carry when something came without a pause.
// From then on it is set by how long wants wait for the first byte of their answer.
type window struct {
	bytes   int
	goal    int     // to which it grows
	slope   float64 // bytes for each that comes
	startup bool
	flat    int     // rounds of the startup without growth
	full    float64 // rate at the last round that grew

	rate  rateFilter    // of answers, over a round trip
	trips rttFilter     // from wants to the first byte of their answers
	laps  rttFilter     // from wants to the end of their answers
	guess time.Duration // the longest that the lowest of those may be, until it is known

	delivered int64         // bytes in all
	arrivedAt time.Time     // when delivered last grew
	part      int           // bytes of blocks that are not complete
	doubledAt int64         // value of delivered at which the round of the startup ends
	block     int           // running mean size of the peer's blocks
	sizes     int           // that have gone into it, meanSizes at most
	took      time.Duration // from asking for a block until it came, the longest of late
	paceAt    time.Time     // before which no other block is asked for

	round  round
	recent int64         // bytes a second that came in the last round
	queue  time.Duration // how much longer than the lowest round trip a want waited at least in the last round
	hungry bool          // the last round came as fast as it was asked for, and faster than what came before
	outran bool          // likewise, and for a round trip faster than ever without a pause
	before float64       // burst of all traffic at its end
	probes int           // rounds in a row in which the window grew although all that is known to be there was used
}

// round is a round trip and a half, in which it is measured how long wants wait
// that were sent since it began.
type round struct {
	began     time.Time
	delivered int64         // when it began
	queue     time.Duration // the least that a want waited longer than the lowest round trip
	measured  bool
	held      bool // the window held wants back
	bytes     int  // the window when it began
}

// traffic is what comes from all peers, bytes a second: their paths have a part in
// common, our own link.
type traffic struct {
	rate  int64      // in the last round of each
	peers int        // that owe us blocks
	burst rateFilter // of what came without a pause
}

const (
	firstWindow = 256 << 10 // two blocks of a size that is not known
	leastWindow = 64 << 10  // so that small blocks keep a fast path busy
	firstBlock  = 128 << 10 // what a block counts before any was seen: what UnixFS makes by default

	growth       = 1.25 // a round's rate over the last one's, to count as growing (as in BBR)
	flatRounds   = 3    // without growth until the path counts as full (as in BBR)
	startupGain  = 2    // no rate that was measured lets the window more than double in a round trip
	startupShare = 0.9  // of what the path carries, so that what was sent in bursts until then drains
	nearlyAll    = 0.95 // of what the path carries: more is found out by probes
	saturation   = 0.85 // of what the path carries: above this, what waits does so in a queue and not at the sender
	meanSizes    = 8    // blocks that go into the mean of their size, more or less
	mostShrink   = 0.5  // of a round: waiting may have other causes than the window

	leastTime  = 4 * time.Millisecond  // of what comes: managed queues take no notice of that (CoDel, RFC 8289)
	leastRound = 10 * time.Millisecond // so that a few milliseconds of scheduling do not look like a queue
	// Managed queues begin to drop when everything has waited for 5 ms for long
	// (CoDel, RFC 8289). So a want is to find a queue of queueTarget, and where it
	// finds less, the window grows by what makes firstProbe of it at most; and faster
	// after patientProbes that found nothing, when others send as well: their paths
	// may have nothing in common with this one.
	queueTarget   = time.Millisecond
	firstProbe    = 2 * time.Millisecond
	patientProbes = 4
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
	at := w.arrivedAt
	if at.IsZero() || now.Sub(at) > w.trips.lowest() {
		at = now // The path was idle: time spent waiting for a want does not count.
	}
	return mark{w.delivered, at}
}

// arrived takes what came from the peer. first is the longest that the first byte
// of it may have taken from its want, or 0. limited tells whether the window, and
// not a lack of wants, held us back.
func (w *window) arrived(n news, first time.Duration, limited bool, all *traffic) {
	if first > 0 && (w.guess == 0 || first < w.guess) {
		w.guess = first
	}
	if n.burst > 0 {
		all.burst.add(n.at, n.burst, w.memory(), true)
	}
	came := n.read - w.delivered
	if came <= 0 {
		return
	}
	w.part, w.delivered, w.arrivedAt = n.part, n.read, n.at
	switch {
	case w.startup && limited:
		w.bytes = max(w.bytes, min(w.bytes+int(came), w.ceiling(all)))
	case !w.startup && w.bytes < w.goal:
		w.bytes = min(w.bytes+int(float64(came)*w.slope), w.goal)
	}
}

// waitedFor takes how long the first byte of an answer took from the moment when
// the want was sent.
func (w *window) waitedFor(now, sentAt time.Time, took time.Duration) {
	if took <= 0 {
		return
	}
	w.trips.add(now, took)
	r := &w.round
	if sentAt.Before(r.began) {
		return
	}
	if queue := took - w.trips.lowest(); !r.measured || queue < r.queue {
		r.queue, r.measured = queue, true
	}
}

// answered takes an answer to a want: its size (0 for a presence), when it came, and
// when the want was sent if that is known.
func (w *window) answered(now, sentAt time.Time, m mark, size int, limited bool, all *traffic) {
	if !sentAt.IsZero() {
		w.laps.add(now, now.Sub(sentAt))
	}
	if size == 0 {
		return
	}
	if !sentAt.IsZero() {
		w.took = max(now.Sub(sentAt), w.took-w.took/8)
	}
	w.resize(size)
	if took := now.Sub(m.at); took > 0 && !m.at.IsZero() {
		w.rate.add(now, float64(w.delivered-m.delivered)/took.Seconds(), w.memory(), limited)
	}
	if m.delivered >= w.doubledAt {
		w.endDoubling(limited)
	}
	w.round.held = w.round.held || limited
	trip := w.trips.lowest()
	if w.round.measured && now.Sub(w.round.began) >= trip+max(trip/2, leastRound) {
		w.endRound(now, all)
	}
}

func (w *window) resize(size int) {
	w.sizes = min(w.sizes+1, meanSizes)
	w.block += (size - w.block) / w.sizes
}

// endDoubling is called in the startup when a want that was sent in this round is
// answered.
func (w *window) endDoubling(limited bool) {
	w.doubledAt = w.delivered
	if !w.startup || !limited {
		return
	}
	if w.rate.highest() >= w.full*growth {
		w.full, w.flat = w.rate.highest(), 0
		return
	}
	if w.flat++; w.flat >= flatRounds {
		w.startup = false
		w.bytes = max(min(w.bytes, w.product(w.rate.highest())), w.least())
	}
}

// endRound looks at how the path did since the round began.
func (w *window) endRound(now time.Time, all *traffic) {
	r, earlier := &w.round, w.recent
	w.flow(int64(float64(w.delivered-r.delivered)/now.Sub(r.began).Seconds()), all)
	w.queue = r.queue
	if w.queue > w.trips.lowest() && float64(w.recent) < growth*float64(earlier) {
		w.startup = false // Twice as much was asked for as comes, and it comes no faster.
	}
	saturated, burst := all.saturated(), all.burst.highest()
	// A window that small blocks go through evenly is itself what their bursts
	// measure: unlike what a link carries, that grows when the window does.
	// And where a sender spreads them so thin that there are hardly any bursts, what
	// comes in a round trip shows that the link carries more than those few.
	idle := r.held && w.queue < queueTarget
	w.outran = idle && burst < nearlyAll*w.rate.highest()
	w.hungry = idle && w.before > 0 && w.before < nearlyAll*burst || w.outran
	if saturated {
		w.startup = w.startup && (w.hungry || burst > growth*w.before)
	}
	w.before = burst
	if !w.startup && r.held {
		w.adjust(saturated, all)
	}
	*r = round{began: now, delivered: w.delivered, bytes: w.bytes}
}

// flow sets what comes from this peer of all traffic.
func (w *window) flow(rate int64, all *traffic) {
	all.rate += rate - w.recent
	w.recent = rate
}

// saturated reports whether as much comes as our link was seen to carry.
func (t *traffic) saturated() bool {
	burst := t.burst.highest()
	return burst > 0 && float64(t.rate) >= saturation*burst
}

// adjust sets the window to what would have let the wants of the last round wait as
// they should: what is under way is the rate times the round trip with the wait in
// it. Where the path is not full, wants wait at the sender, which was held up and
// is to have something at hand as soon as it may send more.
func (w *window) adjust(saturated bool, all *traffic) {
	trip, most, probes := w.trips.lowest(), queueTarget, 0
	if !saturated {
		most = max(trip/2, queueTarget)
	}
	goal, fair := w.bytes, w.fair(all)
	switch {
	case w.queue > most:
		goal = scaled(goal, max((trip+most).Seconds()/(trip+w.queue).Seconds(), mostShrink))
	case w.queue >= queueTarget:
	case w.hungry:
		goal = scaled(goal, growth)
	case goal < fair:
		goal = min(scaled(goal, growth), fair)
	case saturated:
		probe := min(firstProbe<<max(w.probes-patientProbes, 0), trip/8)
		goal = scaled(goal, (trip+probe).Seconds()/trip.Seconds())
		if all.peers > 1 {
			probes = min(w.probes+1, 2*patientProbes)
		}
	}
	w.probes = probes
	w.approach(max(min(goal, startupGain*w.product(w.rate.highest())), w.least()))
}

// approach sets the window, or lets it grow in the course of a round trip: what is
// asked for at once beyond what the path carries stands in its queue, though at
// other times of the round trip the path may be idle.
func (w *window) approach(goal int) {
	w.goal, w.slope = goal, float64(goal-w.bytes)/float64(max(w.bytes, 1))
	w.bytes = min(w.bytes, goal)
}

// fair is this peer's part of nearly all that comes.
func (w *window) fair(all *traffic) int {
	return int(nearlyAll * w.carries(all) * w.trips.lowest().Seconds())
}

func scaled(bytes int, by float64) int { return int(float64(bytes) * by) }

// carries is this peer's part of what our link was seen to carry, or 0 when that is
// not known.
func (w *window) carries(all *traffic) float64 {
	burst := all.burst.highest()
	if burst == 0 {
		return 0
	}
	part := 1 / float64(max(all.peers, 1))
	if all.rate > 0 {
		recent := float64(w.recent) / float64(all.rate)
		if all.saturated() && w.recent > 0 {
			part = recent
		} else {
			part = max(part, recent)
		}
	}
	burst *= part
	if rate := w.rate.highest(); !w.startup {
		burst = min(burst, startupGain*rate)
	}
	return max(burst, w.rate.highest())
}

// ceiling is how far the window grows in the startup.
func (w *window) ceiling(all *traffic) int {
	if carries := w.carries(all); carries > 0 {
		rate := startupShare * carries
		if w.hungry {
			rate = max(rate, growth*float64(w.recent))
		}
		most := int(rate * w.trip().Seconds())
		if w.outran {
			most = max(most, startupGain*w.round.bytes)
		}
		return most
	}
	return math.MaxInt
}

// product is what is to come when the path is full and its queue nearly empty.
func (w *window) product(rate float64) int {
	return int(rate * (w.trip() + queueTarget).Seconds())
}

// roundTrip is the shortest time after which something of an answer came. A server
// that many ask begins to answer soon, and takes long for all of it.
func (w *window) roundTrip() time.Duration {
	trip, lap := w.trips.lowest(), w.laps.lowest()
	if trip == 0 || lap == 0 {
		return max(trip, lap)
	}
	return min(trip, lap)
}

// trip is the lowest round trip, or the longest that it may be.
func (w *window) trip() time.Duration {
	if trip := w.trips.lowest(); trip != 0 {
		return trip
	}
	return w.guess
}

func (w *window) memory() time.Duration { return max(rateMemory*w.trips.lowest(), leastMemory) }

// least keeps one block coming while the next is asked for, and on a fast path without
// delay as much as comes while both sides are busy with it: with less, they pass few small
// blocks to each other at a time, and pay for the messages.
func (w *window) least() int {
	return max(w.block, leastWindow, int(float64(w.recent)*leastTime.Seconds()))
}

// shrink is called when the peer is late: it starts over from the least.
func (w *window) shrink(all *traffic) {
	w.flow(0, all)
	w.bytes, w.startup, w.flat, w.full = w.least(), true, 0, 0
	w.rate, w.before, w.hungry, w.outran = rateFilter{}, 0, false, false
}
