package souk

import (
	"time"

	"github.com/souk-p2p/souk/providers/announcer"
	"github.com/souk-p2p/souk/providers/record"
)

// ErrNoTrackers is what announcing comes to without a tracker to tell.
var ErrNoTrackers = announcer.ErrNoTrackers

// AnnounceError says what each tracker answered that has not taken an
// announcement, and FormError what of one is against the rules.
type (
	AnnounceError = announcer.Error
	FormError     = announcer.FormError
)

// AnnounceOption says more about what is announced.
type AnnounceOption func(*holding)

type holding struct {
	ranges   []record.Range
	keys     []record.KeyRange
	complete bool
	roles    record.Roles
	capacity uint32
	ttl      time.Duration
}

// WithRanges announces the blocks whose digests begin in one of the ranges, and
// not the whole namespace.
func WithRanges(ranges ...record.Range) AnnounceOption {
	return func(h *holding) { h.ranges = append(h.ranges, ranges...) }
}

// WithKeys announces ranges of a namespace whose keys are not CIDs.
func WithKeys(ranges ...record.KeyRange) AnnounceOption {
	return func(h *holding) { h.keys = append(h.keys, ranges...) }
}

// WithPart says that only some of what is announced is held. The default is all.
func WithPart() AnnounceOption { return func(h *holding) { h.complete = false } }

// WithRoles says what can be asked for. The default is blocks.
func WithRoles(roles record.Roles) AnnounceOption { return func(h *holding) { h.roles = roles } }

// WithCapacity says how many KiB/s are willingly served. It may lower how often
// the node is named to others, and never raises it. The default is not to say.
func WithCapacity(kibps uint32) AnnounceOption { return func(h *holding) { h.capacity = kibps } }

// WithTTL sets how long trackers keep naming the node after they last heard of
// it: one hour by default, clamped to one minute and two hours.
func WithTTL(ttl time.Duration) AnnounceOption { return func(h *holding) { h.ttl = ttl } }

// checked returns what is announced, or a [*FormError].
func (h holding) checked() (announcer.Holding, error) {
	ranges, err := record.NewRanges(h.ranges...)
	if err != nil {
		return announcer.Holding{}, &FormError{Field: "Ranges", Err: err}
	}
	keys, err := record.NewKeyRanges(h.keys...)
	if err != nil {
		return announcer.Holding{}, &FormError{Field: "Keys", Err: err}
	}
	return announcer.Holding{
		Ranges: ranges, Keys: keys, Complete: h.complete, Roles: h.roles, Capacity: h.capacity, TTL: h.ttl,
	}, nil
}
