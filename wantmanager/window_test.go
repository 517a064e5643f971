package wantmanager

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

// The window doubles while the rate grows, leaves its start when the path is full,
// and then keeps the path full and its queue short: what is managed drops when
// everything in it has waited for 5 ms.
func TestTheWindowFindsThePath(t *testing.T) {
	for _, c := range []struct {
		name  string
		rate  float64
		trips []time.Duration // of the peers behind the link
		size  int
	}{
		{"100 Mb/s, 100 ms, 64 KiB", 12.5e6, ms(100), 64 << 10},
		{"100 Mb/s, 100 ms, 256 KiB", 12.5e6, ms(100), 256 << 10},
		{"100 Mb/s, 300 ms, 256 KiB", 12.5e6, ms(300), 256 << 10},
		{"100 Mb/s, 30 ms, 16 KiB", 12.5e6, ms(30), 16 << 10},
		{"10 Mb/s, 200 ms, 8 KiB", 1.25e6, ms(200), 8 << 10},
		{"500 Mb/s, 20 ms, 256 KiB", 62.5e6, ms(20), 256 << 10},
		{"1 Gb/s, 10 ms, 64 KiB", 125e6, ms(10), 64 << 10},
		{"4 peers, 100 Mb/s, 100 ms, 64 KiB", 12.5e6, ms(100, 100, 100, 100), 64 << 10},
		{"4 peers, 300 Mb/s, 80 ms, 256 KiB", 37.5e6, ms(80, 80, 80, 80), 256 << 10},
		{"3 peers, 200 Mb/s, 20 to 150 ms, 64 KiB", 25e6, ms(20, 60, 150), 64 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, longest := newWire(t, c.rate), slices.Max(c.trips)
			for i, trip := range c.trips {
				all := 25 * c.rate * longest.Seconds()
				l.path(peer.ID(rune('a'+i)), trip, c.size).want(int(all)/c.size/len(c.trips) + 1)
			}
			begin := l.now
			for trips := 1; trips <= 20; trips++ {
				l.until(func() bool { return l.now.Sub(begin) >= time.Duration(trips)*longest })
				used, least := l.look()
				t.Logf("after %d round trips %.3f of the link is used, all wait for %s", trips, used, least)
				if trips > 10 {
					require.Greater(t, used, 0.93)
					require.Less(t, least, 5*time.Millisecond)
				}
			}
			var all float64
			for _, p := range l.paths {
				all += float64(l.peers[p.peer].window.bytes) / (c.rate * p.trip.Seconds())
			}
			wait := (queueTarget + firstProbe).Seconds() / slices.Min(c.trips).Seconds()
			require.Greater(t, all, 0.95, "of what is on the way when the path is full")
			require.Less(t, all, 1.1+wait)
		})
	}
}

func ms(trips ...int) []time.Duration {
	list := make([]time.Duration, len(trips))
	for i, n := range trips {
		list[i] = time.Duration(n) * time.Millisecond
	}
	return list
}

// A sender paces the first block by what its own start allows, and small blocks come
// as they are asked for: neither tells what the path carries.
func TestAPathThatBeganSlowlyIsFilled(t *testing.T) {
	for _, size := range []int{8 << 10, 16 << 10} {
		for _, trip := range ms(30, 100) {
			p := newPath(t, 1.5e6, trip, 52<<10)
			p.fetch(1)
			p.rate, p.size = 12.5e6, func(int) int { return size }
			p.want(int(25*p.rate*trip.Seconds()) / size)
			begin := p.now
			for trips := 1; trips <= 15; trips++ {
				p.until(func() bool { return p.now.Sub(begin) >= time.Duration(trips)*trip })
				used, least := p.look()
				t.Logf("%d KiB, %s: after %d round trips %.3f of the link is used, all wait for %s", size>>10, trip, trips, used, least)
				if trips > 10 {
					require.Greater(t, used, 0.8)
					require.Less(t, least, 5*time.Millisecond)
				}
			}
		}
	}
}

// Blocks of 1 KiB: the number of wants limits, and not their bytes.
func TestTinyBlocksFillThePlacesForWants(t *testing.T) {
	p := newPath(t, 125e6, 50*time.Millisecond, 1<<10)
	took := p.fetch(10000)
	require.Equal(t, maxKnown<<10, p.most)
	require.Less(t, took, (10000/maxKnown+8)*50*time.Millisecond)
}

// When sizes change, neither the window nor the share of a link starves.
func TestSizesMayChange(t *testing.T) {
	for _, c := range [][2]int{{1 << 10, 2 << 20}, {2 << 20, 1 << 10}} {
		p := newPath(t, 12.5e6, 50*time.Millisecond, c[0])
		p.fetch(200)
		p.size = func(int) int { return c[1] }
		took := p.fetch(100)
		ideal := float64(100*c[1])/12.5e6 + 0.05
		require.Less(t, took.Seconds(), 1.3*ideal+1.5, "from %d to %d", c[0], c[1])
		require.GreaterOrEqual(t, p.views[1][a].Share, leastWindow)
	}
}

func TestTheWindowIsSharedByItsLinks(t *testing.T) {
	p := newPath(t, 12.5e6, 50*time.Millisecond, 64<<10)
	p.fetch(100)
	p.block(1, a, cidsOf(1_000_000, 1)...)
	p.block(2, a, cidsOf(1_000_001, 1)...)
	w := p.peers[a].window
	require.InEpsilon(t, w.bytes/2, p.views[1][a].Share, 0.11)
	require.InEpsilon(t, w.bytes/2, p.views[2][a].Share, 0.11)
	require.InEpsilon(t, float64(50*time.Millisecond), float64(p.views[1][a].RTT), 0.3)
	require.InEpsilon(t, 12.5e6, p.views[1][a].Rate, 0.2)
}

// A block that takes long to come does not make the round trip any longer.
func TestTheRoundTripIsThatOfTheFirstByte(t *testing.T) {
	p := newPath(t, 250e3, 50*time.Millisecond, 256<<10)
	p.fetch(5)
	p.block(1, a, cidsOf(1_000_000, 1)...)
	require.Less(t, p.views[1][a].RTT, 200*time.Millisecond, "a block takes a second")
}

func TestTheRateFilterRemembersTheHighestForAWhile(t *testing.T) {
	var f rateFilter
	now := time.Unix(1, 0)
	f.add(now, 100, time.Second, true)
	f.add(now.Add(time.Second/2), 10, time.Second, true)
	require.Equal(t, 100.0, f.highest())
	f.add(now.Add(1600*time.Millisecond), 10, time.Second, true)
	require.Equal(t, 100.0, f.highest(), "for between one and two memories")
	f.add(now.Add(2700*time.Millisecond), 10, time.Second, true)
	require.Equal(t, 10.0, f.highest())
	f.add(now.Add(time.Minute), 1, time.Second, false)
	require.Equal(t, 10.0, f.highest(), "a rate that we held back says nothing")
}

func TestTheRoundTripIsTheLowestOfLate(t *testing.T) {
	var f rttFilter
	now := time.Unix(1, 0)
	require.Zero(t, f.lowest())
	f.add(now, 50)
	f.add(now, 90)
	require.EqualValues(t, 50, f.lowest())
	f.add(now.Add(rttMemory+1), 90)
	require.EqualValues(t, 50, f.lowest())
	f.add(now.Add(2*rttMemory+2), 90)
	require.EqualValues(t, 90, f.lowest())
}

// Late is who sends nothing at all for longer than its patience though something
// is due; who is slow is not.
func TestLateIsWhoMakesNoProgress(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 3)
	r.connect(a)
	r.block(1, a, c...)
	r.hand(a)
	r.pass(unknownPatience - 1)
	require.False(t, r.views[1][a].Late)
	r.moved = r.now // A part of a block came.
	r.pass(unknownPatience - time.Second)
	require.False(t, r.views[1][a].Late)
	r.pass(2 * time.Second)
	require.True(t, r.views[1][a].Late)
	require.Equal(t, r.peers[a].window.least(), r.views[1][a].Share)
	r.sends(a, 1000, c[0])
	require.False(t, r.views[1][a].Late, "it is there again")
}

func TestPatienceFollowsTheRoundTrip(t *testing.T) {
	p := newPath(t, 12.5e6, 300*time.Millisecond, 64<<10)
	p.fetch(20)
	require.InEpsilon(t, 1200*time.Millisecond, p.peers[a].currentPatience(), 0.1)
	near := newPath(t, 125e6, time.Millisecond, 1<<10)
	near.fetch(20)
	require.Equal(t, leastPatience, near.peers[a].currentPatience())
	slow := newPath(t, 8<<10, 10*time.Millisecond, 256<<10)
	slow.fetch(1)
	require.LessOrEqual(t, slow.peers[a].currentPatience(), mostPatience)
}

// A server that many ask at once takes long for each block, and sends the next as late.
func TestPatienceFollowsWhatABlockTakes(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 12)
	r.connect(a)
	r.block(1, a, c[:2]...)
	r.hand(a)
	r.now = r.now.Add(trip)
	r.refuses(a, c[1])
	require.Equal(t, unknownPatience, r.peers[a].currentPatience(), "of a round trip alone nobody knows what a block takes")
	r.now = r.now.Add(1600 * time.Millisecond)
	r.sends(a, 1000, c[0])
	require.InEpsilon(t, 3600*time.Millisecond, r.peers[a].currentPatience(), 0.1)
	for _, k := range c[2:] {
		r.block(1, a, k)
		r.hand(a)
		r.now = r.now.Add(trip)
		r.sends(a, 1000, k)
	}
	require.Less(t, r.peers[a].currentPatience(), 1200*time.Millisecond, "it is less busy")
}

func TestNobodyIsLateWhoOwesNothing(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 2)
	r.connect(a)
	r.block(1, a, c...)
	r.hand(a)
	r.refuses(a, c...)
	r.pass(time.Hour)
	require.False(t, r.views[1][a].Late)
	require.True(t, r.wake().IsZero())
}

// Servers exist that never say DONT_HAVE: what they do not answer stops counting.
func TestWhatIsNeverAnsweredStopsCounting(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 10)
	r.connect(a)
	r.have(1, a, c...)
	r.drainHands(a)
	r.pass(30 * time.Second)
	require.True(t, r.views[1][a].Late)
	require.Zero(t, r.peers[a].unanswered)
	require.Equal(t, 10, r.peers[a].answeredDH)
	require.True(t, r.wake().IsZero())
	r.block(1, a, c[0])
	require.Equal(t, []string{"B0"}, told(c, r.hand(a)))
}

// A want that later ones overtook is given up although the peer is not silent.
func TestAWantThatIsPassedOverIsGivenUp(t *testing.T) {
	p := newPath(t, 1e6, 10*time.Millisecond, 64<<10)
	lost := cidsOf(1_000_000, 1)
	p.never = map[cid.Cid]bool{lost[0]: true}
	p.block(1, a, lost...)
	p.fetch(120)
	require.Empty(t, p.passed[1], "for ten seconds it may be slow")
	require.Greater(t, p.peers[a].wants[lost[0]].tellings, uint8(1), "the answer may have been lost")
	p.fetch(400)
	require.Equal(t, lost, p.passed[1])
	require.False(t, p.views[1][a].Late)
	require.Equal(t, standing, p.peers[a].wants[lost[0]].phase)
}

// The first block of a slow peer is not passed over by anything.
func TestASlowPeerIsNotGivenUp(t *testing.T) {
	p := newPath(t, 32<<10, 10*time.Millisecond, 256<<10)
	took := p.fetch(20)
	require.Empty(t, p.passed[1])
	require.InEpsilon(t, 20*8*time.Second, took, 0.1)
}

// TestRandomRuns plays what sessions, senders and peers can do in any order, with
// every count checked after each step.
func TestRandomRuns(t *testing.T) {
	for seed := range uint64(60) {
		runRandomly(t, seed)
	}
}

func runRandomly(t *testing.T, seed uint64) {
	r, cids := newRig(t), cidsOf(0, 40)
	dice := rand.New(rand.NewPCG(seed, 3))
	peers := []peer.ID{"a", "b", "c"}
	some := func() []cid.Cid {
		at := dice.IntN(len(cids))
		return cids[at:min(len(cids), at+1+dice.IntN(8))]
	}
	var epoch uint64
	for range 300 {
		p, l := peers[dice.IntN(3)], linkID(1+dice.IntN(2))
		switch dice.IntN(12) {
		case 0:
			r.want(l, p, message.WantHave, int32(dice.IntN(3)), some()...)
		case 1, 2:
			r.want(l, p, message.WantBlock, int32(dice.IntN(3)), some()...)
		case 3:
			r.cancel(r.now, l, some())
		case 4:
			r.cancelAt(r.now, l, p, some())
		case 5:
			r.drop(r.now, l, p)
		case 6:
			r.lose(p)
		case 7, 8:
			r.hand(p)
		case 9:
			epoch++
			r.peerState(r.now, p, dice.IntN(4) > 0, message.V120, epoch, uint64(dice.IntN(3)))
		case 10:
			r.hear(p, []sized{{some()[0], 1 + dice.IntN(1<<20)}}, some(), some())
		default:
			r.pass(time.Duration(dice.IntN(5000)) * time.Millisecond)
		}
		r.settle()
	}
	for l := range r.links {
		r.cancelAll(r.now, l)
	}
	for _, p := range peers {
		r.peerState(r.now, p, false, 0, 0, 0)
		r.settle()
		r.lose(p)
	}
	require.Empty(t, r.peers)
	require.Zero(t, r.busy)
}

// A want that is not answered is written again a few times, in case its answer
// was lost, and then left alone.
func TestASilentPeerIsToldAFewTimes(t *testing.T) {
	r, c := newRig(t), cidsOf(0, 1)
	r.connect(a)
	r.block(1, a, c...)
	for range maxTellings {
		require.Equal(t, []string{"B0"}, told(c, r.drainHands(a)))
		r.pass(15 * time.Second)
	}
	require.Empty(t, r.hands[a])
	r.pass(time.Minute)
	require.Equal(t, standing, r.peers[a].wants[c[0]].phase)
	require.True(t, r.wake().IsZero())
	r.sends(a, 10, c...)
	require.Zero(t, r.faults)
}
