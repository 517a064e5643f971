package network

import (
	"context"
	"sync"
)

// life counts the goroutines of a network and ends them.
type life struct {
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	ended bool
	wg    sync.WaitGroup
}

func newLife() *life {
	l := &life{}
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

// spawn runs f in a counted goroutine, unless the network has ended.
func (l *life) spawn(f func()) bool {
	if !l.enter() {
		return false
	}
	go func() {
		defer l.leave()
		f()
	}()
	return true
}

// always runs f in a goroutine: a counted one unless the network has ended.
func (l *life) always(f func()) {
	if !l.spawn(f) {
		go f()
	}
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
