package ledger

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/message"
)

var epoch = time.Unix(1_700_000_000, 0)

func TestAccountAddsUpWhatPassed(t *testing.T) {
	s := newState(0, 0)
	s.record(epoch, sent("a", 100), sent("a", 50), received("a", 24))
	s.record(epoch.Add(time.Minute), Delta{Peer: "a", Counters: Counters{WantsReceived: 7, HavesSent: 2, Duplicates: 1, DuplicateBytes: 24}})
	s.record(epoch.Add(time.Minute), fault("a", message.FaultCID), fault("a", message.FaultCID))

	r := s.only(t, "a")
	require.Equal(t, Counters{
		BytesSent: 150, BlocksSent: 2, BytesReceived: 24, BlocksReceived: 1,
		WantsReceived: 7, HavesSent: 2, Duplicates: 1, DuplicateBytes: 24,
	}, r.Counters)
	require.EqualValues(t, 3, r.Exchanged)
	require.InDelta(t, 150.0/25, r.Value, 1e-9)
	require.Equal(t, map[string]uint64{message.FaultCID.String(): 2}, r.Faults)
	require.Equal(t, epoch, r.LastExchange, "neither wants nor faults are an exchange")
	require.False(t, r.Connected)
}

// What two nodes write down about the same transfers mirrors.
func TestReceiptsMirror(t *testing.T) {
	ours, theirs := newState(0, 0), newState(0, 0)
	for i := range uint64(10) {
		ours.record(epoch, sent("them", i*100))
		theirs.record(epoch, received("us", i*100))
	}
	a, b := ours.only(t, "them"), theirs.only(t, "us")
	require.Equal(t, a.BytesSent, b.BytesReceived)
	require.Equal(t, a.BlocksSent, b.BlocksReceived)
	require.Equal(t, a.Exchanged, b.Exchanged)
	require.InDelta(t, 4500, a.Value, 1e-9)
	require.Zero(t, b.Value)
}

func TestWantsAloneMakeNoAccountThatLasts(t *testing.T) {
	wants := Delta{Peer: "a", Counters: Counters{WantsReceived: 1, DontHavesSent: 1, HavesReceived: 1}, RTT: time.Second}
	s := newState(0, 0)
	s.record(epoch, wants)
	require.Empty(t, s.accounts, "never connected")

	s.record(epoch, Connected("a", true), wants)
	require.True(t, s.only(t, "a").Connected)
	s.record(epoch, Connected("a", false))
	require.Empty(t, s.accounts)

	s.record(epoch, wants)
	require.Empty(t, s.accounts, "late")
}

func TestEveryLastingThingOutlivesTheConnection(t *testing.T) {
	for name, d := range map[string]Delta{
		"sent":      sent("a", 1),
		"received":  received("a", 1),
		"no bytes":  sent("a", 0),
		"the fault": fault("a", message.FaultInvalid),
	} {
		t.Run(name, func(t *testing.T) {
			s := newState(0, 0)
			s.record(epoch, Connected("a", true), d)
			s.record(epoch, Connected("a", false))
			require.False(t, s.only(t, "a").Connected)
		})
	}
}

// Accounts come and go with their peers; the sum over all peers only grows.
func TestFaultsOfAllPeersAddUp(t *testing.T) {
	s := newState(1, 1)
	for i := range 5 {
		s.fault(epoch, peer.ID(fmt.Sprint(i)), message.FaultCID, 3)
	}
	s.record(epoch, fault("a", message.FaultInvalid))
	require.Len(t, s.accounts, 1)
	require.EqualValues(t, 15, s.faults[message.FaultCID])
	require.EqualValues(t, 1, s.faults[message.FaultInvalid])
	total := uint64(0)
	for f, n := range s.faults.All() {
		require.NotZero(t, f)
		total += n
	}
	require.EqualValues(t, 16, total)
}

// Counts come from one port and connections from another: both may tell of a
// peer's whole stay in one batch.
func TestAWholeStayInOneBatch(t *testing.T) {
	s := newState(0, 0)
	s.record(epoch, Connected("a", true), Delta{Peer: "a", Counters: Counters{WantsSent: 3}}, Connected("a", false))
	require.Empty(t, s.accounts)
	s.record(epoch, Connected("a", true), sent("a", 3), Connected("a", false))
	require.EqualValues(t, 3, s.only(t, "a").BytesSent)
}

func TestLeastRecentlyExchangedOfTheDisconnectedLeavesFirst(t *testing.T) {
	s := newState(4, 2)
	s.record(epoch, Connected("connected", true), sent("connected", 1))
	s.record(epoch.Add(1*time.Second), sent("old", 1))
	s.record(epoch.Add(2*time.Second), fault("stranger", message.FaultCID))
	s.record(epoch.Add(3*time.Second), sent("recent", 1))

	s.record(epoch.Add(4*time.Second), sent("new", 1))
	require.Equal(t, []peer.ID{"connected", "new", "old", "recent"}, s.peerIDs())
	s.record(epoch.Add(5*time.Second), received("old", 1))
	s.record(epoch.Add(6*time.Second), sent("newer", 1))
	require.Equal(t, []peer.ID{"connected", "new", "newer", "old"}, s.peerIDs())
}

// A crowd of identities that only send rubbish may not push out the account of
// a peer that served us.
func TestStrangersPushOutOnlyEachOther(t *testing.T) {
	s := newState(100, 10)
	for i := range 50 {
		s.record(epoch, received(peer.ID(fmt.Sprint("good", i)), 1))
	}
	for i := range 1000 {
		s.record(epoch.Add(time.Duration(i)*time.Second), fault(peer.ID(fmt.Sprint("bad", i)), message.FaultProtobuf))
	}
	require.Len(t, s.accounts, 60)
	require.Contains(t, s.accounts, peer.ID("bad999"))
	require.NotContains(t, s.accounts, peer.ID("bad1"))
}

func TestStrangerThatServesIsNoStrangerAnyMore(t *testing.T) {
	s := newState(100, 1)
	s.record(epoch, fault("a", message.FaultCID), received("a", 1))
	s.record(epoch, fault("b", message.FaultCID))
	s.record(epoch.Add(1), fault("c", message.FaultCID))
	require.Equal(t, []peer.ID{"a", "c"}, s.peerIDs())
}

func TestReceiptsAreSortedByBytesExchanged(t *testing.T) {
	s := newState(0, 0)
	s.record(epoch, sent("some", 5), received("most", 9), sent("b", 1), received("a", 1))
	var order []peer.ID
	for _, r := range s.receipts(epoch) {
		order = append(order, r.Peer)
	}
	require.Equal(t, []peer.ID{"most", "some", "a", "b"}, order)
}

func TestLatencyAndThroughputAreSmoothed(t *testing.T) {
	s := newState(0, 0)
	s.record(epoch, Connected("a", true), Delta{Peer: "a", RTT: 80 * time.Millisecond, Rate: 8000})
	r := s.only(t, "a")
	require.Equal(t, 80*time.Millisecond, r.Latency, "the first is taken as it is")
	require.InDelta(t, 8000, r.Throughput, 1e-9)

	s.record(epoch, Delta{Peer: "a", RTT: 160 * time.Millisecond, Rate: 16000})
	r = s.only(t, "a")
	require.Equal(t, 90*time.Millisecond, r.Latency, "an eighth of the way")
	require.Equal(t, 80*time.Millisecond, r.LatencyLowest)
	require.InDelta(t, 9000, r.Throughput, 1e-9)

	s.record(epoch, Connected("a", false), received("a", 1))
	s.record(epoch, Connected("a", true))
	require.Zero(t, s.only(t, "a").LatencyLowest, "another connection, another path")
}

func TestTheMeasureOfAResolverIsTheLastAndCountsInNoScore(t *testing.T) {
	s := newState(0, 0)
	s.record(epoch, Connected("a", true), Delta{Peer: "a", Resolver: time.Second}, Delta{Peer: "a", Resolver: 2 * time.Second})
	s.record(epoch, sent("a", 1))
	require.Equal(t, 2*time.Second, s.only(t, "a").Resolver)
	require.Equal(t, Unknown, s.only(t, "a").Score)
	s.record(epoch, Delta{Peer: "a", Resolver: NotResolved})
	require.Zero(t, s.only(t, "a").Resolver)
	s.record(epoch, Delta{Peer: "b", Resolver: time.Second})
	require.Equal(t, []peer.ID{"a"}, s.peerIDs(), "a measure makes no account")
}

func TestMeasurementsThatCannotBeAreIgnored(t *testing.T) {
	s := newState(0, 0)
	s.record(epoch, Connected("a", true),
		Delta{Peer: "a", RTT: -time.Second, Rate: -1}, Delta{Peer: "a", Rate: math.NaN()})
	r := s.only(t, "a")
	require.Zero(t, r.Latency)
	require.Zero(t, r.Throughput)
	require.Equal(t, Unknown, r.Score)
}

func TestScoreRisesWithSpeedAndFallsWithFaults(t *testing.T) {
	score := func(ds ...Delta) float64 {
		s := newState(0, 0)
		s.record(epoch, append([]Delta{Connected("a", true)}, ds...)...)
		return s.only(t, "a").Score
	}
	measured := func(rate float64, rtt time.Duration) Delta { return Delta{Peer: "a", Rate: rate, RTT: rtt} }
	ladder := []float64{
		score(fault("a", message.FaultInvalid), fault("a", message.FaultInvalid)),
		score(fault("a", message.FaultInvalid)),
		score(fault("a", message.FaultCID)),
		score(measured(100<<20, time.Millisecond), fault("a", message.FaultInvalid)),
		score(), // A newcomer is tried before the fastest liar.
		score(measured(1<<10, time.Second)),
		score(measured(1<<20, time.Second)),
		score(measured(1<<20, 50*time.Millisecond)),
		score(measured(100<<20, 50*time.Millisecond)),
		score(measured(100<<20, time.Millisecond)),
	}
	require.True(t, slices.IsSorted(ladder), "%v", ladder)
	require.Len(t, slices.Compact(ladder), 10, "every step counts")
	require.Equal(t, Unknown, ladder[4])
}

func TestHasNotIsNoFault(t *testing.T) {
	s := newState(0, 0)
	s.record(epoch, received("a", 100), Delta{Peer: "a", Rate: 1000})
	before := s.only(t, "a").Score
	s.record(epoch, Delta{Peer: "a", Counters: Counters{DontHavesReceived: 1_000_000, DontHavesSent: 1_000_000}})
	require.Equal(t, before, s.only(t, "a").Score)
}

func TestPenaltyHalvesInTenMinutes(t *testing.T) {
	s := newState(0, 0)
	s.record(epoch, fault("a", message.FaultInvalid))
	for halves, penalty := range []float64{4, 2, 1, 0.5, 0.25} {
		now := epoch.Add(time.Duration(halves) * halfLife)
		require.InDelta(t, Unknown/(1+penalty/forgiven), s.receipt(now, "a")[0].Score, 1e-9)
	}
	require.Equal(t, Unknown, s.receipt(epoch.Add(3*time.Hour), "a")[0].Score, "forgotten in the end")
	require.NotEmpty(t, s.receipt(epoch.Add(3*time.Hour), "a")[0].Faults, "but counted")
}

func TestFloodOfFaultsIsForgottenLikeAnyOther(t *testing.T) {
	s := newState(0, 0)
	s.fault(epoch, "a", message.FaultFlood, math.MaxUint32)
	require.InDelta(t, Unknown/(1+worstPenalty/forgiven), s.only(t, "a").Score, 1e-9)
	require.InDelta(t, Unknown/(1+1/forgiven), s.receipt(epoch.Add(time.Hour), "a")[0].Score, 1e-9)
}

func TestEveryFaultWeighsAndHasAName(t *testing.T) {
	names := map[string]bool{}
	for f := message.Fault(1); int(f) < message.NumFaults; f++ {
		require.Positive(t, weight(f))
		names[f.String()] = true
	}
	require.Len(t, names, message.NumFaults-1)
}

func TestScoresAreRefreshedAtMostEveryTenthOfASecond(t *testing.T) {
	s := newState(0, 0)
	require.True(t, s.wake().IsZero(), "nothing to tell")
	require.Nil(t, s.refresh(epoch))

	s.record(epoch, received("a", 1), Delta{Peer: "a", Rate: 1 << 20})
	first := s.refresh(epoch)
	require.Greater(t, first.Of("a"), Unknown)
	require.True(t, s.wake().IsZero())

	s.record(epoch.Add(time.Millisecond), sent("a", 4))
	require.Equal(t, epoch.Add(RefreshEvery), s.wake())
	require.Nil(t, s.refresh(epoch.Add(RefreshEvery-1)))
	second := s.refresh(epoch.Add(RefreshEvery))
	require.InDelta(t, 2, second.Debt("a"), 1e-9)
	require.Zero(t, first.Debt("a"), "what was published does not change")
}

func TestScoresFollowTheDecayOfAPenalty(t *testing.T) {
	s := newState(0, 0)
	s.record(epoch, fault("a", message.FaultInvalid))
	now, last, refreshes := epoch, 0.0, 0
	for ; !now.IsZero(); now = s.wake() {
		scores := s.refresh(now)
		require.NotNil(t, scores, "woken for nothing")
		require.Greater(t, scores.Of("a"), last)
		require.Less(t, scores.Of("a")-last, 0.3)
		last = scores.Of("a")
		refreshes++
	}
	require.Equal(t, Unknown, last, "asleep once it is forgotten")
	require.InDelta(t, halfLife/decayEvery*10, refreshes, 2)
}

func TestNilScoresKnowNobody(t *testing.T) {
	var s *Scores
	require.Equal(t, Unknown, s.Of("a"))
	require.Zero(t, s.Debt("a"))
	require.Equal(t, Unknown, (&Scores{}).Of("a"))
}

// However deltas are cut into batches, the sums are the same.
func TestMergingChangesNoSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		deltas := rapid.SliceOfN(rapid.Custom(drawDelta), 1, 30).Draw(t, "deltas")
		oneByOne, atOnce, merged := newState(0, 0), newState(0, 0), batch{}
		all := []Delta{Connected("a", true), Connected("b", true), Connected("c", true)}
		for _, d := range deltas {
			d.Link = 0 // Wants that come before and after a connection count or not.
			all = append(all, d)
		}
		for _, d := range all {
			oneByOne.record(epoch, d)
			newer := batch{}
			newer.of(d.Peer).addDelta(&d)
			merged = merge(merged, newer)
		}
		atOnce.apply(epoch, merged)
		for _, p := range []peer.ID{"a", "b", "c"} {
			x, y := oneByOne.receipt(epoch, p)[0], atOnce.receipt(epoch, p)[0]
			require.Equal(t, x.Counters, y.Counters)
			require.Equal(t, x.Faults, y.Faults)
			require.Equal(t, x.LatencyLowest, y.LatencyLowest)
			require.Equal(t, x.Resolver, y.Resolver)
			require.InDelta(t, x.Value, y.Value, 1e-9)
		}
	})
}

// Whatever happens, the accounts stay within their bounds, only lasting or
// connected ones are kept, and scores lie between 0 and 1.
func TestAccountsStayWithinBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newState(6, 2)
		now := epoch
		t.Repeat(map[string]func(*rapid.T){
			"record": func(t *rapid.T) { s.record(now, drawDelta(t)) },
			"fault":  func(t *rapid.T) { s.fault(now, drawPeer(t), drawFault(t), 3) },
			"wait":   func(t *rapid.T) { now = now.Add(rapid.SampledFrom(waits).Draw(t, "wait")) },
			"": func(t *rapid.T) {
				require.LessOrEqual(t, len(s.accounts), s.peers)
				strangers := 0
				for p, a := range s.accounts {
					require.True(t, a.connected || a.lasting(), p)
					if a.stranger() {
						strangers++
					}
					require.GreaterOrEqual(t, a.score(now), 0.0)
					require.LessOrEqual(t, a.score(now), 1.0)
				}
				require.Equal(t, s.alien, strangers)
				require.LessOrEqual(t, strangers, s.strangers)
				if scores := s.refresh(now); scores != nil {
					require.LessOrEqual(t, len(scores.of), len(s.accounts))
				}
			},
		})
	})
}

// The same events give the same accounts: simulations are replayed.
func TestSameEventsGiveTheSameAccounts(t *testing.T) {
	run := func() []Receipt {
		s := newState(20, 5)
		for i := range 200 {
			b := batch{}
			for j := range 10 {
				p := peer.ID(fmt.Sprint(i*7+j*13) + "x")
				d := received(p, uint64(j))
				if j%3 == 0 {
					d = fault(p, message.FaultCID)
				}
				b.of(p).addDelta(&d)
			}
			s.apply(epoch.Add(time.Duration(i)*time.Second), b)
		}
		return s.receipts(epoch)
	}
	require.Equal(t, run(), run())
}

var waits = []time.Duration{0, 1, time.Millisecond, RefreshEvery, time.Minute, time.Hour}

func drawPeer(t *rapid.T) peer.ID {
	return peer.ID(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h", "i"}).Draw(t, "peer"))
}

func drawFault(t *rapid.T) message.Fault {
	return message.Fault(rapid.IntRange(1, message.NumFaults-1).Draw(t, "fault"))
}

func drawDelta(t *rapid.T) Delta {
	d := Delta{Peer: peer.ID(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "near peer"))}
	switch rapid.IntRange(0, 6).Draw(t, "kind") {
	case 0:
		d.BytesSent, d.BlocksSent = rapid.Uint64Max(1<<20).Draw(t, "bytes"), 1
	case 1:
		d.BytesReceived, d.BlocksReceived = rapid.Uint64Max(1<<20).Draw(t, "bytes"), 1
	case 2:
		d.WantsReceived = 3
	case 3:
		d.Fault = drawFault(t)
	case 4:
		d.RTT = time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "rtt"))
		d.Rate = rapid.Float64Range(0, 1e9).Draw(t, "rate")
	case 5:
		d.Peer = drawPeer(t)
		d.Link = Link(rapid.IntRange(1, 2).Draw(t, "link"))
	case 6:
		d.Resolver = rapid.SampledFrom([]time.Duration{NotResolved, time.Millisecond, time.Second}).Draw(t, "resolver")
	}
	return d
}

// record applies deltas one after the other.
func (s *state) record(now time.Time, deltas ...Delta) {
	for i := range deltas {
		b := batch{}
		b.of(deltas[i].Peer).addDelta(&deltas[i])
		s.apply(now, b)
	}
}

func (s *state) only(t *testing.T, p peer.ID) Receipt {
	t.Helper()
	found := s.receipt(epoch, p)
	require.Len(t, found, 1)
	return found[0]
}

func (s *state) peerIDs() []peer.ID { return slices.Sorted(maps.Keys(s.accounts)) }

func sent(p peer.ID, n uint64) Delta {
	return Delta{Peer: p, Counters: Counters{BytesSent: n, BlocksSent: 1}}
}

func received(p peer.ID, n uint64) Delta {
	return Delta{Peer: p, Counters: Counters{BytesReceived: n, BlocksReceived: 1}}
}

func fault(p peer.ID, f message.Fault) Delta { return Delta{Peer: p, Fault: f} }

// What a connection is worth is told when it changes: nothing before a block has
// passed, and nothing when the peer is gone.
func TestConnectionsAreWorthWhatPassedOverThem(t *testing.T) {
	s, now := newState(0, 0), epoch
	tags := func() []Tag {
		now = now.Add(RefreshEvery)
		s.refresh(now)
		return s.takeTags()
	}
	s.record(now, Connected("a", true), Connected("b", true))
	require.Empty(t, tags())
	s.record(now, received("b", 100), sent("a", 100))
	first := tags()
	require.Len(t, first, 2)
	require.Equal(t, peer.ID("a"), first[0].Peer)
	require.Positive(t, first[0].Weight)
	require.Empty(t, tags(), "nothing has changed")

	s.record(now, Delta{Peer: "a", Rate: 1e9, RTT: time.Millisecond})
	better := tags()
	require.Len(t, better, 1)
	require.Greater(t, better[0].Weight, first[0].Weight)
	require.LessOrEqual(t, better[0].Weight, mostTag)

	s.record(now, Connected("a", false))
	require.Equal(t, []Tag{{"a", 0}}, tags())
}
