package network

import (
	"context"
	"sync"
	"time"

	"github.com/souk-p2p/souk/internal/actor"
)

// life counts the goroutines of a network and ends them. What they run may
// panic: hosts and streams are somebody else's code.
type life struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	panicked func(error)

	mu    sync.Mutex
	ended bool
	wg    sync.WaitGroup
}

func newLife(panicked func(error)) *life {
	l := &life{panicked: panicked}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	return l
}

// enter counts the calling goroutine until it calls leave. It reports false
// when the network has ended.
func (l *life) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.wg.Add(1)
	}
	return !l.ended
}

func (l *life) leave() { l.wg.Done() }

// guard runs f and recovers it. Where says in a word what f belongs to.
func (l *life) guard(where string, f func()) error {
	return actor.Guard(where, l.panicked, func() error { f(); return nil })
}

// spawn runs f in a counted goroutine, unless the network has ended.
func (l *life) spawn(where string, f func()) bool {
	if !l.enter() {
		return false
	}
	go func() {
		defer l.leave()
		_ = l.guard(where, f) // It was told.
	}()
	return true
}

// always runs f in a goroutine: a counted one unless the network has ended.
func (l *life) always(where string, f func()) {
	if !l.spawn(where, f) {
		go func() { _ = l.guard(where, f) }()
	}
}

// after runs f when d has passed, in a counted goroutine, unless the network has
// ended by then.
func (l *life) after(d time.Duration, where string, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		if l.enter() {
			defer l.leave()
			_ = l.guard(where, f)
		}
	})
}

func (l *life) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// end refuses new goroutines and cancels the context. It reports whether it was
// the first to do so.
func (l *life) end() bool {
	l.mu.Lock()
	first := !l.ended
	l.ended = true
	l.mu.Unlock()
	l.cancel(ErrClosed)
	return first
}

// wait returns when all counted goroutines have ended, or with an error when
// ctx ends first.
func (l *life) wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		l.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
