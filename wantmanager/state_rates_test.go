package wantmanager

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/rate"
)

func (l *wire) limit(limits rate.Limits) {
	l.setRates(l.now, limits)
	l.rig.settle()
}

// plenty are more wants than the windows of these tests have room for. With many more,
// recounting them would take most of the time.
const plenty = 400

// measure keeps every peer asked for more, and returns how many bytes a second come on each path from now on.
func (l *wire) measure(d time.Duration) []float64 {
	var before []int64
	for _, p := range l.paths {
		before = append(before, p.total)
	}
	end := l.now.Add(d)
	l.until(func() bool {
		for _, p := range l.paths {
			if len(l.peers[p.peer].wants) < plenty/2 {
				p.want(plenty / 2)
			}
		}
		return !l.now.Before(end)
	})
	var got []float64
	for i, p := range l.paths {
		got = append(got, float64(p.total-before[i])/d.Seconds())
	}
	return got
}

// Whatever the rate, the round trip and the size of blocks: what comes is within five
// per cent of the rate, and in no second more than that and a block.
func TestWhatIsAskedForComesAtTheRate(t *testing.T) {
	for _, r := range []rate.Rate{64 << 10, rate.MB, 20 * rate.MB, rate.GB} {
		for _, trip := range ms(5, 100) {
			for _, size := range []int{256 << 10, 1 << 20} {
				t.Run(fmt.Sprintf("%s, %s, %d KiB", r, trip, size>>10), func(t *testing.T) {
					if float64(r)*trip.Seconds()/float64(size) > plenty/2 {
						return // More is on its way than is asked for here.
					}
					p := newPath(t, 4*float64(r), trip, size)
					first := max(6*time.Second, 20*seconds(float64(size)/float64(r)))
					if r >= 200*rate.MB {
						first = time.Second
					}
					p.limit(rate.Limits{Total: r})
					p.measure(first / 2) // until the path is known
					begun, begin, sum, whole := p.now, p.total, 0.0, 0.0
					for p.now.Sub(begun) < first {
						sum = p.measure(time.Second)[0]
						require.LessOrEqual(t, sum, 1.1*float64(r)+float64(size), "in one second")
					}
					whole = float64(p.total - begin)
					require.InDelta(t, float64(r), whole/p.now.Sub(begun).Seconds(), 0.05*float64(r)+float64(size)/first.Seconds())
				})
			}
		}
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func TestPeersShareTheTotalOfWhatIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		trips []time.Duration
		sizes [2]int
	}{
		{ms(20, 20), [2]int{256 << 10, 256 << 10}},
		{ms(10, 150), [2]int{256 << 10, 256 << 10}},
		{ms(20, 20), [2]int{16 << 10, 1 << 20}},
	} {
		l := newWire(t, 100e6)
		for i, trip := range c.trips {
			l.path(peer.ID(rune('a'+i)), trip, c.sizes[i])
		}
		l.limit(rate.Limits{Total: 4 * rate.MB})
		l.measure(5 * time.Second)
		got := l.measure(10 * time.Second)
		require.InEpsilon(t, 4e6, got[0]+got[1], 0.05, "%v", c)
		require.InEpsilon(t, got[0], got[1], 0.1, "%v", c)
	}
}

func TestAPeerOverItsRateHoldsUpNobody(t *testing.T) {
	l := newWire(t, 100e6)
	l.classOf = func(p peer.ID) string { return map[peer.ID]string{"a": "slow", "b": "slow"}[p] }
	for _, p := range []peer.ID{"a", "b", "c", "d"} {
		l.path(p, 20*time.Millisecond, 64<<10)
	}
	l.limit(rate.Limits{Peer: 3 * rate.MB, Classes: map[string]rate.Class{"slow": {Total: rate.MB}}})
	l.measure(2 * time.Second)
	got := l.measure(10 * time.Second)
	require.InEpsilon(t, 0.5e6, got[0], 0.05)
	require.InEpsilon(t, 0.5e6, got[1], 0.05)
	require.InEpsilon(t, 3e6, got[2], 0.05)
	require.InEpsilon(t, 3e6, got[3], 0.05)
	require.InEpsilon(t, 3e6, l.views[1]["c"].Rate, 0.05, "sessions are told what a peer may give")
}

func TestTheRateOfWhatIsAskedForChangesInTheMiddle(t *testing.T) {
	p := newPath(t, 50e6, 50*time.Millisecond, 256<<10)
	p.measure(2 * time.Second)
	for _, r := range []rate.Rate{2 * rate.MB, 10 * rate.MB, rate.MB} {
		p.limit(rate.Limits{Total: r})
		p.measure(3 * time.Second) // What was asked for before comes first.
		require.InEpsilon(t, float64(r), p.measure(10 * time.Second)[0], 0.05)
	}
	p.limit(rate.Limits{})
	p.measure(3 * time.Second)
	require.Greater(t, p.measure(3 * time.Second)[0], 0.9*50e6, "the path is filled again")
}

// What is withdrawn or not there is not charged, or questions would use up the rate.
func TestWhatDoesNotComeIsGivenBack(t *testing.T) {
	r := newRig(t)
	r.connect(a)
	r.setRates(r.now, rate.Limits{Total: 20 * rate.MB}) // a burst is 1 MB
	r.block(1, a, cidsOf(0, 2)...)
	r.hand(a)
	require.Equal(t, 1_000_000-2*firstBlock, r.rates.total.Room(r.now))
	r.cancel(r.now, 1, cidsOf(0, 1))
	r.settle()
	require.Equal(t, 1_000_000-firstBlock, r.rates.total.Room(r.now))
	r.heard(r.now, a, news{at: r.now, dontHaves: cidsOf(1, 1)})
	r.settle()
	require.Equal(t, 1_000_000, r.rates.total.Room(r.now))
	r.block(1, a, cidsOf(2, 1)...)
	r.heard(r.now, a, news{at: r.now, blocks: []sized{{cidsOf(2, 1)[0], 5000}}})
	r.settle()
	require.Equal(t, 1_000_000-5000, r.rates.total.Room(r.now))
}
