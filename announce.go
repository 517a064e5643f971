package souk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/providers/record"
)

// AnnounceOption says more about what is announced.
type AnnounceOption func(*holding)

// holding is what is announced of a namespace.
type holding struct {
	ranges   []record.Range
	keys     []record.KeyRange
	partial  bool
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
func WithPart() AnnounceOption { return func(h *holding) { h.partial = true } }

// WithRoles says what can be asked for. The default is blocks.
func WithRoles(roles record.Roles) AnnounceOption { return func(h *holding) { h.roles = roles } }

// WithCapacity says how many KiB/s are willingly served. It may lower how often
// the node is named to others, and never raises it. The default is not to say.
func WithCapacity(kibps uint32) AnnounceOption { return func(h *holding) { h.capacity = kibps } }

// WithTTL sets how long trackers keep naming the node after they last heard of
// it: one hour by default, from one minute to two hours.
func WithTTL(ttl time.Duration) AnnounceOption { return func(h *holding) { h.ttl = ttl } }

// Announce tells the trackers that this node holds a namespace, and goes on to
// tell them until [Exchange.Withdraw] or [Exchange.Close]. It costs the same
// whatever the namespace holds: single blocks are never announced. It returns as
// soon as one tracker has taken it, or with what each of them said; then too the
// announcement is repeated until a tracker takes it, unless it is against the
// rules. Announcing again changes what is said.
func (x *Exchange) Announce(ctx context.Context, namespace string, opts ...AnnounceOption) error {
	if err := record.Namespace(namespace).Check(); err != nil {
		return fmt.Errorf("announce %q: %w", namespace, err)
	}
	return errors.ErrUnsupported
}

// Withdraw tells the trackers that this node does not hold a namespace any more.
func (x *Exchange) Withdraw(ctx context.Context, namespace string) error {
	return errors.ErrUnsupported
}

// AddTrackers names trackers as [WithTrackers] does, while the exchange runs.
func (x *Exchange) AddTrackers(trackers ...peer.AddrInfo) error {
	return errors.ErrUnsupported
}

// Watch delivers peers that announce a namespace from now on, until ctx ends.
func (x *Exchange) Watch(ctx context.Context, namespace string) (<-chan peer.AddrInfo, error) {
	return nil, errors.ErrUnsupported
}
