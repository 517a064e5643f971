package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// Call is a GetBlocks that is under way.
type Call struct {
	world  *World
	cancel context.CancelFunc
	done   chan struct{} // closed when the call's channel was
	news   chan struct{} // a block has come since this was read

	mu    sync.Mutex
	got   []cid.Cid
	ended time.Time
}

// getBlocks is what a call is made with.
type getBlocks func(context.Context, []cid.Cid) (<-chan blocks.Block, error)

// Call asks for CIDs at n, in a session of its own, and does not wait.
func (w *World) Call(n *Node, cs []cid.Cid, from ...*Node) *Call {
	var c *Call
	w.do(func() (err error) {
		c, err = w.call(n.Exchange.Fetcher(w.ctx, IDs(from)...).GetBlocks, cs)
		return err
	})
	return c
}

// Subscribe is [World.Call] that keeps waiting for peers which do not have the
// blocks yet.
func (w *World) Subscribe(n *Node, cs []cid.Cid, from ...*Node) *Call {
	var c *Call
	w.do(func() (err error) {
		c, err = w.call(func(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
			return n.Exchange.Subscribe(ctx, cs, IDs(from)...)
		}, cs)
		return err
	})
	return c
}

// Call asks for CIDs in the session, and does not wait.
func (s *Session) Call(cs []cid.Cid) *Call {
	var c *Call
	s.world.do(func() (err error) {
		c, err = s.world.call(s.fetcher.GetBlocks, cs)
		return err
	})
	return c
}

func (w *World) call(get getBlocks, cs []cid.Cid) (*Call, error) {
	ctx, cancel := context.WithCancel(w.ctx)
	ch, err := get(ctx, cs)
	if err != nil {
		cancel()
		return nil, err
	}
	c := &Call{world: w, cancel: cancel, done: make(chan struct{}), news: make(chan struct{}, 1)}
	go c.receive(ch)
	return c, nil
}

func (c *Call) receive(ch <-chan blocks.Block) {
	for b := range ch {
		c.note(func() { c.got = append(c.got, b.Cid()) })
	}
	c.note(func() { c.ended = time.Now() })
	close(c.done)
}

func (c *Call) note(change func()) {
	c.mu.Lock()
	change()
	c.mu.Unlock()
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// Await waits until the blocks have come.
func (c *Call) Await(bs ...blocks.Block) {
	c.wait(func(ctx context.Context) error {
		for !c.has(bs) {
			select {
			case <-c.news:
			case <-c.done:
				if !c.has(bs) {
					return errors.New("the call has ended without a block that was waited for")
				}
			case <-ctx.Done():
				return fmt.Errorf("of %d blocks that were waited for %d have come: %w", len(bs), len(c.Got()), ctx.Err())
			}
		}
		return nil
	})
}

func (c *Call) has(bs []blocks.Block) bool {
	got := c.Got()
	return !slices.ContainsFunc(bs, func(b blocks.Block) bool { return !slices.Contains(got, b.Cid()) })
}

// Finish waits until the channel of the call is closed.
func (c *Call) Finish() {
	c.wait(func(ctx context.Context) error {
		select {
		case <-c.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("the channel of the call is still open: %w", ctx.Err())
		}
	})
}

// wait runs a verb, unless the call was never made.
func (c *Call) wait(verb func(ctx context.Context) error) {
	if c != nil {
		c.world.Try(verb)
	}
}

// Cancel gives the call up.
func (c *Call) Cancel() {
	if c != nil {
		c.cancel()
	}
}

// Got returns the CIDs of the blocks that have come, in their order.
func (c *Call) Got() []cid.Cid {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]cid.Cid(nil), c.got...)
}

// Ended returns when the channel of the call was closed; zero while it is open.
func (c *Call) Ended() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// Miss asks for one block, which is not to be had, for at most the given time, and
// returns the error with which that ends.
func (w *World) Miss(n *Node, c cid.Cid, within time.Duration, from ...*Node) error {
	var failed error
	w.do(func() error {
		ctx, cancel := context.WithTimeout(w.ctx, within)
		defer cancel()
		if _, failed = n.Exchange.Fetcher(ctx, IDs(from)...).GetBlock(ctx, c); failed == nil {
			return errors.New("a block came that was not to be had")
		}
		return nil
	})
	return failed
}
