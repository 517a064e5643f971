package client

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/wire"
)

// subscribes starts a subscription, whose notices are heard, and gives what ends it
// and how it ended.
func (w *world) subscribes(notice func(wire.Notify)) (cancel context.CancelFunc, ended <-chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	end := make(chan error, 1)
	go func() { end <- w.Subscribe(ctx, first, photos.About, notice) }()
	synctest.Wait()
	return cancel, end
}

func nothing(wire.Notify) {}

func TestASubscriberHearsOfNewRowsUntilItHasEnough(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		said := make(chan wire.Message, 8)
		row := rowOf(t, 4, "photos")
		w.runs(first, func(c *conversation) {
			s := c.next().(*wire.Subscribe)
			require.Equal(t, photos.About, s.About)
			c.say(&wire.Receipt{ID: s.ID})
			for range 3 {
				time.Sleep(time.Hour)
				c.say(&wire.Notify{ID: s.ID, Rows: []wire.Row{row}})
			}
			said <- c.next()
			c.say(&wire.Notify{ID: s.ID}) // It was on its way.
			honest()(c)
		})
		heard := make(chan wire.Notify, 8)
		cancel, ended := w.subscribes(func(n wire.Notify) { heard <- n })
		for range 3 {
			n := <-heard
			require.Equal(t, []wire.Row{row}, n.Rows)
			require.False(t, n.More)
		}
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.IsType(t, &wire.Unsubscribe{}, <-said)
		w.requireUp(first)
		require.Equal(t, 1, w.dialsTo(first))
	})
}

func TestASubscriberThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, func(c *conversation) {
			s := c.next().(*wire.Subscribe)
			c.say(&wire.Receipt{ID: s.ID})
			c.say(&wire.Notify{ID: s.ID})
			time.Sleep(time.Millisecond) // The subscriber has taken it.
			for range 10 {
				c.say(&wire.Notify{ID: s.ID})
			}
			honest()(c)
		})
		proceed := make(chan struct{})
		var heard []bool
		cancel, ended := w.subscribes(func(n wire.Notify) {
			<-proceed
			heard = append(heard, n.More)
		})
		w.requireUp(first)
		close(proceed)
		synctest.Wait()
		cancel()
		<-ended
		require.Equal(t, []bool{false, true}, heard, "the last that is told says that some were left out")
	})
}

func TestARefusedSubscriptionEnds(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		next := make(chan wire.Message, 1)
		w.runs(first, func(c *conversation) {
			c.say(&wire.Receipt{ID: idOf(c.next()), Refusals: []wire.Refusal{{Code: wire.CodeNotServed}}})
			m := c.next()
			next <- m
			c.answer(m)
			silent(c)
		})
		_, ended := w.subscribes(nothing)
		var refused *RefusedError
		require.ErrorAs(t, <-ended, &refused)
		require.Equal(t, wire.CodeNotServed, refused.Code)
		w.requireUp(first)
		require.IsType(t, &wire.Query{}, <-next, "there was nothing to unsubscribe from")
	})
}

func TestASubscriptionThatIsGivenUpBeforeItBeganIsEnded(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		said := make(chan wire.Message, 1)
		w.runs(first, func(c *conversation) {
			id := idOf(c.next())
			said <- c.next()
			c.say(&wire.Receipt{ID: id})
			honest()(c)
		})
		cancel, ended := w.subscribes(nothing)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.IsType(t, &wire.Unsubscribe{}, <-said)
		w.requireUp(first)
	})
}

func TestAStreamHasAsManySubscriptionsAsItMay(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, honest())
		var cancels []context.CancelFunc
		for range wire.MaxSubscriptions {
			cancel, _ := w.subscribes(nothing)
			cancels = append(cancels, cancel)
		}
		_, ended := w.subscribes(nothing)
		var refused *RefusedError
		require.ErrorAs(t, <-ended, &refused)
		require.Equal(t, wire.CodeSubscriptions, refused.Code)
		cancels[0]()
		synctest.Wait()
		cancel, ended := w.subscribes(nothing)
		require.Empty(t, ended, "there is room again")
		for _, c := range append(cancels, cancel) {
			c()
		}
		synctest.Wait()
	})
}

func TestSubscriptionsEndWithTheirStream(t *testing.T) {
	for name, c := range map[string]struct {
		ends func(c *conversation, id wire.RequestID)
		why  error
		down bool
	}{
		"in order":     {func(*conversation, wire.RequestID) {}, ErrEnded, false},
		"with a reset": {func(c *conversation, _ wire.RequestID) { c.conn.Reset() }, errReset, true},
		"with a flood": {func(c *conversation, id wire.RequestID) {
			for range 2 * unaskedBurst {
				c.say(&wire.Notify{ID: id})
			}
		}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, w *world) {
				w.runs(first, func(conv *conversation) {
					id := idOf(conv.next())
					conv.say(&wire.Receipt{ID: id})
					time.Sleep(time.Hour)
					c.ends(conv, id)
				})
				_, ended := w.subscribes(nothing)
				require.Empty(t, ended)
				time.Sleep(time.Hour)
				err := <-ended
				if c.why == nil {
					require.ErrorAs(t, err, new(*FaultError))
				} else {
					require.ErrorIs(t, err, c.why)
				}
				require.Equal(t, c.down, w.state(first).Down(time.Now()))
			})
		})
	}
}

func TestManyNoticesInTheirTimeAreNoFlood(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, func(c *conversation) {
			id := idOf(c.next())
			c.say(&wire.Receipt{ID: id})
			for range 10_000 {
				time.Sleep(time.Second / wire.MaxSubscriptions)
				c.say(&wire.Notify{ID: id})
			}
			silent(c)
		})
		var mu sync.Mutex
		heard := 0
		cancel, ended := w.subscribes(func(wire.Notify) { mu.Lock(); heard++; mu.Unlock() })
		time.Sleep(time.Hour)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.Equal(t, 10_000, heard)
	})
}
