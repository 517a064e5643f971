package souk

import (
	"context"
	"errors"
	"fmt"

	"github.com/souk-p2p/souk/access"
	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/rate"
)

// WithUploadRates bounds how many bytes of blocks are sent in a second: in total, to
// each peer, and to classes of peers, which [WithAccessRules] tells apart. See
// [Exchange.SetRates].
func WithUploadRates(l rate.Limits) Option { return func(o *options) { o.up = l } }

// WithDownloadRates bounds how many bytes of blocks are asked for in a second, and so
// how many come: in total, of each peer, and of classes of peers. A block is asked for
// as a whole: where a second's rate is less than a block, it comes at once and the next
// one later.
func WithDownloadRates(l rate.Limits) Option { return func(o *options) { o.down = l } }

// WithAccessRules decides by rules who may have what, and in which class who is. See
// [Exchange.SetAccessRules]. With [WithAccess] both have to allow it. Who is denied
// everything (see [access.Rules.Denies]) is not fetched from either, and what it sends
// is ignored; fetches fail with [session.ErrDenied] in their answers.
func WithAccessRules(r *access.Rules) Option { return func(o *options) { o.rules = r } }

// SetRates changes how many bytes of blocks are sent and asked for in a second. What
// the access rules say of a class goes before what is said of it here. It holds at
// once, also for fetches that are under way. The error names what is wrong with the
// limits, of which nothing holds then, or is ctx's or [ErrClosed].
func (x *Exchange) SetRates(ctx context.Context, up, down rate.Limits) error {
	if err := up.Validate(); err != nil {
		return fmt.Errorf("souk: upload rates: %w", err)
	}
	if err := down.Validate(); err != nil {
		return fmt.Errorf("souk: download rates: %w", err)
	}
	x.policy.setRates(up, down)
	return x.enforce(ctx)
}

// SetAccessRules replaces the rules by others, or by none if r is nil. What is being
// sent is sent; what was refused is not sent before the peer asks again. It also
// decides anew in which class who is, how fast classes may be sent to, and who is
// fetched from: what was asked of a peer that is denied now is asked of others. The
// error is ctx's or [ErrClosed].
func (x *Exchange) SetAccessRules(ctx context.Context, r *access.Rules) error {
	x.policy.rules.Store(r)
	return x.enforce(ctx)
}

// Refused is how many wants of peers were refused, by reason: hook for [WithAccess],
// or the reason of a rule, for which see [access.Rule]. It never blocks for long.
func (x *Exchange) Refused() map[string]uint64 { return x.policy.counts() }

// enforce tells the actors what holds from now on.
func (x *Exchange) enforce(ctx context.Context) error {
	up, down := x.policy.rates()
	err := errors.Join(x.engine.SetRates(ctx, up), x.wants.SetRates(ctx, down), x.peers.Decide(ctx))
	if errors.Is(err, actor.ErrClosed) {
		return ErrClosed
	}
	return err
}
