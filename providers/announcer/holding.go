package announcer

import (
	"errors"
	"slices"
	"time"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
)

// Holding is what is announced of a namespace.
type Holding struct {
	// Ranges is the part that is held, by the digests of its CIDs; the zero
	// value is everything. Keys is instead of it where keys are not CIDs.
	Ranges   record.Ranges
	Keys     record.KeyRanges
	Complete bool         // all of that part is held, and not only some
	Roles    record.Roles // default record.Blocks
	Capacity uint32       // KiB/s that the node is willing to send; zero is not said
	// TTL is how long trackers keep the row after they last heard of it. Default
	// record.DefaultTTL, and clamped to record.MinTTL and record.MaxTTL.
	TTL time.Duration
}

// checked returns the holding with its defaults, or a [*FormError].
func (h Holding) checked(ns record.Namespace) (Holding, error) {
	if err := ns.Check(); err != nil {
		return h, &FormError{"Namespace", err}
	}
	if !h.Keys.Empty() && !h.Ranges.Everything() {
		return h, &FormError{"Keys", errors.New("ranges and keys: only one of them is right")}
	}
	if h.TTL < 0 {
		return h, &FormError{"TTL", errors.New("below zero")}
	}
	if h.TTL == 0 {
		h.TTL = record.DefaultTTL
	}
	if h.Roles == 0 {
		h.Roles = record.Blocks
	}
	h.TTL = min(max(h.TTL, record.MinTTL), record.MaxTTL).Truncate(time.Second)
	return h, nil
}

func (h Holding) equal(o Holding) bool {
	return h.Complete == o.Complete && h.Roles == o.Roles && h.Capacity == o.Capacity && h.TTL == o.TTL &&
		slices.Equal(slices.Collect(h.Ranges.All()), slices.Collect(o.Ranges.All())) &&
		slices.Equal(slices.Collect(h.Keys.All()), slices.Collect(o.Keys.All()))
}

// places are where trackers keep it.
func (h Holding) places(ns record.Namespace) []tracker.Place {
	if !h.Ranges.Narrow() {
		return []tracker.Place{{Namespace: string(ns)}}
	}
	var all []tracker.Place
	for shard := range h.Ranges.Shards() {
		all = append(all, tracker.Place{Namespace: string(ns), Narrow: true, Division: uint8(shard)})
	}
	return all
}
