package network

import (
	"sync"
	"time"
)

const (
	// A block in the middle of which a link is filled is worth a word of its own to
	// who asks the peer for more: once in tellAfter and for tellBytes, so that fast
	// links, where whole blocks come more often than that, pay nothing for it.
	tellAfter = 5 * time.Millisecond
	tellBytes = 32 << 10

	// A burst is what comes without a pause: senders that pace what they send do so
	// by the millisecond. It is measured over enough of those to be no accident.
	burstGap   = 2 * time.Millisecond
	burstTime  = 5 * time.Millisecond
	burstBytes = 128 << 10 // after a fifth of burstTime are enough as well
)

// arrival counts what comes from a peer. The readers of its streams share it.
type arrival struct {
	mu     sync.Mutex
	last   time.Time // when the last byte was read
	read   int64     // bytes in all
	part   int       // of those, in blocks that are not complete
	told   int64     // value of read that was last told
	toldAt time.Time
}

// add notes that n bytes were read.
func (a *arrival) add(n int, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.read += int64(n)
	a.part += n
	a.last = at
}

// whole notes that n bytes belong to blocks that are complete.
func (a *arrival) whole(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.part -= n
}

// progress is when the last byte was read.
func (a *arrival) progress() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// worthTelling reports whether enough has come since something was last told.
func (a *arrival) worthTelling(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.read-a.told >= tellBytes && now.Sub(a.toldAt) >= tellAfter
}

// tell returns how many bytes came, and how many of those belong to blocks that are
// not complete.
func (a *arrival) tell(now time.Time) (read int64, part int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told, a.toldAt = a.read, now
	return a.read, a.part
}

// bursts measures how fast bytes come when they come without a pause, from all
// peers together: what our own link carries, or else what they send.
type bursts struct {
	mu      sync.Mutex
	last    time.Time  // when the last byte was read
	began   time.Time  // when the present one did, or its last sample ended
	bytes   int        // that came after that
	samples [2]float64 // bytes a second of the two before, without a pause since, or 0
	highest float64    // since it was last taken
}

// add notes that n bytes were read.
func (b *bursts) add(n int, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at.Sub(b.last) > burstGap {
		b.began, b.bytes, b.samples = at, 0, [2]float64{}
	} else {
		b.bytes += n
	}
	b.last = at
	if took := at.Sub(b.began); took >= burstTime || (took >= burstTime/5 && b.bytes >= burstBytes) {
		b.end(float64(b.bytes) / took.Seconds())
		b.began, b.bytes = at, 0
	}
}

// end takes a sample, which counts if those before were as high: where a loss is
// repaired, all that waited for it comes at once.
func (b *bursts) end(rate float64) {
	b.highest = max(b.highest, min(rate, b.samples[0], b.samples[1]))
	b.samples = [2]float64{b.samples[1], rate}
}

// take returns the highest rate since it was last taken, or 0.
func (b *bursts) take() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	rate := b.highest
	b.highest = 0
	return rate
}
