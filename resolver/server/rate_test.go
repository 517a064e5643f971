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

// A refusal costs work, too: what is refused or malformed counts towards the rate.
func TestWhatIsRefusedCountsTowardsTheRate(t *testing.T) {
	for name, k := range map[string]string{"denied": "k001", "malformed": "k"} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Denies: func(peer.ID) bool { return name == "denied" }, Limits: Limits{PeerRate: 4}}
			serve(t, cfg, func(t *testing.T, s *service) {
				c, began := s.connect(1), time.Now()
				for range 12 {
					c.get(k)
				}
				require.Positive(t, s.stat().Outcomes[OutcomeRate])
				require.GreaterOrEqual(t, time.Since(began), time.Second)
			})
		})
	}
}

// One request for a part has all of a value produced and hashed. So it counts as what all
// its parts would, up to a share of the rate that leaves enough to ask for them.
func TestAValueOfSeveralPartsCountsAsThatMany(t *testing.T) {
	serve(t, Config{Limits: Limits{PeerRate: 32}}, func(t *testing.T, s *service) {
		c, began := s.connect(1), time.Now()
		const values = 30
		for n := range values {
			for i := 0; ; i++ {
				if _, busy := c.get(fmt.Sprintf("L%03d", n)).(*wire.Failure); !busy {
					break
				}
			}
		}
		least := float64(values*3-32-3) / 32
		require.GreaterOrEqual(t, time.Since(began).Seconds(), least)
		s.connect(2).requireValue("v001", "value of v001")
		huge := s.connect(3)
		require.Len(t, huge.gather("L001"), len(large)+4, "its parts may be asked for at once")
		require.Equal(t, 4, charged(32, 1<<30))
	})
}

// charged is what a value of the size costs its asker beside the request.
func charged(rate float64, size int) int {
	s := newState(time.Time{}, Limits{PeerRate: rate}.WithDefaults(), keySize)
	c := &client{bucket: bucket(time.Time{}, rate)}
	s.charge(c, value{parts: wire.Parts{Size: size}})
	return int(rate) - c.bucket.Room(time.Time{})
}

// Who asks for parts of a list that a value has not got does not have it produced for
// each of them.
func TestAListThatIsNoneIsAnsweredFromWhatIsKept(t *testing.T) {
	var calls atomic.Int32
	counted := func(ctx context.Context, key string) ([]byte, error) {
		calls.Add(1)
		return produce(ctx, key)
	}
	serve(t, Config{Produce: counted}, func(t *testing.T, s *service) {
		c := s.connect(1)
		for n := range 20 {
			requireCode(t, c.part("L001", 1, wire.List{byte(n), 1}), wire.CodeChanged)
		}
		require.EqualValues(t, 1, calls.Load())
		require.Equal(t, string(append(bytes.Clone(large), "L001"...)), string(c.gather("L001")), "who begins again has it produced")
		require.EqualValues(t, 2, calls.Load())
	})
}

func TestWhoAsksTooMuchIsAnsweredBusyAndReadAgain(t *testing.T) {
	serve(t, Config{Limits: Limits{PeerRate: 4}}, func(t *testing.T, s *service) {
		c, began := s.connect(1), time.Now()
		busy := 0
		for n := range 20 {
			if _, failed := c.get(key("v", n)).(*wire.Failure); failed {
				busy++
			}
		}
		took := time.Since(began)
		require.EqualValues(t, busy, s.stat().Outcomes[OutcomeRate])
		require.InDelta(t, 4+4*took.Seconds(), 20-busy, 1)
		require.GreaterOrEqual(t, took, time.Duration(busy-1)*pauseTime)
		s.connect(2).requireValue("v001", "value of v001")
	})
}

// A new stream is no way around a rate.
func TestARateIsRememberedForAWhile(t *testing.T) {
	serve(t, Config{Limits: Limits{PeerRate: 2}}, func(t *testing.T, s *service) {
		for n := range 4 {
			c := s.connect(1)
			if n < 2 {
				c.requireValue("v001", "value of v001")
			} else {
				c.requireFailure("v001", wire.CodeBusy)
			}
			c.vanish()
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		s.connect(1).requireValue("v001", "value of v001")
	})
}
