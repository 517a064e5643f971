package actor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrStuck is what a call gets that has not returned in time. It may return
// later; nobody looks any more.
var ErrStuck = errors.New("the call has not returned")

// Crew is the goroutines that call somebody else's code for an actor. That may
// panic, and it may never return. A goroutine that is done waits for more for a
// moment: what is called tends to need a deep stack, which a new goroutine would
// have to grow first.
type Crew struct {
	where    string // for what panics
	panicked func(error)
	work     chan func() // to those who wait, each of whom can be given one

	mu      sync.Mutex
	running int
	waiting int                 // of those who run: for work
	none    chan struct{}       // closed when nothing runs any more; nil while nobody waits
	stuck   map[string]struct{} // keys of the calls that were given up
	closing chan struct{}       // closed when there is no more work
	closed  bool
	leaving chan struct{} // closed when whatever runs is given up
	left    bool
}

const (
	mostWaiting = 4           // goroutines of a crew
	workWait    = time.Second // for which each does so
)

// NewCrew returns a crew without goroutines. A panic in what it runs is given to
// panicked, under the name where; panicked may be nil.
func NewCrew(where string, panicked func(error)) *Crew {
	return &Crew{
		where: where, panicked: panicked, work: make(chan func(), mostWaiting), stuck: make(map[string]struct{}),
		closing: make(chan struct{}), leaving: make(chan struct{}),
	}
}

// Go runs f in a goroutine that [Crew.Wait] waits for.
func (c *Crew) Go(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting > 0 {
		c.waiting--
		c.work <- f // Never blocks: there is room for each who waits.
		return
	}
	c.running++
	go c.member(f)
}

// member does what it is given, until there is nothing for a while.
func (c *Crew) member(f func()) {
	defer c.ended()
	patience := time.NewTimer(workWait)
	defer patience.Stop()
	for f != nil {
		_ = Guard(c.where, c.panicked, func() error { f(); return nil })
		f = c.more(patience)
	}
}

// more waits for more to do. It returns nil when there is none.
func (c *Crew) more(patience *time.Timer) func() {
	c.mu.Lock()
	stays := c.waiting+len(c.work) < mostWaiting && !c.closed
	if stays {
		c.waiting++
	}
	c.mu.Unlock()
	if !stays {
		return nil
	}
	patience.Reset(workWait)
	select {
	case f := <-c.work:
		return f
	case <-patience.C:
	case <-c.closing:
	}
	return c.resign()
}

// resign ends a wait, unless somebody counts on whoever waits already.
func (c *Crew) resign() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case f := <-c.work:
		return f
	default:
		c.waiting--
		return nil
	}
}

func (c *Crew) ended() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running--; c.running == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

// Wait waits until all goroutines have returned. When ctx ends first, calls that
// have not returned are given up, and it returns how many goroutines there are.
// Nothing may be started any more.
func (c *Crew) Wait(ctx context.Context) error {
	select {
	case <-c.idle():
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == 0 {
		return nil
	}
	if !c.left {
		c.left = true
		close(c.leaving)
	}
	return fmt.Errorf("%s: %d goroutines have not returned: %w", c.where, c.running, context.Cause(ctx))
}

// idle lets those who wait for work go, and is closed when no goroutine runs.
func (c *Crew) idle() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		close(c.closing)
	}
	if c.none == nil && c.running > 0 {
		c.none = make(chan struct{})
	}
	if c.none == nil {
		none := make(chan struct{})
		close(none)
		return none
	}
	return c.none
}

// Calls are a number of calls that are made one after the other.
type Calls[T any] struct {
	N int
	// Patience is after how long a call is given up, or up to twice as long. While
	// MostStuck of the crew have not returned, no other is made.
	Patience  time.Duration
	MostStuck int

	Key func(i int) string // what a call is about: while one is stuck, there is no other about the same
	// Call makes a call. Last is the result of the last that had no error, or zero
	// when there was none since one was given up. It must not read what Take
	// writes: that call may be the one that is given up.
	Call func(i int, last T) (T, error)
	// Take is told what became of each call, in order, and not after Run.
	Take func(i int, result T, err error)
}

// Run makes the calls, in a goroutine of the crew, and returns when all of them
// were taken. A call that does not return in time is taken with [ErrStuck], and
// the next is made; one that would be too many is taken so without being made.
func Run[T any](c *Crew, calls Calls[T]) {
	r := &run[T]{crew: c, calls: calls}
	for r.next < calls.N {
		done := make(chan struct{})
		attempt := r.attempt
		c.Go(func() {
			defer close(done)
			r.from(attempt)
		})
		if !r.watch(done) && r.next < calls.N {
			panic("actor: the result of a call could not be taken")
		}
	}
}

// run is calls that are being made.
type run[T any] struct {
	crew  *Crew
	calls Calls[T]

	mu      sync.Mutex
	next    int // the first that was not taken
	last    T
	attempt int // grows when the goroutine that makes the calls is given up
}

// from makes the calls that were not made, until it is given up.
func (r *run[T]) from(attempt int) {
	for {
		r.mu.Lock()
		i, last, mine := r.next, r.last, r.attempt == attempt
		r.mu.Unlock()
		if !mine || i == r.calls.N {
			return
		}
		var result T
		err := r.refuses(i)
		if err == nil {
			err = Guard(r.crew.where, r.crew.panicked, func() (err error) {
				result, err = r.calls.Call(i, last)
				return err
			})
		}
		if !r.take(attempt, i, result, err) {
			r.crew.returned(r.calls.Key(i))
			return
		}
	}
}

// take takes a result, unless it comes from a goroutine that was given up.
func (r *run[T]) take(attempt, i int, result T, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempt != attempt {
		return false
	}
	r.calls.Take(i, result, err)
	r.next++
	if err == nil {
		r.last = result
	}
	return true
}

// watch returns when the goroutine that makes the calls is done, or was given up,
// which it reports.
func (r *run[T]) watch(done <-chan struct{}) (gaveUp bool) {
	clock := time.NewTicker(r.calls.Patience)
	defer clock.Stop()
	for seen := -1; ; seen = r.under() {
		select {
		case <-done:
			return false
		case <-clock.C:
			gaveUp = r.giveUp(seen, seen+1)
		case <-r.crew.leaving:
			gaveUp = r.giveUp(r.under(), r.calls.N)
		}
		if gaveUp {
			return true
		}
	}
}

// under is the call under way.
func (r *run[T]) under() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next
}

// giveUp gives up a call if it is still the one under way, and with it those up
// to the end.
func (r *run[T]) giveUp(i, end int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next != i || i == r.calls.N {
		return false
	}
	r.attempt++
	r.crew.gaveUp(r.calls.Key(i))
	var none T
	r.last = none
	for ; r.next < end; r.next++ {
		r.calls.Take(r.next, none, ErrStuck)
	}
	return true
}

// refuses returns ErrStuck for a call that is not to be made.
func (r *run[T]) refuses(i int) error {
	c := r.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.stuck) == 0 {
		return nil
	}
	if _, same := c.stuck[r.calls.Key(i)]; same || len(c.stuck) >= r.calls.MostStuck {
		return ErrStuck
	}
	return nil
}

func (c *Crew) gaveUp(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stuck[key] = struct{}{}
}

func (c *Crew) returned(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.stuck, key)
}
