//go:build simulation

package resolving

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/resolver"
	"github.com/souk-p2p/souk/test/internal/tally"
)

// scene is a network, and a Consumer to whom what the network has is good.
type scene struct {
	*Net
	t        *testing.T
	consumes time.Duration
	values   map[resolver.Key]*Value
	asked    []resolver.Ask
	good     map[resolver.Key]time.Duration // when each value was found good
	bad      int
	failed   map[resolver.Key]error
	blocked  []peer.ID
	busy     int // values with the Consumer
	mostBusy int
}

func newScene(t *testing.T, seed uint64, l resolver.Limits) *scene {
	s := &scene{t: t, values: make(map[resolver.Key]*Value), good: make(map[resolver.Key]time.Duration), failed: make(map[resolver.Key]error)}
	l.Part = 64
	n, err := NewNet(seed, l, s)
	require.NoError(t, err)
	s.Net = n
	n.Jitter = 5 * time.Millisecond
	n.Values = func(k resolver.Key) *Value { return s.values[k] }
	n.Check = func() { require.NoError(t, n.Audit()) }
	tally.Add(t, tally.Scenarios, 1)
	return s
}

// with adds peers of the given natures, in order, which are members.
func (s *scene) with(natures ...Nature) *scene {
	for i, nature := range natures {
		s.Add(&Peer{ID: name(i), Nature: nature, Latency: 10 * time.Millisecond, Service: time.Millisecond})
	}
	s.Everybody()
	return s
}

func name(i int) peer.ID { return peer.ID(fmt.Sprint("p", i)) }

// keys makes keys whose values have the given size.
func (s *scene) keys(n, size int) []resolver.Key {
	keys := make([]resolver.Key, n)
	for i := range keys {
		keys[i] = resolver.Key(fmt.Sprint("key ", len(s.values)))
		data := make([]byte, size)
		copy(data, keys[i])
		s.values[keys[i]] = NewValue(data, s.Limits.Part)
	}
	return keys
}

func (s *scene) plain(keys ...resolver.Key) {
	for _, k := range keys {
		s.Fetch(s.Now, resolver.Order{Key: k})
	}
}

func (s *scene) targeted(k resolver.Key, targets ...peer.ID) {
	s.Fetch(s.Now, resolver.Order{Key: k, Targeted: true, Targets: targets})
}

// complete runs until all keys have their values, and returns how long that took.
func (s *scene) complete(within time.Duration, keys ...resolver.Key) time.Duration {
	s.t.Helper()
	begun := s.Now
	all := func() bool {
		return !slices.ContainsFunc(keys, func(k resolver.Key) bool { _, had := s.good[k]; return !had })
	}
	require.True(s.t, s.Until(within, all), "%d of %d keys were had within %s", len(s.good), len(keys), within)
	return s.Now.Sub(begun)
}

// asksOf are the requests for a key.
func (s *scene) asksOf(k resolver.Key) (to []peer.ID) {
	for _, a := range s.asked {
		if a.Key == k {
			to = append(to, a.To)
		}
	}
	return to
}

func (s *scene) Ask(a resolver.Ask) {
	require.NotEqual(s.t, Self, a.To)
	require.NotContains(s.t, s.blocked, a.To)
	s.asked = append(s.asked, a)
	s.Send(a)
}

func (s *scene) Judge(key resolver.Key, value []byte) {
	s.busy++
	s.mostBusy = max(s.mostBusy, s.busy)
	s.After(s.consumes, func() {
		s.busy--
		good := string(value) == string(s.values[key].Data)
		if good {
			s.good[key] = s.Now.Sub(Began)
		} else {
			s.bad++
		}
		s.Judged(s.Now, key, good)
	})
}

func (s *scene) Failed(key resolver.Key, why error)        { s.failed[key] = why }
func (s *scene) Reply(uint64, resolver.Key, []byte, error) {}
func (s *scene) Ended(time.Duration, error)                {}

func (s *scene) Blocked(p peer.ID, hard bool, _ time.Time) {
	if hard {
		s.blocked = append(s.blocked, p)
	}
}

func TestAValueIsFetched(t *testing.T) {
	for _, size := range []int{0, 1, 64, 65, 1000} {
		s := newScene(t, 1, resolver.Limits{}).with(Honest)
		k := s.keys(1, size)
		s.plain(k...)
		s.complete(time.Second, k...)
		require.Zero(t, s.Pending())
	}
}

func TestAPeerWithoutDataIsPassedOver(t *testing.T) {
	s := newScene(t, 1, resolver.Limits{}).with(Empty, Refusing, Busy, Honest)
	k := s.keys(20, 10)
	s.plain(k...)
	s.complete(time.Minute, k...)
	require.Empty(t, s.blocked)
}

func TestAFetchWaitsForTheFirstPeers(t *testing.T) {
	s := newScene(t, 1, resolver.Limits{})
	k := s.keys(3, 10)
	s.plain(k...)
	s.Run(time.Hour)
	require.Empty(t, s.asked, "there is nobody")
	require.True(t, s.Wake(s.Now).IsZero(), "nobody is woken for nothing")
	s.with(Honest)
	s.complete(time.Second, k...)
}

func TestManyKeysOfThreePeersWithHalfOfAllLost(t *testing.T) {
	for seed := range uint64(10) {
		s := newScene(t, seed, resolver.Limits{Timeout: time.Second}).with(Honest, Honest, Honest)
		s.Loss = 0.5
		k := s.keys(100, 100)
		s.plain(k...)
		s.complete(10*time.Minute, k...)
		require.Empty(t, s.blocked)
	}
}

func TestInvalidDataBlocksThePeerAndOthersAreAsked(t *testing.T) {
	for seed := range uint64(10) {
		s := newScene(t, seed, resolver.Limits{}).with(Liar, Honest)
		k := s.keys(20, 10)
		s.plain(k...)
		s.complete(time.Minute, k...)
		require.Equal(t, []peer.ID{name(0)}, s.blocked)
		require.Positive(t, s.bad)
	}
}

func TestADuplicateKeyIsAskedForOnce(t *testing.T) {
	s := newScene(t, 1, resolver.Limits{}).with(Honest, Honest)
	k := s.keys(1, 10)
	s.plain(k[0], k[0])
	s.Run(time.Millisecond)
	s.plain(k[0])
	s.complete(time.Second, k...)
	s.Run(time.Minute)
	require.Len(t, s.asked, 1)
}

func TestTheSetOfPeersChangesWhileFetching(t *testing.T) {
	s := newScene(t, 1, resolver.Limits{Timeout: time.Second}).with(Mute, Honest)
	k := s.keys(10, 10)
	s.Members(s.Now, []peer.ID{name(0)})
	s.plain(k...)
	s.Run(5 * time.Second)
	require.Empty(t, s.good)
	s.Members(s.Now, []peer.ID{name(1)})
	s.complete(3*time.Second, k...)
}

func TestOnlyTargetsAreAskedAndThereIsNoFallback(t *testing.T) {
	s := newScene(t, 1, resolver.Limits{}).with(Honest, Empty, Honest)
	k := s.keys(3, 10)
	s.targeted(k[0], name(0))
	s.targeted(k[1], name(1), Self)
	s.targeted(k[2], name(1), "absent")
	s.complete(time.Second, k[0])
	s.Run(10 * time.Second)
	require.Equal(t, []peer.ID{name(0)}, s.asksOf(k[0]))
	for _, key := range k[1:] {
		require.Greater(t, len(s.asksOf(key)), 10, "it goes on")
		require.Equal(t, []peer.ID{name(1)}, slices.Compact(s.asksOf(key)))
	}
	s.plain(k[1])
	s.targeted(k[2], name(2))
	s.complete(time.Minute, k...)
	require.Contains(t, s.asksOf(k[2]), name(2))
	require.NotContains(t, s.asksOf(k[2]), name(0))
}

func TestATargetedFetchDoesNotRestrictOneOfAll(t *testing.T) {
	s := newScene(t, 1, resolver.Limits{}).with(Empty, Honest)
	k := s.keys(1, 10)
	s.plain(k...)
	s.targeted(k[0], name(0))
	s.complete(time.Minute, k...)
}

func TestABlockedPeerLeavesTheTargets(t *testing.T) {
	s := newScene(t, 1, resolver.Limits{}).with(Liar, Honest, Honest)
	k := s.keys(2, 10)
	s.targeted(k[0], name(0))
	s.targeted(k[1], name(0), name(1))
	s.complete(time.Minute, k[1])
	s.Run(time.Hour)
	require.Equal(t, []peer.ID{name(0)}, s.blocked)
	require.NotContains(t, s.good, k[0], "it waits for new targets")
	require.Equal(t, []peer.ID{name(0)}, s.asksOf(k[0]))
	s.targeted(k[0], name(2))
	s.complete(time.Second, k[0])
}

func TestFetchesAreRetainedCancelledAndCleared(t *testing.T) {
	s := newScene(t, 1, resolver.Limits{}).with(Mute)
	k := s.keys(6, 10)
	s.plain(k...)
	s.Run(time.Second)
	s.Cancel(s.Now, k[0], "unknown")
	s.Retain(s.Now, func(key resolver.Key) bool { return key != k[1] })
	require.Equal(t, map[resolver.Key]error{k[0]: resolver.ErrCancelled, k[1]: resolver.ErrCancelled}, s.failed)
	require.Equal(t, 4, s.Pending())
	s.Clear(s.Now)
	require.Len(t, s.failed, len(k))
	s.ByOrder[0].Nature = Honest
	s.plain(k[0])
	s.complete(time.Minute, k[0])
	require.NotContains(t, s.good, k[1])
}

func TestARateLimitSpillsOverToTheNextPeer(t *testing.T) {
	s := newScene(t, 1, resolver.Limits{Rate: 1, Burst: 1}).with(Honest, Honest)
	k := s.keys(2, 10)
	s.plain(k...)
	require.Less(t, s.complete(time.Minute, k...), 500*time.Millisecond)
}

func TestARateLimitIsWaitedFor(t *testing.T) {
	s := newScene(t, 1, resolver.Limits{Rate: 1, Burst: 1}).with(Honest)
	k := s.keys(3, 10)
	s.plain(k...)
	took := s.complete(time.Minute, k...)
	require.Greater(t, took, 2*time.Second)
	require.Less(t, took, 2200*time.Millisecond)
}

func TestTheResolverNeverAsksItself(t *testing.T) {
	s := newScene(t, 1, resolver.Limits{}).with(Empty)
	s.Members(s.Now, []peer.ID{Self, name(0)})
	k := s.keys(1, 10)
	s.plain(k...)
	s.targeted(k[0], Self)
	s.Run(10 * time.Second) // Ask fails on that.
	require.NotEmpty(t, s.asked)
}

// A Consumer that takes a second: the verdict comes later, and meanwhile others are asked
// for, up to what may be undelivered.
func TestASlowConsumerHoldsUpNothing(t *testing.T) {
	s := newScene(t, 1, resolver.Limits{}).with(Honest)
	s.consumes = time.Second
	k := s.keys(50, 10)
	s.plain(k...)
	s.Run(900 * time.Millisecond)
	require.Len(t, s.asked, 2, "a peer that is new is not trusted with more before the first verdict")
	require.Less(t, s.complete(time.Minute, k...), 1500*time.Millisecond)
	require.Greater(t, s.mostBusy, 40)
}

// Peers that do what no peer should, each beside an honest one: every key is had, and what
// becomes of the peer is as it is written down.
func TestOddPeers(t *testing.T) {
	const neither, blocked, penalized = "neither", "blocked", "penalized"
	for nature, outcome := range map[Nature]string{
		Mute: neither, Empty: neither, Quitter: neither, Tempter: neither, Fickle: neither,
		Liar: blocked, Forger: blocked, Corrupt: blocked,
		Renumber: penalized, Impostor: penalized, Twice: penalized, Oversize: penalized, Malformed: penalized, Garbage: penalized,
	} {
		t.Run(nature.String(), func(t *testing.T) {
			s := newScene(t, 1, resolver.Limits{Timeout: time.Second, Outstanding: 2}).with(nature, Honest)
			k := append(s.keys(40, 10), s.keys(40, 200)...)
			s.plain(k...)
			s.complete(time.Hour, k...)
			c := s.Counts()
			require.Equal(t, outcome == blocked, len(s.blocked) > 0)
			require.Equal(t, outcome == penalized, c.Strays+c.Malformed > 0, "%+v", c)
		})
	}
}

// Peers that begin values as large as there may be, and do not go on with them, do not take
// the room of what others have.
func TestPeersThatClaimMuchHoldUpNobody(t *testing.T) {
	took := func(odd Nature) time.Duration {
		s := newScene(t, 1, resolver.Limits{MaxValue: 4096, Undelivered: 16384})
		for i := range 50 {
			p := &Peer{ID: name(i), Latency: 10 * time.Millisecond, Service: 20 * time.Millisecond, Claims: 4096}
			if i%10 == 0 {
				p.Nature = odd
			}
			s.Add(p)
		}
		s.Everybody()
		k := s.keys(1000, 60)
		s.plain(k...)
		return s.complete(time.Hour, k...)
	}
	require.Less(t, took(Tempter), 2*took(Mute))
}

// An answer that comes after a cancel, or too late, counts nowhere and blames nobody.
func TestAnAnswerAfterACancelIsPassedOver(t *testing.T) {
	s := newScene(t, 1, resolver.Limits{Timeout: time.Second}).with(Liar)
	s.ByOrder[0].Service = 3 * time.Second
	k := s.keys(2, 10)
	s.plain(k[0])
	s.Run(time.Millisecond)
	s.Cancel(s.Now, k[0])
	s.Run(10 * time.Second)
	require.Zero(t, s.bad)
	require.Empty(t, s.blocked)
	s.consumes = 20 * time.Second
	s.ByOrder[0].Service = 0
	s.plain(k[1])
	require.True(t, s.Until(time.Minute, func() bool { return s.busy > 0 }))
	s.Cancel(s.Now, k[1])
	s.Run(time.Minute)
	require.Equal(t, 1, s.bad)
	require.Empty(t, s.blocked, "the Consumer has refused what nobody waits for")
	require.True(t, errors.Is(s.failed[k[1]], resolver.ErrCancelled))
	require.True(t, s.Idle())
}
