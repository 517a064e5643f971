package souk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"

	"github.com/souk-p2p/souk/internal/actor"
)

// stuckTime is how long an actor may be at work on one thing. None does I/O, so
// the longest there is, a wantlist of 65,536 entries, takes tens of milliseconds; a
// machine that swaps makes that seconds.
const stuckTime = 15 * time.Second

// Live returns nil while the exchange works, and otherwise why it does not: it has
// ended, or the actors that are named have been at work on one thing for 15 s. It
// does not block.
func (x *Exchange) Live() error {
	if x.closing() {
		return cmp.Or(x.reason(), error(ErrClosed))
	}
	var errs []error
	now, all := time.Now(), x.actors()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if t := all[name].Turn(now); t >= stuckTime {
			errs = append(errs, fmt.Errorf("%s has not come to an end of its work for %v", name, t.Round(time.Second)))
		}
	}
	return errors.Join(errs...)
}

// StoreAnswers returns nil when the store of the exchange answers a question, and
// otherwise its error, or that of ctx. While a question is not answered there is no
// other, whoever asks: a store that hangs does not gather goroutines.
func (x *Exchange) StoreAnswers(ctx context.Context) error {
	asked := x.inquire()
	select {
	case <-asked.done:
		return asked.err
	case <-ctx.Done():
		return fmt.Errorf("the store does not answer: %w", context.Cause(ctx))
	}
}

// inquiry is a question to the store.
type inquiry struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // once it is done
}

// nothing is the CID of a block of which nobody needs to know whether it is there: a
// digest of zeros.
var nothing = func() cid.Cid {
	digest, _ := multihash.Encode(make([]byte, 32), multihash.SHA2_256) // Never fails.
	return cid.NewCidV1(cid.Raw, digest)
}()

// over reports whether the question was answered.
func (q *inquiry) over() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// inquire returns the question under way, or a new one.
func (x *Exchange) inquire() *inquiry {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.inquiry != nil && !x.inquiry.over() {
		return x.inquiry
	}
	ctx, cancel := context.WithCancel(context.Background())
	x.inquiry = &inquiry{cancel: cancel, done: make(chan struct{})}
	go x.inquiry.ask(ctx, x)
	return x.inquiry
}

func (q *inquiry) ask(ctx context.Context, x *Exchange) {
	defer close(q.done)
	defer q.cancel()
	if x.closing() { // Nobody would wait for the answer.
		q.err = ErrClosed
		return
	}
	q.err = actor.Guard("store", x.panics.contained, func() error {
		_, err := x.store.Has(ctx, nothing)
		return err
	})
}

// endInquiry ends the question under way, so that the store can be closed.
func (x *Exchange) endInquiry(ctx context.Context) error {
	x.mu.Lock()
	asked := x.inquiry
	x.mu.Unlock()
	if asked == nil {
		return nil
	}
	asked.cancel()
	select {
	case <-asked.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the store was asked whether it answers, and did not: %w", context.Cause(ctx))
	}
}
