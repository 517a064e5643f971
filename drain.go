package souk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/souk-p2p/souk/internal/actor"
)

const (
	// withdrawTime is how long trackers may take to hear that a draining node goes: as
	// long as one may take to answer.
	withdrawTime = 2 * time.Second
	// arriveTime is how long peers may take to read what was sent last: a window of
	// 256 KiB at half a megabit a second.
	arriveTime = 4 * time.Second
)

// DrainError says that a drain ended before everything was finished.
type DrainError struct {
	Wants int // of peers, that were promised and are not finished
	Err   error
}

func (e *DrainError) Error() string {
	if e.Wants == 0 {
		return fmt.Sprintf("souk: drain: not all that was sent has arrived: %v", e.Err)
	}
	return fmt.Sprintf("souk: drain: %d wants of peers are not finished: %v", e.Wants, e.Err)
}

func (e *DrainError) Unwrap() error { return e.Err }

// Drain prepares the exchange for [Exchange.Close]. It takes no new wants of peers,
// for good: they are answered DONT_HAVE where an answer was asked for. It withdraws
// what is announced, so that trackers send nobody here any more. It returns when
// peers have what they were promised: blocks that they wanted before, and those that
// a HAVE was said for and that they ask for within 2 s. A peer that does not read
// does not end it, but ctx does; then the error is a [*DrainError].
//
// What this node fetches and puts is not affected, and goes on until Close.
func (x *Exchange) Drain(ctx context.Context) error {
	x.draining.Store(true)
	var withdrawing sync.WaitGroup
	withdrawing.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, withdrawTime)
		defer cancel()
		_ = x.announcer.Stop(ctx) // What was not withdrawn ends with its TTL.
	})
	defer withdrawing.Wait()
	if err := x.engine.Drain(ctx); err != nil {
		return x.undrained(err, x.engine.Stat().Wants)
	}
	arriving, cancel := context.WithTimeout(ctx, arriveTime)
	defer cancel()
	if err := x.network.Arrive(arriving); err != nil {
		return x.undrained(err, 0)
	}
	return nil
}

func (x *Exchange) undrained(err error, wants int) error {
	if errors.Is(err, actor.ErrClosed) {
		return ErrClosed
	}
	return &DrainError{Wants: wants, Err: err}
}

// Draining reports whether [Exchange.Drain] was called.
func (x *Exchange) Draining() bool { return x.draining.Load() }
