package tracker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// issued shifts the time at which a record was signed.
func issued(by time.Duration) func(*record.Record) {
	return func(r *record.Record) { r.Issued = r.Issued.Add(by) }
}

// spoilt is a record with another signature.
func (c *client) spoilt(namespace string) []byte {
	b := append([]byte(nil), c.signed(namespace).Bytes()...)
	b[len(b)-1] ^= 1
	return b
}

func (c *client) trackers(known uint64) *wire.Refusal {
	c.t.Helper()
	c.send(&wire.GetTrackers{ID: 1, Known: known})
	return c.next().(*wire.Trackers).Refusal
}

func (c *client) subscription(namespace string) []wire.Refusal {
	c.t.Helper()
	id := c.number()
	c.send(&wire.Subscribe{ID: id, About: about(namespace)})
	return c.refusals(id)
}

// refusal is how to come by one.
type refusal struct {
	name    string
	code    wire.Code
	limits  Limits
	provoke func(t *testing.T, s *service, alice *client) []wire.Refusal
}

var refused = []refusal{
	{"a record that is none", wire.CodeInvalid, Limits{}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		return alice.tell([]byte("nonsense"))
	}},
	{"the number of another subscription", wire.CodeInvalid, Limits{}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		id := alice.subscribes(about("a"))
		alice.send(&wire.Subscribe{ID: id, About: about("b")})
		return alice.refusals(id)
	}},
	{"a record of another", wire.CodeSender, Limits{}, func(_ *testing.T, s *service, alice *client) []wire.Refusal {
		return alice.tell(s.connect(2).signed("a").Bytes())
	}},
	{"another signature", wire.CodeSignature, Limits{}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		return alice.tell(alice.spoilt("a"))
	}},
	{"a withdrawal with another signature", wire.CodeSignature, Limits{}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		alice.announces("a")
		b := append([]byte(nil), alice.signed("a", withdrawn).Bytes()...)
		b[len(b)-1] ^= 1
		return alice.tell(b)
	}},
	{"a record of the future", wire.CodeSkew, Limits{}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		return alice.tell(alice.signed("a", issued(11*time.Minute)).Bytes())
	}},
	{"a record of the past", wire.CodeSkew, Limits{}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		return alice.tell(alice.signed("a", issued(-11*time.Minute)).Bytes())
	}},
	{"the same again", wire.CodeSequence, Limits{}, func(t *testing.T, _ *service, alice *client) []wire.Refusal {
		a := alice.announces("a")
		said := alice.tell(a.Bytes())
		require.Equal(t, a.Record().Sequence, said[0].Stored)
		return said
	}},
	{"an older record after a withdrawal", wire.CodeSequence, Limits{}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		a := alice.announces("a")
		alice.announces("a", withdrawn)
		return alice.tell(a.Bytes())
	}},
	{"a sequence that nothing can follow", wire.CodeSequence, Limits{}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		return alice.tell(alice.signed("a", func(r *record.Record) { r.Sequence = 1 << 63 }).Bytes())
	}},
	{"a touch of what is not there", wire.CodeUnknownRow, Limits{}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		return alice.touches(alice.signed("a"))
	}},
	{"one namespace too many", wire.CodeQuota, Limits{Namespaces: 1}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		alice.announces("a")
		return alice.tell(alice.signed("b").Bytes())
	}},
	{"more than a peer may", wire.CodeRate, Limits{PeerRate: Rate{Announces: 0.02, Queries: 1, Bytes: 1e6}}, func(t *testing.T, _ *service, alice *client) []wire.Refusal {
		alice.announces("a")
		said := alice.tell(alice.signed("b").Bytes())
		require.InDelta(t, 40, said[0].RetryAfter.Seconds(), 1)
		return said
	}},
	{"more queries than a peer may", wire.CodeRate, Limits{PeerRate: Rate{Announces: 1, Queries: 0.02, Bytes: 1e6}}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		alice.asks(about("a"))
		return []wire.Refusal{*alice.asks(about("a")).Refusal}
	}},
	{"more subscriptions than a peer may", wire.CodeRate, Limits{PeerRate: Rate{Announces: 1, Queries: 0.02, Bytes: 1e6}}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		alice.subscribes(about("a"))
		return alice.subscription("b")
	}},
	{"more touches than a peer may", wire.CodeRate, Limits{PeerRate: Rate{Announces: 0.02, Queries: 1, Bytes: 1e6}}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		a := alice.announces("a")
		return alice.touches(a)
	}},
	{"records of which nothing is right, more than a peer may", wire.CodeRate, Limits{PeerRate: Rate{Announces: 0.02, Queries: 1, Bytes: 1e6}}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		alice.tell([]byte("nonsense"))
		return alice.tell([]byte("nonsense"))
	}},
	{"more bytes than a peer may", wire.CodeRate, Limits{PeerRate: Rate{Announces: 1e6, Queries: 1e6, Bytes: 3}}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		alice.tell(alice.signed("a").Bytes())
		return alice.tell(alice.signed("b").Bytes())
	}},
	{"more than a prefix may", wire.CodeRate, Limits{PeerRate: free, PrefixRate: Rate{Announces: 0.02, Queries: 1, Bytes: 1e6}}, func(_ *testing.T, s *service, alice *client) []wire.Refusal {
		alice.announces("a")
		bob := s.connectFrom(2, alice.where)
		return bob.tell(bob.signed("a").Bytes())
	}},
	{"a namespace without room", wire.CodeFull, Limits{NamespaceBytes: 500}, func(_ *testing.T, s *service, alice *client) []wire.Refusal {
		s.connect(2).announces("a")
		return alice.tell(alice.signed("a").Bytes())
	}},
	{"one subscription too many", wire.CodeSubscriptions, Limits{}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		for range wire.MaxSubscriptions {
			alice.subscribes(about("a"))
		}
		return alice.subscription("b")
	}},
	{"a list that there is not", wire.CodeNotServed, Limits{}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		return []wire.Refusal{*alice.trackers(0)}
	}},
	{"a subscription to roles that are not kept", wire.CodeNotServed, Limits{}, func(_ *testing.T, _ *service, alice *client) []wire.Refusal {
		alice.send(&wire.Subscribe{ID: 1, About: wire.About{Namespace: "a", Roles: 1 << 40}})
		return alice.refusals(1)
	}},
	{"a subscription among too many", wire.CodeUnavailable, Limits{TableBytes: 1 << 20, PeerRate: free, PrefixRate: free}, func(_ *testing.T, s *service, _ *client) []wire.Refusal {
		for n := 2; ; n++ {
			c := s.connect(n)
			for _, namespace := range []string{"a", "b", "c", "d"} {
				if said := c.subscription(namespace + c.where); len(said) > 0 {
					return said
				}
			}
		}
	}},
}

func TestEveryRefusalHasItsCode(t *testing.T) {
	seen := map[wire.Code]bool{wire.CodeOther: true, wire.CodeUnavailable: true}
	for _, r := range refused {
		seen[r.code] = true
		t.Run(r.name, func(t *testing.T) {
			if r.limits.TableBytes == 0 {
				r.limits.TableBytes = 8 << 20
			}
			serve(t, Config{Limits: r.limits, Seed: 1}, func(t *testing.T, s *service) {
				said := r.provoke(t, s, s.connect(1))
				require.Len(t, said, 1)
				require.Equal(t, r.code, said[0].Code, said[0].Code.String())
				require.Len(t, s.connect(99).asks(about("none")).Rows, 0, "others go on")
			})
		})
	}
	require.Len(t, seen, wire.NumCodes)
}

// A wrong signature costs what an announcement costs, and once.
func TestSignaturesAreVerifiedNoMoreOftenThanAPeerMayAnnounce(t *testing.T) {
	limits := Limits{TableBytes: 8 << 20, PeerRate: Rate{Announces: 0.1, Queries: 1, Bytes: 1e6}}
	serve(t, Config{Limits: limits, Seed: 1}, func(t *testing.T, s *service) {
		alice := s.connect(1)
		codes := map[wire.Code]int{}
		for range 10 {
			codes[alice.tell(alice.spoilt("a"))[0].Code]++
		}
		require.Equal(t, map[wire.Code]int{wire.CodeSignature: 6, wire.CodeRate: 4}, codes)
		require.EqualValues(t, 6, s.stat().Records[record.FaultSignature])
	})
}

func TestAListIsNotAvailableWhileManyLongFramesAreBeingWritten(t *testing.T) {
	list, err := record.SignTrackers(keyOf(7), record.Trackers{Sequence: 5, Issued: time.Now()})
	require.NoError(t, err)
	cfg := generous()
	cfg.List = list.Bytes()
	serve(t, cfg, func(t *testing.T, s *service) {
		alice := s.connect(1)
		require.Nil(t, alice.trackers(0))
		synctest.Wait()
		for range longFrames {
			require.True(t, s.tracker.mayWriteLong())
		}
		require.Equal(t, wire.CodeUnavailable, alice.trackers(0).Code)
		require.Nil(t, alice.trackers(5), "what it has already is no long answer")
	})
}

func TestARequestAgainstTheRulesOfFormIsRefusedAndTheStreamGoesOn(t *testing.T) {
	requests := map[wire.Kind]wire.Message{
		wire.KindAnnounce:    &wire.Receipt{ID: 7, Refusals: []wire.Refusal{{Code: wire.CodeInvalid}}},
		wire.KindTouch:       &wire.Receipt{ID: 7, Refusals: []wire.Refusal{{Code: wire.CodeInvalid}}},
		wire.KindSubscribe:   &wire.Receipt{ID: 7, Refusals: []wire.Refusal{{Code: wire.CodeInvalid}}},
		wire.KindQuery:       &wire.Reply{ID: 7, Refusal: &wire.Refusal{Code: wire.CodeInvalid}},
		wire.KindGetTrackers: &wire.Trackers{ID: 7, Refusal: &wire.Refusal{Code: wire.CodeInvalid}},
	}
	for kind, want := range requests {
		t.Run(kind.String(), func(t *testing.T) {
			serve(t, generous(), func(t *testing.T, s *service) {
				alice := s.connect(1)
				// The number, and behind it a group, which is nowhere right.
				alice.raw([]byte{6, byte(kind)<<3 | 2, 4, 0x08, 7, 0x7b, 0x7c})
				require.Equal(t, want, alice.next())
				require.Empty(t, alice.finds(about("a")))
				require.EqualValues(t, 1, s.stat().Faults[wire.FaultEncoding])
			})
		})
	}
}
