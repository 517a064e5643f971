package tracker

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// framed is the bytes of a frame.
func framed(body []byte) []byte {
	return append(protowire.AppendVarint(nil, uint64(len(body))), body...)
}

// message is a frame with one message of a kind.
func message(kind wire.Kind, fields ...[]byte) []byte {
	var body []byte
	for _, f := range fields {
		body = append(body, f...)
	}
	return framed(protowire.AppendBytes(protowire.AppendTag(nil, protowire.Number(kind), protowire.BytesType), body))
}

func number(field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.VarintType), n)
}

func text(field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), s)
}

func TestAFrameAgainstTheRulesResetsItsStreamAndNoOther(t *testing.T) {
	for name, b := range map[string][]byte{
		"a length above the limit":     protowire.AppendVarint(nil, wire.MaxRequest+1),
		"a length of 63 bits":          protowire.AppendVarint(nil, math.MaxInt64),
		"a length that is not minimal": {0x81, 0x00},
		"a length without an end":      {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"a frame that is cut":          {100, 1, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			serve(t, generous(), func(t *testing.T, s *service) {
				alice, bob := s.connect(1), s.connect(2)
				bob.announces("photos")
				_, _ = alice.up.Write(b) // It may be refused before all of it is read.
				require.NoError(t, alice.up.Close())
				var frame *wire.FrameError
				require.ErrorAs(t, alice.ended(), &frame)
				stat := s.stat()
				require.EqualValues(t, 1, stat.Faults[wire.FaultLength]+stat.Faults[wire.FaultCut])
				require.Equal(t, 1, stat.Streams)
				require.Len(t, s.connect(3).finds(about("photos")), 1)
			})
		})
	}
}

func TestATTLOfAnyNumberIsWithinItsBounds(t *testing.T) {
	for ttl, want := range map[time.Duration]time.Duration{
		time.Second: time.Minute, time.Minute: time.Minute, 2 * time.Hour: 2 * time.Hour, math.MaxInt64: 2 * time.Hour,
	} {
		t.Run(fmt.Sprint(int64(ttl)), func(t *testing.T) {
			serve(t, generous(), func(t *testing.T, s *service) {
				s.connect(1).announces("photos", func(r *record.Record) { r.TTL = ttl })
				time.Sleep(want - 2*time.Second)
				require.Len(t, s.connect(2).finds(about("photos")), 1)
				time.Sleep(2 * time.Second)
				require.Empty(t, s.connect(2).finds(about("photos")))
			})
		})
	}
}

func TestAQueryForAnyNumberOfAnyNamespaceIsClampedOrRefusedAndKeepsNothing(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		for n := range 70 {
			s.connect(100 + n).announces("photos")
		}
		alice := s.connect(1)
		ask := func(namespace string, k uint64) *wire.Reply {
			alice.raw(message(wire.KindQuery, number(1, 5), text(2, namespace), number(6, k)))
			return alice.next().(*wire.Reply)
		}
		for k, want := range map[uint64]int{0: 0, 1: 1, 64: 64, 65: 64, 1 << 31: 64, math.MaxUint64: 64} {
			require.Len(t, ask("photos", k).Rows, want, k)
		}
		require.Equal(t, &wire.Reply{ID: 5}, ask("unknown", 8))
		for _, namespace := range []string{"", string(make([]byte, 129)), "a\x00b", "\xff"} {
			require.Equal(t, wire.CodeInvalid, ask(namespace, 8).Refusal.Code)
		}
		require.Equal(t, 1, s.stat().Table.Namespaces)
		require.EqualValues(t, 4, s.stat().Faults[wire.FaultNamespace])
	})
}

func TestARecordWithTooManyAddressesIsRefused(t *testing.T) {
	serve(t, generous(), func(t *testing.T, s *service) {
		alice := s.connect(1)
		r := alice.signed("photos")
		for name, extra := range map[string][]byte{
			"ten thousand addresses": addresses(10_000),
			"seventeen":              addresses(17),
		} {
			body := append(append([]byte(nil), r.Bytes()...), extra...)
			alice.raw(message(wire.KindAnnounce, number(1, 5), text(2, string(body))))
			require.Equal(t, wire.CodeInvalid, alice.refusals(5)[0].Code, name)
		}
		require.Zero(t, s.stat().Table.Rows)
	})
}

// addresses are a payload that takes the place of the one before it.
func addresses(n int) []byte {
	var payload []byte
	for range n {
		payload = append(payload, 11<<3|2, 0)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), payload)
}

func TestOnePeerThatAnnouncesWithoutEndIsHeldByItsQuotaAndItsRate(t *testing.T) {
	cfg := Config{Limits: Limits{TableBytes: 8 << 20}, Seed: 1}
	serve(t, cfg, func(t *testing.T, s *service) {
		alice := s.connect(1)
		codes := map[wire.Code]int{}
		for n := range 200 {
			said := alice.tell(alice.signed(fmt.Sprint("flood", n)).Bytes())
			if len(said) > 0 {
				codes[said[0].Code]++
			}
		}
		require.NotZero(t, codes[wire.CodeQuota])
		require.NotZero(t, codes[wire.CodeRate])
		require.Equal(t, 64, s.stat().Table.Rows)
		s.connect(2).announces("photos")
	})
}

// A peer that is refused for its rate is read no faster than it may speak.
func TestWhoAsksTooMuchIsNotReadForAWhile(t *testing.T) {
	cfg := Config{Limits: Limits{TableBytes: 8 << 20, PeerRate: Rate{Announces: 1, Queries: 1, Bytes: 1e6}}, Seed: 1}
	serve(t, cfg, func(t *testing.T, s *service) {
		alice := s.connect(1)
		began := time.Now()
		for range 160 {
			alice.asks(about("a"))
		}
		require.InDelta(t, 50, time.Since(began).Seconds(), 3, "a minute's worth at once, then one a second and its refusal")
	})
}

func TestAStreamOfNothingButFaultsIsReset(t *testing.T) {
	cfg := Config{Limits: Limits{TableBytes: 8 << 20}, Seed: 1}
	for name, b := range map[string][]byte{
		"empty frames":             {0},
		"messages of another side": message(wire.KindReply, number(1, 1)),
		"messages of a newer kind": {2, 15<<3 | 2, 0},
		"records of nothing, long": framed(make([]byte, 2000)),
	} {
		t.Run(name, func(t *testing.T) {
			serve(t, cfg, func(t *testing.T, s *service) {
				alice := s.connect(1)
				n := 0
				for ; n < 10_000; n++ {
					if _, err := alice.up.Write(b); err != nil {
						break
					}
				}
				require.ErrorIs(t, alice.ended(), ErrFlood)
				require.InDelta(t, 600, n, 10, "a minute's worth of queries")
				s.connect(2).announces("photos")
			})
		})
	}
}

func TestUnsubscribingFromNothingCostsToo(t *testing.T) {
	cfg := Config{Limits: Limits{TableBytes: 8 << 20, PeerRate: Rate{Announces: 1, Queries: 1, Bytes: 1e6}}, Seed: 1}
	serve(t, cfg, func(t *testing.T, s *service) {
		alice := s.connect(1)
		began := time.Now()
		for range 400 {
			alice.send(&wire.Unsubscribe{ID: 9})
		}
		synctest.Wait()
		require.Greater(t, time.Since(began), 15*time.Second)
	})
}

func TestManyPeersOfOneNamespaceLeaveRoomForOthers(t *testing.T) {
	cfg := generous()
	cfg.Limits.NamespaceBytes = 20_000
	serve(t, cfg, func(t *testing.T, s *service) {
		s.connect(1).announces("photos")
		crowd := 0
		for n := range 300 {
			c := s.connectFrom(100+n, fmt.Sprintf("/ip4/9.9.9.%d/tcp/1", n%250))
			if len(c.tell(c.signed("photos").Bytes())) == 0 {
				crowd++
			}
			require.NoError(t, c.hangUp())
		}
		require.Less(t, crowd, 100)
		require.Contains(t, s.connect(3).finds(about("photos")), idOf(1), "who was there before stays")
		s.connect(2).announces("other")
	})
}
