package actor

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Loop is the life of one actor's goroutine: it is started once, ends when it
// is stopped or when its body returns, and tells what became of it.
//
// The zero Loop is not usable; see [NewLoop].
type Loop struct {
	name   string
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
	start  sync.Once
	fail   func(error)
	alarm  *alarm // of the body's goroutine, once that runs

	busy  atomic.Int64 // nanoseconds spent outside of waiting
	since atomic.Int64 // Unix nanoseconds at which the present stretch of work began, 0 while waiting
	meter meter
}

// NewLoop returns a loop that has not started. A panic in its body is recovered
// and given to fail as a [*PanicError], after the loop's done channel is closed;
// fail may be nil.
func NewLoop(name string, fail func(error)) *Loop {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &Loop{name: name, ctx: ctx, cancel: cancel, done: make(chan struct{}), fail: fail}
}

// Start runs body in a goroutine of its own. The body ends when its context
// does. Later calls do nothing.
func (l *Loop) Start(body func(ctx context.Context)) {
	l.start.Do(func() {
		go l.run(body)
	})
}

func (l *Loop) run(body func(ctx context.Context)) {
	l.alarm = newAlarm()
	broken := Guard(l.name, nil, func() error { body(l.ctx); return nil })
	l.alarm.timer.Stop()
	l.cancel(ErrClosed)
	close(l.done)
	if broken != nil && l.fail != nil {
		l.fail(broken)
	}
}

// Stop asks the body to end and waits until it has, or until ctx ends. It may
// be called at any time and any number of times, also before Start, after which
// Start does nothing.
func (l *Loop) Stop(ctx context.Context) error {
	l.start.Do(func() { close(l.done) })
	l.cancel(ErrClosed)
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("actor %s has not ended: %w", l.name, context.Cause(ctx))
	}
}

// End lets the loop begin to end, as Stop does, and does not wait. The body calls
// it before its last look into its inboxes, because a panic may have ended it.
func (l *Loop) End() { l.cancel(ErrClosed) }

// Ending is closed when the loop was asked to end or its body has returned.
func (l *Loop) Ending() <-chan struct{} { return l.ctx.Done() }

// Done is closed when the body has returned.
func (l *Loop) Done() <-chan struct{} { return l.done }

// Name is what the loop is called in logs and metrics.
func (l *Loop) Name() string { return l.name }

// Working notes that the body has received something and begins to handle it;
// Waiting that it is about to wait again. Together they measure saturation.
func (l *Loop) Working(now time.Time) {
	at := now.UnixNano()
	l.meter.turn(at, &l.busy)
	l.since.Store(at)
}

// Begin is Working at the present time, which it returns.
func (l *Loop) Begin() time.Time {
	now := time.Now()
	l.Working(now)
	return now
}

// Waiting ends the stretch of work that [Loop.Working] began.
func (l *Loop) Waiting(now time.Time) {
	at := now.UnixNano()
	if since := l.since.Swap(0); since != 0 {
		l.busy.Add(at - since)
	}
	l.meter.look(at)
}

// WaitingUntil is Waiting, for a body that wants to be woken at a time by [Loop.Alarm],
// in place of any time before. The zero time is never.
func (l *Loop) WaitingUntil(now, wake time.Time) {
	l.Waiting(now)
	l.alarm.set(now, wake)
}

// Alarm delivers when the time has come that [Loop.WaitingUntil] was last given. Who
// has received from it calls [Loop.Woken]. Only the body may.
func (l *Loop) Alarm() <-chan time.Time { return l.alarm.timer.C }

// Woken is Working, for a body that has received from [Loop.Alarm]. It returns now.
func (l *Loop) Woken(now time.Time) time.Time {
	l.alarm.rang()
	l.Working(now)
	return now
}

// Busy is the time that the body has spent at work since it was made. Its
// growth over wall-clock time is the actor's saturation: 1 is an actor that
// never waits.
func (l *Loop) Busy() time.Duration { return time.Duration(l.busy.Load()) }
