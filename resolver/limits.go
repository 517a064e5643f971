package resolver

import (
	"fmt"
	"time"

	"github.com/souk-p2p/souk/resolver/wire"
)

// Limits are the bounds and times of a resolver. A zero field stands for its default;
// a negative one, where that is said, for "without".
type Limits struct {
	// Latency is the performance that a peer begins with: what it is expected to take
	// for an answer. Default 200 ms: a round trip across an ocean and the time to read a
	// value. A peer that is known is asked first when it is faster than that.
	Latency time.Duration

	// Timeout is after what time a request has failed, and what no answer counts as.
	// Default 10 s, in which a part of a value comes at 32 KiB/s when nothing else does.
	Timeout time.Duration

	// Retry is what a key waits after a peer has failed, before the next is asked.
	// Default 100 ms: a round trip within a continent, so that a network in which nobody
	// has the value hears of it ten times a second at most.
	Retry time.Duration

	// Outstanding is how many requests one peer may have at a time. Default 32: at 200 ms
	// of round trip it is kept busy when a value takes it 7 ms. A peer has fewer that is
	// kept busy by fewer: two at first.
	Outstanding int

	// Rate and Burst are how many requests a peer gets in a second, and at once after a
	// pause. Default 1,000 and 1,000. Negative Rate: without a limit.
	Rate  float64
	Burst int

	// Hedge is the multiple of the time that a peer took for its last answers, after which
	// one is late and another peer is asked as well. Default 3. While nothing waits, one
	// is asked also that is clearly expected to be sooner. Negative: never.
	Hedge float64

	// Undelivered bounds the bytes of values that are asked for, under way in parts, or
	// with the Consumer. Default 64 MiB. At least MaxValue.
	Undelivered int64

	// MaxValue is the size of the largest value, in bytes. Default 16 MiB, at most 1 GiB.
	MaxValue int64

	// Part is the size of the largest part that one message carries: the protocol's.
	// Default 256 KiB.
	Part int

	// BlockFor is how long a peer is blocked that has sent what the Consumer has refused,
	// or data that do not fit their hash. Default: as long as the resolver lives.
	BlockFor time.Duration
}

func (l Limits) withDefaults() Limits {
	set(&l.Latency, 200*time.Millisecond)
	set(&l.Timeout, 10*time.Second)
	set(&l.Retry, 100*time.Millisecond)
	set(&l.Outstanding, 32)
	set(&l.Rate, 1000)
	set(&l.Burst, 1000)
	set(&l.Hedge, 3)
	set(&l.Undelivered, 64<<20)
	set(&l.MaxValue, 16<<20)
	set(&l.Part, wire.PartSize)
	return l
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate names the field that is wrong, in limits with their defaults.
func (l Limits) validate() error {
	for _, field := range []struct {
		name     string
		negative bool
		value    any
	}{
		{"Latency", l.Latency < 0, l.Latency}, {"Timeout", l.Timeout < 0, l.Timeout}, {"Retry", l.Retry < 0, l.Retry},
		{"Outstanding", l.Outstanding < 0, l.Outstanding}, {"Burst", l.Burst < 0, l.Burst},
		{"BlockFor", l.BlockFor < 0, l.BlockFor}, {"Part", l.Part < 0, l.Part},
	} {
		if field.negative {
			return fmt.Errorf("%s is %v: it must be positive", field.name, field.value)
		}
	}
	switch {
	case l.MaxValue < 0 || l.MaxValue > wire.MaxValue:
		return fmt.Errorf("MaxValue is %d bytes: it must be from 1 to %d", l.MaxValue, wire.MaxValue)
	case l.Undelivered < l.MaxValue:
		return fmt.Errorf("Undelivered is %d bytes: it must be at least MaxValue, %d", l.Undelivered, l.MaxValue)
	}
	return nil
}
