package blockstore

import (
	"context"
	"errors"
	"sync"
)

// errSyncBroken is what the callers of a sync get that panicked.
var errSyncBroken = errors.New("sync did not finish")

// groupSync lets calls that need a sync at the same time share one. Who comes
// while a sync runs may not rely on it, because its writes may be later than
// what that sync covers: it joins the round that starts next.
type groupSync struct {
	sync  func(context.Context) error
	token chan struct{} // holds one token; who has it runs a round

	mu   sync.Mutex // never held during a sync
	next *round     // the round that is being joined, nil when nobody has yet
}

// round is one sync and those who wait for it.
type round struct {
	done chan struct{} // closed when err is final
	err  error
}

func newGroupSync(sync func(context.Context) error) *groupSync {
	g := &groupSync{sync: sync, token: make(chan struct{}, 1)}
	g.token <- struct{}{}
	return g
}

// Wait returns when a sync that began after the call has ended, with its error,
// or with the context's error when that ends first.
func (g *groupSync) Wait(ctx context.Context) error {
	mine := g.join()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-g.token:
	}
	defer func() { g.token <- struct{}{} }()
	if !g.begin(mine) {
		return mine.err // Another caller ran it and freed the token just now.
	}
	defer close(mine.done)
	// Others rely on this round: the end of our context must not fail it.
	mine.err = g.sync(context.WithoutCancel(ctx))
	return mine.err
}

func (g *groupSync) join() *round {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next == nil {
		g.next = &round{done: make(chan struct{}), err: errSyncBroken}
	}
	return g.next
}

// begin closes the round for newcomers. It reports false when the round has
// begun before; then it has also ended, because the caller holds the token.
func (g *groupSync) begin(r *round) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next != r {
		return false
	}
	g.next = nil
	return true
}
