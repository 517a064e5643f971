package client

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

func TestCallsShareAStreamAndAnswersComeInAnyOrder(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		row := rowOf(t, 4, "photos")
		w.runs(first, func(c *conversation) {
			var asked []wire.Message
			for range 8 {
				asked = append(asked, c.next())
			}
			slices.Reverse(asked)
			for _, m := range asked {
				c.say(&wire.Reply{ID: idOf(m), Rows: []wire.Row{row}, Token: fmt.Append(nil, m.(*wire.Query).Seed)})
			}
		})
		var calls sync.WaitGroup
		for i := range uint64(8) {
			calls.Go(func() {
				q := photos
				q.Seed = i + 1
				reply, err := w.Query(context.Background(), first, q)
				if assert.NoError(t, err) {
					assert.Equal(t, fmt.Sprint(i+1), string(reply.Token), "the answer is the one to this question")
					assert.Equal(t, []wire.Row{row}, reply.Rows)
				}
			})
		}
		calls.Wait()
		require.Equal(t, 1, w.dialsTo(first))
	})
}

func TestACallThatTimesOutDoesNotBreakTheOthers(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, func(c *conversation) {
			slow := c.next()
			other := c.next()
			time.Sleep(3 * time.Second)
			c.answer(other)
			c.answer(slow)
			honest()(c)
		})
		var calls sync.WaitGroup
		calls.Go(func() {
			_, err := w.asks(first, 2*time.Second)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.True(t, w.state(first).Down(time.Now()))
			_, err = w.asks(first, time.Minute)
			assert.ErrorAs(t, err, new(*DownError), "it is not asked again at once")
		})
		synctest.Wait()
		_, err := w.asks(first, time.Minute)
		require.NoError(t, err)
		calls.Wait()
		w.requireUp(first)
		require.Equal(t, 1, w.dialsTo(first), "the answer that came too late broke nothing")
		require.Zero(t, w.state(first).Lost)
	})
}

func TestACallOfWhichNothingIsHeardIsOnAnotherStreamTheNextTime(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, silent)
		_, err := w.Query(context.Background(), first, photos)
		require.ErrorIs(t, err, ErrNoAnswer, "30 s are enough for everybody")
		w.runs(first, honest())
		time.Sleep(firstPause)
		w.requireUp(first)
		require.Equal(t, 2, w.dialsTo(first))
	})
}

func TestACallThatItsCallerTakesBackIsNoFailureOfTheTracker(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, silent)
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		_, err := w.Query(ctx, first, photos)
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, w.state(first).Down(time.Now()))
	})
}

func TestACallThatHasNoTimeLeftIsNotMade(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		for range 20 {
			_, err := w.asks(first, 0)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		synctest.Wait()
		require.Zero(t, w.dialsTo(first))
		require.False(t, w.state(first).Down(time.Now()))
	})
}

func TestATrackerThatFailsIsDownForLongerEachTime(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		for pause := firstPause; pause < 2*maxPause; pause *= 2 {
			_, err := w.asks(first, time.Minute)
			require.ErrorIs(t, err, errRefused)
			down := time.Until(w.state(first).DownUntil)
			require.LessOrEqual(t, down, min(pause, maxPause))
			require.Greater(t, down, min(pause, maxPause)*3/4-1)
			_, err = w.asks(first, time.Minute)
			var refused *DownError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, w.state(first).DownUntil, refused.Until)
			time.Sleep(down)
		}
		require.Equal(t, 6, w.dialsTo(first))
		w.runs(first, honest())
		w.requireUp(first)
		w.runs(first, nil)
		w.parting(first)
		time.Sleep(time.Hour)
		_, err := w.asks(first, time.Minute)
		require.Error(t, err)
		require.LessOrEqual(t, time.Until(w.state(first).DownUntil), firstPause, "an answer starts over")
		require.Zero(t, w.state(second).DownUntil)
	})
}

func TestManyCallsThatFailTogetherAreOneFailure(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.dialling = 5 * time.Second
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() {
				_, err := w.asks(first, time.Minute)
				assert.ErrorIs(t, err, errRefused)
			})
		}
		calls.Wait()
		require.Equal(t, 1, w.dialsTo(first))
		require.LessOrEqual(t, time.Until(w.state(first).DownUntil), firstPause)

		w.runs(second, silent)
		for range 10 {
			calls.Go(func() {
				_, err := w.asks(second, time.Minute)
				assert.ErrorIs(t, err, ErrNoAnswer)
			})
		}
		calls.Wait()
		require.LessOrEqual(t, time.Until(w.state(second).DownUntil), firstPause)
	})
}

func TestADialGoesOnWhenItsFirstCallerDoesNotWait(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.dialling = 5 * time.Second
		w.runs(first, honest())
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var calls sync.WaitGroup
		calls.Go(func() {
			_, err := w.asks(first, time.Minute)
			assert.NoError(t, err)
		})
		_, err := w.Query(ctx, first, photos)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		calls.Wait()
		require.Equal(t, 1, w.dialsTo(first))
	})
}

func TestALostConnectionCountsOnceWithItsStream(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		reset := make(chan struct{})
		w.runs(first, func(c *conversation) {
			c.answer(c.next())
			<-reset
			c.conn.Reset()
		})
		w.parting(first)
		require.Zero(t, w.state(first).Lost, "nothing was there yet")
		w.requireUp(first)
		close(reset)
		synctest.Wait()
		require.EqualValues(t, 1, w.state(first).Lost)
		require.True(t, w.state(first).Down(time.Now()))
		w.parting(first)
		require.EqualValues(t, 1, w.state(first).Lost)

		w.runs(first, honest())
		time.Sleep(firstPause)
		w.requireUp(first)
		time.Sleep(time.Hour)
		require.EqualValues(t, 1, w.state(first).Lost, "what we end is not lost")
		w.parting(first)
		require.EqualValues(t, 2, w.state(first).Lost, "the connection was, without a stream")
	})
}

func TestAStreamOnWhichNothingIsSaidEnds(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		ended := make(chan time.Duration, 2)
		w.runs(first, func(c *conversation) {
			start := time.Now()
			honest()(c)
			ended <- time.Since(start)
		})
		w.requireUp(first)
		time.Sleep(29 * time.Second)
		w.requireUp(first)
		time.Sleep(29 * time.Second)
		require.Empty(t, ended)
		time.Sleep(2 * time.Second)
		require.Equal(t, 59*time.Second, <-ended)
		require.Equal(t, 1, w.dialsTo(first))
		w.requireUp(first)
		require.Equal(t, 2, w.dialsTo(first))
	})
}

func TestATrackerThatDoesNotEndItsSideIsNotWaitedFor(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		over := make(chan error, 1)
		w.runs(first, func(c *conversation) {
			honest()(c)
			for {
				if _, err := c.conn.Write([]byte{}); err != nil {
					over <- err
					return
				}
				time.Sleep(time.Second)
			}
		})
		w.requireUp(first)
		time.Sleep(wire.Idle + endingTime + 2*time.Second)
		require.ErrorIs(t, <-over, errReset)
		require.Zero(t, w.state(first).DownUntil)
	})
}

func TestARequestThatMeetsAStreamJustEndedGoesOnAnother(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		streams := 0
		w.runs(first, func(c *conversation) {
			if streams++; streams == 1 {
				c.answer(c.next())
				c.next() // is not answered: the end was on its way
				return
			}
			honest()(c)
		})
		w.requireUp(first)
		w.requireUp(first)
		require.Equal(t, 2, w.dialsTo(first))
		require.Zero(t, w.state(first).Lost)
	})
}

func TestATrackerThatEndsEveryStreamIsDown(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, func(c *conversation) { c.next() })
		_, err := w.asks(first, time.Minute)
		require.ErrorIs(t, err, ErrEnded)
		require.Equal(t, 2, w.dialsTo(first))
		require.True(t, w.state(first).Down(time.Now()))
	})
}

func TestAnAnnouncementIsTakenOrRefused(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		s := recordOf(t, 1, "photos")
		refusal := &wire.Refusal{Code: wire.CodeRate, RetryAfter: time.Minute}
		w.runs(first, func(c *conversation) {
			m := c.next().(*wire.Announce)
			require.Equal(t, s.Bytes(), m.Record)
			c.answer(m)
			c.say(&wire.Receipt{ID: idOf(c.next()), Refusals: []wire.Refusal{*refusal}})
			honest()(c)
		})
		ctx := context.Background()
		refused, err := w.Announce(ctx, first, s.Bytes())
		require.NoError(t, err)
		require.Nil(t, refused)
		refused, err = w.Announce(ctx, first, s.Bytes())
		require.NoError(t, err)
		require.Equal(t, refusal, refused)
		_, err = w.Announce(ctx, first, []byte("not a record"))
		require.ErrorAs(t, err, new(*record.Error))
		_, err = w.Announce(ctx, self, s.Bytes())
		require.ErrorIs(t, err, ErrUnknown)
	})
}

func TestAnAnnouncementThatWasTakenOnAStreamThatEndedIsDone(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		s := recordOf(t, 1, "photos")
		streams := 0
		w.runs(first, func(c *conversation) {
			m := c.next()
			if streams++; streams == 1 {
				return
			}
			stored := wire.Refusal{Code: wire.CodeSequence, Stored: s.Record().Sequence}
			c.say(&wire.Receipt{ID: idOf(m), Refusals: []wire.Refusal{stored}})
			honest()(c)
		})
		refused, err := w.Announce(context.Background(), first, s.Bytes())
		require.NoError(t, err)
		require.Nil(t, refused)
	})
}

func TestATouchTellsWhatWasRefused(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		rows := []wire.Touched{{Namespace: "a", Sequence: 1}, {Namespace: "b", Sequence: 2}}
		refusals := []wire.Refusal{{Code: wire.CodeUnknownRow, Item: 1}}
		w.runs(first, func(c *conversation) {
			m := c.next().(*wire.Touch)
			require.Equal(t, rows, m.Rows)
			c.say(&wire.Receipt{ID: m.ID, Refusals: refusals})
			honest()(c)
		})
		got, err := w.Touch(context.Background(), first, rows)
		require.NoError(t, err)
		require.Equal(t, refusals, got)
		_, err = w.Touch(context.Background(), first, make([]wire.Touched, wire.MaxTouches+1))
		require.ErrorAs(t, err, new(*wire.MessageError))
		require.Zero(t, w.state(first).DownUntil, "the mistake was ours")
	})
}

func TestFeedbackHasNoAnswer(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		heard := make(chan wire.Message, 1)
		w.runs(first, func(c *conversation) {
			heard <- c.next()
			silent(c)
		})
		f := wire.Feedback{Token: []byte("token"), Peers: []wire.Judgement{{Peer: second, Outcome: wire.OutcomeDead}}}
		require.NoError(t, w.Feedback(context.Background(), first, f))
		require.Equal(t, &f, <-heard)
		time.Sleep(time.Hour)
		require.Zero(t, w.state(first).DownUntil)
	})
}

func TestWhatOneGoroutineSaysIsSentInOrder(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		const n = 100
		heard := make(chan []uint64, 1)
		w.runs(first, func(c *conversation) {
			var order []uint64
			for range n {
				f := c.next().(*wire.Feedback)
				order = append(order, uint64(f.Token[0]))
			}
			heard <- order
			honest()(c)
		})
		for i := range n {
			f := wire.Feedback{Token: []byte{byte(i)}, Peers: []wire.Judgement{{Peer: second, Outcome: wire.OutcomeDead}}}
			require.NoError(t, w.Feedback(context.Background(), first, f))
		}
		order := <-heard
		require.True(t, slices.IsSorted(order))
	})
}

func TestLatencyIsThatOfAnswers(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, func(c *conversation) {
			for m := c.next(); m != nil; m = c.next() {
				time.Sleep(80 * time.Millisecond)
				c.answer(m)
			}
		})
		require.Zero(t, w.state(first).Latency)
		for range 3 {
			w.requireUp(first)
		}
		require.Equal(t, 80*time.Millisecond, w.state(first).Latency)
	})
}

func TestStopEndsWhateverIsUnderWay(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, func(c *conversation) {
			c.answer(c.next())
			silent(c)
		})
		about := photos.About
		var calls sync.WaitGroup
		for _, call := range []func(ctx context.Context) error{
			func(ctx context.Context) error { return w.Subscribe(ctx, first, about, func(wire.Notify) {}) },
			func(ctx context.Context) error { _, err := w.Query(ctx, first, photos); return err },
			func(ctx context.Context) error { _, err := w.Query(ctx, second, photos); return err },
		} {
			calls.Go(func() { assert.ErrorIs(t, call(context.Background()), ErrClosed) })
			synctest.Wait()
			w.mu.Lock()
			w.dialling = time.Hour // for the second tracker
			w.mu.Unlock()
		}
		w.stop()
		calls.Wait()
		_, err := w.Query(context.Background(), first, photos)
		require.ErrorIs(t, err, ErrClosed)
		w.parting(first)
		w.stop()
	})
}

func TestAPanicEndsTheStreamAndNothingElse(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, func(*conversation) {})
		w.Client.cfg.Network = panicky{w}
		_, err := w.asks(first, time.Minute)
		require.ErrorAs(t, err, new(*actor.PanicError))
		require.Equal(t, 1, w.panics)
		w.Client.cfg.Network = w
		w.runs(first, honest())
		time.Sleep(firstPause)
		w.requireUp(first)
	})
}

// panicky is a network whose streams panic when they are read.
type panicky struct{ *world }

func (p panicky) OpenDuplex(context.Context, peer.AddrInfo, protocol.ID) (Stream, error) {
	here, _ := pipe()
	return broken{here}, nil
}

type broken struct{ *end }

func (broken) Read([]byte) (int, error) { panic("bug") }
