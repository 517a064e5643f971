package souk

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/session"
)

// The end of an exchange: what has not ended after closeTime is given up, and
// every step has at least closeStep, which is enough for what waits for nobody
// else's code. Together with a last wait for the store that is within 2 s.
const (
	closeTime = 1300 * time.Millisecond
	closeStep = 50 * time.Millisecond
)

// Close ends every session, stores what was received, and ends the exchange. It
// returns within 2 s and may be called twice and under load. The host and the
// store stay open.
//
// What could not be stored in that time is given up. A store, a finder or a host
// that does not return although its context has ended is left behind, and Close
// says so with an error: whoever owns it must not close it before it returns.
func (x *Exchange) Close() error {
	x.mu.Lock()
	open := x.sessions
	first := open != nil
	x.sessions = nil
	x.mu.Unlock()
	if !first {
		<-x.closed
		return x.reason()
	}
	defer close(x.closed)
	err := x.stop(open)
	return errors.Join(err, x.reason())
}

// Done is closed when the exchange has ended, by Close or because an actor broke;
// Close then returns why.
func (x *Exchange) Done() <-chan struct{} { return x.closed }

func (x *Exchange) stop(open map[*session.Session]struct{}) error {
	end := time.Now().Add(closeTime)
	var errs []error
	for _, stop := range []func(context.Context) error{
		x.unregister, x.closeServices, closeAll(open), x.withdrawAll, x.stopTracker, x.wants.Stop, x.trackers.Stop, x.network.Stop,
		x.blocks.Stop, x.engine.Stop, x.providers.Stop, x.peers.Stop, x.ledger.StopKeeping, x.ledger.Stop, x.endInquiry,
	} {
		ctx, cancel := context.WithTimeout(context.Background(), max(time.Until(end), closeStep))
		// What panics does not keep the others from ending.
		errs = append(errs, actor.Guard("close", x.panics.contained, func() error { return stop(ctx) }))
		cancel()
	}
	return errors.Join(errs...)
}

// closeAll closes sessions.
func closeAll(open map[*session.Session]struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		return sideBySide(ctx, slices.Collect(maps.Keys(open)), (*session.Session).Close)
	}
}

// sideBySide ends all of something at once.
func sideBySide[T any](ctx context.Context, all []T, end func(T, context.Context) error) error {
	ended := make(chan error, len(all))
	for _, one := range all {
		go func() { ended <- end(one, ctx) }()
	}
	var errs []error
	for range all {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

func (x *Exchange) reason() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.broken
}

func (x *Exchange) closing() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.sessions == nil
}
