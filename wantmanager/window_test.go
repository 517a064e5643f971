package wantmanager

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
)

// path is a peer that serves at a rate behind a round trip: what arrives first is
// served first.
type path struct {
	*rig
	rate  float64 // bytes a second
	trip  time.Duration
	size  func(int) int
	free  time.Time
	queue []delivery
	never map[cid.Cid]bool // wants that are not answered
	most  int              // bytes under way
	under int
	got   int
}

type delivery struct {
	at   time.Time
	cid  cid.Cid
	size int
}

func newPath(t *testing.T, rate float64, trip time.Duration, size int) *path {
	p := &path{rig: newRig(t), rate: rate, trip: trip, size: func(int) int { return size }}
	p.connect(a)
	return p
}

// fetch asks for n blocks and lets them come, and returns how long that took.
func (p *path) fetch(n int) time.Duration {
	begin, got := p.now, p.got
	p.block(1, a, cidsOf(p.got, n)...)
	for p.got < got+n {
		p.sendOut()
		if len(p.queue) == 0 {
			p.pass(time.Second)
			continue
		}
		d := p.queue[0]
		p.queue = p.queue[1:]
		p.now = d.at
		p.under -= d.size
		p.got++
		p.sends(a, d.size, d.cid)
	}
	return p.now.Sub(begin)
}

func (p *path) sendOut() {
	for len(p.hands[a]) > 0 {
		for _, e := range p.hand(a) {
			if e.Cancel || p.never[e.CID] {
				continue
			}
			size := p.size(p.got)
			at := p.now.Add(p.trip)
			if p.free.After(at) {
				at = p.free
			}
			p.free = at.Add(time.Duration(float64(size) / p.rate * float64(time.Second)))
			p.queue = append(p.queue, delivery{p.free, e.CID, size})
			p.under += size
		}
		p.most = max(p.most, p.under)
	}
}

// The window doubles while the rate grows, leaves its start when the path is full,
// and then holds one product of rate and round trip.
func TestTheWindowFindsThePath(t *testing.T) {
	for _, c := range []struct {
		name string
		rate float64
		trip time.Duration
		size int
		room float64 // over the ideal time
	}{
		{"100 Mb/s, 100 ms, 64 KiB", 12.5e6, 100 * time.Millisecond, 64 << 10, 1.15},
		{"100 Mb/s, 20 ms, 256 KiB", 12.5e6, 20 * time.Millisecond, 256 << 10, 1.15},
		{"20 Mb/s, 40 ms, 256 KiB", 2.5e6, 40 * time.Millisecond, 256 << 10, 1.1},
		{"1 Gb/s, 10 ms, 64 KiB", 125e6, 10 * time.Millisecond, 64 << 10, 1.3},
		{"100 Mb/s, 50 ms, 4 KiB", 12.5e6, 50 * time.Millisecond, 4 << 10, 1.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPath(t, c.rate, c.trip, c.size)
			total := 32 << 20
			took := p.fetch(total / c.size)
			ideal := float64(total)/c.rate + c.trip.Seconds()
			t.Logf("%.3f of the ideal, most under way %d, window %d", took.Seconds()/ideal, p.most, p.peers[a].window.bytes)
			require.Less(t, took.Seconds()/ideal, c.room)
			w := p.peers[a].window
			require.InEpsilon(t, c.rate, w.rate.highest(), 0.1)
			if c.size > 4<<10 { // There it is the number of wants that limits.
				require.False(t, w.startup)
			}
			product := c.rate * (c.trip + jitter + time.Duration(float64(c.size)/c.rate*float64(time.Second))).Seconds()
			require.Less(t, p.most, 2*int(product)+2*c.size+firstWindow)
			require.Less(t, w.bytes, int(1.1*product)+2*c.size+leastWindow)
		})
	}
}

// Blocks of 1 KiB: the number of wants limits, and not their bytes.
func TestTinyBlocksFillThePlacesForWants(t *testing.T) {
	p := newPath(t, 125e6, 50*time.Millisecond, 1<<10)
	took := p.fetch(10000)
	require.Equal(t, maxUnanswered<<10, p.most)
	require.Less(t, took, (10000/maxUnanswered+8)*50*time.Millisecond)
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
