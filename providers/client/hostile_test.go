package client

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/wire"
)

// unknownKind is a frame with field 100, a message of nothing.
var unknownKind = []byte{3, 0xa2, 0x06, 0x00}

// lies are what a tracker may answer to a query, and no honest one does.
var lies = map[string]func(c *conversation, id wire.RequestID){
	"an answer to a number that was not given yet": func(c *conversation, id wire.RequestID) { c.say(&wire.Reply{ID: id + 1}) },
	"an answer to nothing":                         func(c *conversation, _ wire.RequestID) { c.raw([]byte{2, 0x42, 0x00}) },
	"an answer of another kind":                    func(c *conversation, id wire.RequestID) { c.say(&wire.Receipt{ID: id}) },
	"a notice of no subscription":                  func(c *conversation, id wire.RequestID) { c.say(&wire.Notify{ID: id + 1}) },
	"a request":                                    func(c *conversation, id wire.RequestID) { c.say(&wire.Query{ID: id, About: photos.About}) },
	"a frame over the limit":                       func(c *conversation, _ wire.RequestID) { c.raw([]byte{0xff, 0xff, 0xff, 0x7f}) },
	"a length that is not minimal":                 func(c *conversation, _ wire.RequestID) { c.raw([]byte{0x80, 0x00}) },
	"no protobuf":                                  func(c *conversation, _ wire.RequestID) { c.raw([]byte{2, 0x42, 0x7f}) },
	"what it does not have to say, without an end": func(c *conversation, _ wire.RequestID) {
		for range 2 * unaskedBurst {
			c.raw(unknownKind)
		}
	},
	"more rows than were asked for": func(c *conversation, id wire.RequestID) {
		var rows []wire.Row
		for i := range byte(photos.K) + 1 {
			rows = append(rows, rowOf(c.t, 20+i, "photos"))
		}
		c.say(&wire.Reply{ID: id, Rows: rows})
	},
}

func TestATrackerThatBreaksTheRulesIsResetAndDown(t *testing.T) {
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, w *world) {
				ended := make(chan error, 1)
				w.runs(first, func(c *conversation) {
					lie(c, idOf(c.next()))
					_, err := c.in.Next()
					ended <- err
				})
				w.runs(second, honest(rowOf(t, 4, "photos")))
				_, err := w.asks(first, time.Minute)
				require.ErrorAs(t, err, new(*FaultError))
				require.ErrorIs(t, <-ended, errReset)
				require.True(t, w.state(first).Down(time.Now()))
				require.Zero(t, w.state(first).Lost, "it was us who ended the stream")

				reply, err := w.asks(second, time.Minute)
				require.NoError(t, err)
				require.Len(t, reply.Rows, 1)
			})
		})
	}
}

func TestATrackerThatGoesOnLyingIsDownForLonger(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, func(c *conversation) {
			lies["an answer of another kind"](c, idOf(c.next()))
			silent(c)
		})
		for range 12 {
			_, err := w.asks(first, time.Minute)
			require.ErrorAs(t, err, new(*FaultError))
			time.Sleep(time.Until(w.state(first).DownUntil))
		}
		_, err := w.asks(first, time.Minute)
		require.Error(t, err)
		require.Greater(t, time.Until(w.state(first).DownUntil), maxPause/2)
	})
}

func TestAnAnswerIsTakenOnce(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, func(c *conversation) {
			m := c.next()
			c.answer(m)
			c.answer(m)
			silent(c)
		})
		_, err := w.asks(first, time.Minute)
		require.NoError(t, err)
		synctest.Wait()
		require.True(t, w.state(first).Down(time.Now()))
	})
}

func TestTheReceiptOfATouchIsAboutItsRows(t *testing.T) {
	rows := []wire.Touched{{Namespace: "a", Sequence: 1}, {Namespace: "b", Sequence: 2}}
	for name, refusals := range map[string][]wire.Refusal{
		"behind the last":  {{Code: wire.CodeRate, Item: 2}},
		"more than theirs": {{Code: wire.CodeRate}, {Code: wire.CodeRate}, {Code: wire.CodeRate}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, w *world) {
				w.runs(first, func(c *conversation) {
					c.say(&wire.Receipt{ID: idOf(c.next()), Refusals: refusals})
					silent(c)
				})
				_, err := w.Touch(context.Background(), first, rows)
				require.ErrorAs(t, err, new(*FaultError))
				require.True(t, w.state(first).Down(time.Now()))
			})
		})
	}
}

func TestARefusalHasNoRows(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		refusal := &wire.Refusal{Code: wire.CodeRate, RetryAfter: time.Second}
		w.runs(first, func(c *conversation) {
			c.say(&wire.Reply{ID: idOf(c.next()), Refusal: refusal, Rows: []wire.Row{rowOf(t, 4, "photos")}})
			silent(c)
		})
		reply, err := w.asks(first, time.Minute)
		require.NoError(t, err)
		require.Equal(t, refusal, reply.Refusal)
		require.Empty(t, reply.Rows)
	})
}

func TestKindsOfANewerVersionArePassedOver(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		w.runs(first, func(c *conversation) {
			for range 100 {
				c.raw(unknownKind)
			}
			honest()(c)
		})
		w.requireUp(first)
		require.Equal(t, 1, w.dialsTo(first))
	})
}

// TestWhateverATrackerDoesEveryCallEnds lets a tracker answer in every way that
// there is, and then be honest.
func TestWhateverATrackerDoesEveryCallEnds(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		for seed := range uint64(100) {
			chance := rand.New(rand.NewPCG(seed, 0))
			var mu sync.Mutex
			w.runs(first, func(c *conversation) {
				for m := c.next(); m != nil; m = c.next() {
					mu.Lock()
					deed := chance.IntN(deeds)
					mu.Unlock()
					if !c.does(deed, m) {
						return
					}
				}
			})
			start := time.Now()
			var calls sync.WaitGroup
			for kind := range 8 {
				calls.Go(func() {
					for range 3 {
						w.anything(kind)
						time.Sleep(time.Second)
					}
				})
			}
			calls.Wait()
			require.LessOrEqual(t, time.Since(start), 3*11*time.Second, "seed %d", seed)
			w.runs(first, honest())
			time.Sleep(2 * maxPause)
			w.requireUp(first)
		}
	})
}

const deeds = 10

// does is one deed of a tracker. It reports whether the stream goes on.
func (c *conversation) does(deed int, m wire.Message) bool {
	switch deed {
	default:
		c.answer(m)
	case 1:
		c.answer(m)
		c.answer(m)
	case 2:
		c.say(&wire.Trackers{ID: idOf(m)})
	case 3: // nothing
	case 4:
		c.say(&wire.Notify{ID: idOf(m), More: true})
	case 5:
		c.raw(unknownKind)
	case 6:
		c.raw(bytes.Repeat([]byte{0xff}, 16))
	case 7:
		return false
	case 8:
		c.conn.Reset()
	case 9:
		time.Sleep(3 * time.Second)
		c.answer(m)
	}
	return true
}

// anything makes a call of some kind, which has ten seconds.
func (w *world) anything(kind int) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	switch kind % 4 {
	case 0:
		_, _ = w.Query(ctx, first, photos)
	case 1:
		_, _ = w.Announce(ctx, first, recordOf(w.t, 1, "photos").Bytes())
	case 2:
		_ = w.Subscribe(ctx, first, photos.About, func(wire.Notify) {})
	case 3:
		_, _ = w.Touch(ctx, first, []wire.Touched{{Namespace: "photos", Sequence: 1}})
	}
}

func TestATrackerThatReadsNothingHoldsNobodyUp(t *testing.T) {
	play(t, func(t *testing.T, w *world) {
		over := make(chan struct{})
		w.runs(first, func(*conversation) { <-over })
		var calls sync.WaitGroup
		for range 4 * atOnce {
			calls.Go(func() {
				_, err := w.asks(first, time.Second)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			})
		}
		start := time.Now()
		calls.Wait()
		require.Equal(t, time.Second, time.Since(start))
		require.True(t, w.state(first).Down(time.Now()))
		close(over)
	})
}
