package server

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/resolver/wire"
)

func TestAValueIsServedToWhoAsks(t *testing.T) {
	serve(t, Config{}, func(t *testing.T, s *service) {
		c := s.connect(1)
		c.requireValue("v001", "value of v001")
		c.requireFailure("n001", wire.CodeNone)
		require.NoError(t, c.up.Close())
		require.NoError(t, c.ended())
		stat := s.stat()
		require.EqualValues(t, 1, stat.Outcomes[OutcomeValue])
		require.EqualValues(t, 1, stat.Outcomes[OutcomeNone])
		require.Zero(t, stat.Streams)
	})
}

func TestAFaultOfTheProducerIsNotAnAbsence(t *testing.T) {
	var panics int
	serve(t, Config{Panicked: func(error) { panics++ }}, func(t *testing.T, s *service) {
		c := s.connect(1)
		c.requireFailure("b001", wire.CodeBusy)
		c.requireFailure("p001", wire.CodeBusy)
		c.requireFailure("X001", wire.CodeNone)
		c.requireValue("v001", "value of v001")
		stat := s.stat()
		require.EqualValues(t, 2, stat.Outcomes[OutcomeFailed])
		require.EqualValues(t, 1, stat.Oversize)
		require.Equal(t, 1, panics)
	})
}

func TestASlowValueHoldsUpNoOther(t *testing.T) {
	serve(t, Config{}, func(t *testing.T, s *service) {
		c := s.connect(1)
		slow := c.ask("s001")
		c.requireValue("v001", "value of v001")
		m := c.next()
		require.Equal(t, slow, m.Number())
		require.Equal(t, "slow s001", string(m.(*wire.Response).Data))
	})
}

func TestAProducerThatTakesTooLongIsAnsweredFor(t *testing.T) {
	serve(t, Config{}, func(t *testing.T, s *service) {
		began := time.Now()
		s.connect(1).requireFailure("d001", wire.CodeBusy)
		require.Equal(t, 5*time.Second, time.Since(began))
		require.EqualValues(t, 1, s.stat().Outcomes[OutcomeLate])
		require.Zero(t, s.stat().Producing)
	})
}

// A Producer that never returns occupies what it was given until it is given up, and
// other keys are served.
func TestAProducerThatIsStuckIsLeftBehind(t *testing.T) {
	var release chan struct{}
	stuck := func(ctx context.Context, key string) ([]byte, error) {
		if key[0] == 'z' {
			<-release
		}
		return produce(ctx, key)
	}
	serve(t, Config{Produce: stuck, Limits: Limits{Producing: 2, PeerProducing: 2}}, func(t *testing.T, s *service) {
		release = make(chan struct{})
		defer close(release)
		c := s.connect(1)
		c.ask("z001")
		c.ask("z002")
		requireCode(t, c.next(), wire.CodeBusy)
		requireCode(t, c.next(), wire.CodeBusy)
		require.Equal(t, 2, s.stat().Producing, "their places are not free yet")
		time.Sleep(5*time.Second + time.Millisecond)
		require.Zero(t, s.stat().Producing)
		c.requireFailure("z001", wire.CodeBusy)
		c.requireFailure("v001", wire.CodeBusy) // As many are stuck as there may be.
		require.EqualValues(t, 2, s.stat().Outcomes[OutcomeFailed])
	})
}

func TestALargeValueComesInPartsAndIsProducedOnce(t *testing.T) {
	var calls atomic.Int32
	counted := func(ctx context.Context, key string) ([]byte, error) {
		calls.Add(1)
		return produce(ctx, key)
	}
	serve(t, Config{Produce: counted}, func(t *testing.T, s *service) {
		want := append(bytes.Clone(large), "L001"...)
		require.True(t, bytes.Equal(want, s.connect(1).gather("L001")))
		synctest.Wait()
		require.EqualValues(t, 1, calls.Load())
		require.EqualValues(t, 2, s.stat().Hits)
		require.Equal(t, len(want), s.stat().Kept)
		time.Sleep(31 * time.Second)
		require.Zero(t, s.stat().Kept, "nobody has asked for a part for half a minute")
	})
}

func TestPartsOfAValueThatIsNotKeptAreProducedAgain(t *testing.T) {
	serve(t, Config{}, func(t *testing.T, s *service) {
		c := s.connect(1)
		l := wire.Split(append(bytes.Clone(large), "L001"...)).List()
		m := c.part("L001", 2, l)
		require.True(t, bytes.HasSuffix(m.(*wire.Response).Data, []byte("L001")))
		requireCode(t, c.part("L001", 3, l), wire.CodeMalformed)
		requireCode(t, c.part("L002", 0, l), wire.CodeChanged)
		requireCode(t, c.part("v001", 0, l), wire.CodeChanged)
		require.IsType(t, &wire.Response{}, c.part("L001", 0, l))
	})
}

func TestAValueThatHasChangedIsNotMixedWithTheOneBefore(t *testing.T) {
	version := byte(1)
	changing := func(context.Context, string) ([]byte, error) {
		return bytes.Repeat([]byte{version}, 2*wire.PartSize), nil
	}
	serve(t, Config{Produce: changing}, func(t *testing.T, s *service) {
		alice, bob := s.connect(1), s.connect(2)
		first := alice.get("k001").(*wire.Response)
		version = 2
		require.EqualValues(t, 1, alice.part("k001", 1, first.Parts.List()).(*wire.Response).Data[0], "it is kept for who has begun")
		require.EqualValues(t, 2, bob.get("k001").(*wire.Response).Data[0], "who asks for the value gets the one of now")
		requireCode(t, alice.part("k001", 1, first.Parts.List()), wire.CodeChanged)
	})
}

func TestWhatIsBeingProducedIsWaitedForByAllWhoAsk(t *testing.T) {
	var calls atomic.Int32
	counted := func(ctx context.Context, key string) ([]byte, error) {
		calls.Add(1)
		return produce(ctx, key)
	}
	serve(t, Config{Produce: counted}, func(t *testing.T, s *service) {
		var clients []*asker
		for n := range 20 {
			c := s.connect(n)
			c.ask("s001")
			clients = append(clients, c)
		}
		clients[0].vanish() // Whose call it was.
		for _, c := range clients[1:] {
			require.Equal(t, "slow s001", string(c.next().(*wire.Response).Data))
		}
		require.EqualValues(t, 1, calls.Load())
		require.EqualValues(t, 19, s.stat().Merged)
		require.EqualValues(t, 1, s.stat().Outcomes[OutcomeGone])
	})
}

func TestAPeerThatLeavesTakesItsRequestsAlong(t *testing.T) {
	var cancelled atomic.Int32
	noted := func(ctx context.Context, key string) ([]byte, error) {
		<-ctx.Done()
		cancelled.Add(1)
		return nil, ctx.Err()
	}
	serve(t, Config{Produce: noted}, func(t *testing.T, s *service) {
		c := s.connect(1)
		for n := range 10 {
			c.ask(key("k", n))
		}
		require.Equal(t, 4, s.stat().Producing)
		require.Equal(t, 6, s.stat().Waiting)
		c.vanish()
		stat := s.stat()
		require.Zero(t, stat.Producing+stat.Waiting+stat.Peers)
		require.EqualValues(t, 10, stat.Outcomes[OutcomeGone])
		require.EqualValues(t, 4, cancelled.Load())
	})
}

func TestAPeerThatMayHaveNothingIsRefused(t *testing.T) {
	denied := true
	cfg := Config{
		Denies:  func(p peer.ID) bool { return denied && p == "peer1" },
		Produce: func(_ context.Context, key string) ([]byte, error) { return []byte(key), nil },
	}
	serve(t, cfg, func(t *testing.T, s *service) {
		c := s.connect(1)
		c.requireFailure("k001", wire.CodeRefused)
		s.connect(2).requireValue("k001", "k001")
		denied = false // The rules have changed, and hold for the stream that is there.
		c.requireValue("k001", "k001")
		require.EqualValues(t, 1, s.stat().Outcomes[OutcomeRefused])
	})
}

func TestTheRateOfAllIsSharedInTurns(t *testing.T) {
	serve(t, Config{Limits: Limits{Rate: 10, WaitTime: time.Minute}}, func(t *testing.T, s *service) {
		greedy := s.connect(1)
		for n := range 100 {
			greedy.ask(key("v", n))
			if n < 10 {
				greedy.next()
			}
		}
		began := time.Now()
		s.connect(2).requireValue("v001", "value of v001")
		require.LessOrEqual(t, time.Since(began), 300*time.Millisecond, "its turn comes after one of the other's")
	})
}

func TestRequestsThatWaitTooLongAreAnsweredBusy(t *testing.T) {
	serve(t, Config{Limits: Limits{Producing: 1, PeerWaiting: 3, ProduceTime: time.Minute}}, func(t *testing.T, s *service) {
		c := s.connect(1)
		c.ask("d000")
		for n := range 5 {
			c.ask(key("v", n))
		}
		for range 2 {
			requireCode(t, c.next(), wire.CodeBusy)
		}
		require.EqualValues(t, 2, s.stat().Outcomes[OutcomeFull])
		began := time.Now()
		for range 3 {
			requireCode(t, c.next(), wire.CodeBusy)
		}
		require.Equal(t, 3*time.Second, time.Since(began))
		require.EqualValues(t, 3, s.stat().Outcomes[OutcomeLate])
	})
}

func TestWhoHasNothingWaitingFindsRoomWhenOthersHaveTakenAll(t *testing.T) {
	limits := Limits{Producing: 1, Waiting: 4, WaitTime: time.Minute, ProduceTime: 2 * time.Second}
	serve(t, Config{Limits: limits}, func(t *testing.T, s *service) {
		greedy := s.connect(1)
		greedy.ask("s000")
		for n := range 4 {
			greedy.ask(key("v", n))
		}
		synctest.Wait()
		modest := s.connect(2)
		began := time.Now()
		modest.requireValue("v001", "value of v001")
		require.LessOrEqual(t, time.Since(began), time.Second)
		require.Zero(t, s.stat().Outcomes[OutcomeFull])
	})
}

func TestPeersTakeTurns(t *testing.T) {
	var order []string
	noted := func(ctx context.Context, key string) ([]byte, error) {
		order = append(order, key[:2])
		return produce(ctx, "s"+key)
	}
	serve(t, Config{Produce: noted, Limits: Limits{Producing: 1, WaitTime: time.Minute}}, func(t *testing.T, s *service) {
		for n := range 3 {
			c := s.connect(n)
			for i := range 5 {
				c.ask(fmt.Sprintf("k%d%02d", n, i))
				synctest.Wait()
			}
			go func() {
				for range 5 {
					_, _ = c.in.Next()
				}
			}()
		}
		time.Sleep(16 * time.Second)
		synctest.Wait()
		require.Len(t, order, 15)
		for i := 1; i+3 < 12; i += 3 {
			require.ElementsMatch(t, []string{"k0", "k1", "k2"}, order[i:i+3])
		}
	})
}

func TestAStreamOnWhichNothingIsAskedEnds(t *testing.T) {
	serve(t, Config{Limits: Limits{ProduceTime: 3 * time.Minute}}, func(t *testing.T, s *service) {
		idle, waiting := s.connect(1), s.connect(2)
		waiting.ask("d001")
		began := time.Now()
		require.NoError(t, idle.ended())
		require.Equal(t, wire.Idle, time.Since(began))
		requireCode(t, waiting.next(), wire.CodeBusy) // After three minutes: what is owed is waited for.
		require.NoError(t, waiting.ended())
	})
}

func TestWhatWasAskedIsAnsweredAfterTheAskerHasEndedItsSide(t *testing.T) {
	serve(t, Config{}, func(t *testing.T, s *service) {
		c := s.connect(1)
		c.ask("s001")
		require.NoError(t, c.up.Close())
		require.Equal(t, "slow s001", string(c.next().(*wire.Response).Data))
		require.NoError(t, c.ended())
	})
}

func TestStreamsAboveTheLimitsAreRejected(t *testing.T) {
	serve(t, Config{Limits: Limits{Streams: 3, PeerStreams: 2}}, func(t *testing.T, s *service) {
		s.connect(1)
		first := s.connect(1)
		synctest.Wait()
		require.ErrorIs(t, s.connect(1).ended(), ErrStreams)
		s.connect(2)
		synctest.Wait()
		require.ErrorIs(t, s.connect(3).ended(), ErrStreams)
		first.vanish()
		synctest.Wait()
		s.connect(3).requireValue("v001", "value of v001")
		require.EqualValues(t, 2, s.stat().Rejected)
	})
}

func TestStopEndsStreamsAndCalls(t *testing.T) {
	serve(t, Config{}, func(t *testing.T, s *service) {
		c := s.connect(1)
		c.ask("d001")
		synctest.Wait()
		require.NoError(t, s.server.Stop(context.Background()))
		require.Error(t, c.ended())
		require.ErrorIs(t, s.connect(2).ended(), ErrClosed)
	})
}

func TestServedIsToldWhatBecameOfEachRequest(t *testing.T) {
	times := map[Outcome]time.Duration{}
	cfg := Config{Served: func(o Outcome, took time.Duration) { times[o] = took }}
	serve(t, cfg, func(t *testing.T, s *service) {
		c := s.connect(1)
		c.get("s001")
		c.get("n001")
		synctest.Wait()
		require.Equal(t, map[Outcome]time.Duration{OutcomeValue: time.Second, OutcomeNone: 0}, times)
	})
}

// Whoever asks for what was asked for by somebody who has gone, and is still being
// produced because the Producer does not stop, has it produced again.
func TestWhoAsksAfterSomebodyHasGoneIsServed(t *testing.T) {
	slow := func(_ context.Context, key string) ([]byte, error) {
		time.Sleep(time.Second)
		return []byte(key), nil
	}
	serve(t, Config{Produce: slow}, func(t *testing.T, s *service) {
		first := s.connect(1)
		first.ask("k001")
		synctest.Wait()
		first.vanish()
		synctest.Wait()
		s.connect(2).requireValue("k001", "k001")
	})
}

// What is here is served while all calls of the Producer are taken up.
func TestPartsThatAreKeptDoNotWaitForTheProducer(t *testing.T) {
	serve(t, Config{Limits: Limits{Producing: 1}}, func(t *testing.T, s *service) {
		c := s.connect(1)
		first := c.get("L001").(*wire.Response)
		other := s.connect(2)
		other.ask("d001")
		other.ask("d002")
		synctest.Wait()
		began := time.Now()
		require.True(t, first.Parts.Holds(1, c.part("L001", 1, first.Parts.List()).(*wire.Response).Data))
		require.Zero(t, time.Since(began))
	})
}
