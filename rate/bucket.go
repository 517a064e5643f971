package rate

import (
	"math"
	"time"
)

// burst is what may pass at once after a pause, as a time at the full rate: long
// against what a timer and a busy machine are late, short against the second over
// which a rate is to be even.
const burst = 50 * time.Millisecond

// Bucket lets bytes pass at a rate: over any time, rate x time and one burst at
// most, or instead of the burst one item that is larger. Such an item passes when
// a burst could, and is waited for afterwards. The zero Bucket has no limit.
type Bucket struct {
	rate   float64 // bytes a second; 0 for no limit
	tokens float64 // bytes that may pass; less than none after an item larger than a burst
	most   float64 // of them; 0 for a burst
	at     time.Time
}

// NewBucket returns a full bucket of what is counted otherwise than in bytes, such as
// requests: so many may pass in a second, and atOnce after a pause.
func NewBucket(now time.Time, perSecond float64, atOnce int) Bucket {
	return Bucket{rate: perSecond, most: float64(atOnce), tokens: float64(atOnce), at: now}
}

// Set changes the rate. What has passed counts; a bucket without a limit before
// begins full.
func (b *Bucket) Set(now time.Time, r Rate) {
	switch {
	case r <= 0:
		*b = Bucket{}
	case b.rate == 0:
		*b = Bucket{rate: float64(r), at: now}
		b.tokens = b.burst()
	default:
		b.fill(now)
		b.rate = float64(r)
		b.tokens = min(b.tokens, b.burst())
	}
}

// Limited reports whether the bucket limits anything.
func (b *Bucket) Limited() bool { return b.rate > 0 }

// Rate is what the bucket lets pass in a second, or 0 when that is not limited.
func (b *Bucket) Rate() float64 { return b.rate }

// Room is how many bytes may pass now.
func (b *Bucket) Room(now time.Time) int {
	if b.rate == 0 {
		return math.MaxInt
	}
	b.fill(now)
	return max(int(b.tokens), 0)
}

// Ready reports whether n bytes may pass now.
func (b *Bucket) Ready(now time.Time, n int) bool { return b.When(now, n).IsZero() }

// When is when n bytes may pass if nothing does until then, or the zero time when
// they may now.
func (b *Bucket) When(now time.Time, n int) time.Time {
	if b.rate == 0 {
		return time.Time{}
	}
	b.fill(now)
	missing := min(float64(n), b.burst()) - b.tokens
	if missing <= tolerance {
		return time.Time{}
	}
	return now.Add(time.Duration(missing/b.rate*float64(time.Second)) + 1)
}

// tolerance is what rounding to nanoseconds and floating point may cost, in bytes.
const tolerance = 1e-3

// Take notes that n bytes pass.
func (b *Bucket) Take(n int) {
	if b.rate > 0 {
		b.tokens -= float64(n)
	}
}

// GiveBack notes that n of the bytes that were taken did not pass.
func (b *Bucket) GiveBack(n int) {
	if b.rate > 0 {
		b.tokens = min(b.tokens+float64(n), b.burst())
	}
}

func (b *Bucket) burst() float64 {
	if b.most > 0 {
		return b.most
	}
	return b.rate * burst.Seconds()
}

func (b *Bucket) fill(now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(b.tokens+b.rate*passed.Seconds(), b.burst())
		b.at = now
	}
}
