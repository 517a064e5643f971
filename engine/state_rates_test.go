package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/rate"
)

// hungry is a rig whose peers want every block again as soon as they have it.
type hungry struct {
	*rig
	class map[peer.ID]string
	got   map[peer.ID]int
	log   []portionSent
}

type portionSent struct {
	at    time.Time
	to    peer.ID
	bytes int
}

func newHungry(t *testing.T, limits rate.Limits) *hungry {
	h := &hungry{rig: newRig(t, Limits{}), class: make(map[peer.ID]string), got: make(map[peer.ID]int)}
	h.state.classOf = func(p peer.ID) string { return h.class[p] }
	h.state.setRates(h.now, limits)
	h.noted = h.repeat
	return h
}

// repeat notes a message and wants its blocks again.
func (h *hungry) repeat(ship *shipment) {
	h.log = append(h.log, portionSent{h.now, ship.Peer, ship.bytes})
	h.got[ship.Peer] += ship.bytes
	for _, w := range ship.wants {
		h.state.remove(w)
	}
	h.want(ship.Peer, wantAll(ship.Message.Blocks)...)
}

// demand makes a peer want so many blocks of a size for ever.
func (h *hungry) demand(p peer.ID, n, size int) {
	bs := many(n, size)
	h.put(bs...)
	h.want(p, wantAll(bs)...)
}

// measure returns how many bytes a second each peer is sent from now on.
func (h *hungry) measure(d time.Duration) map[peer.ID]float64 {
	before := make(map[peer.ID]int)
	for p, n := range h.got {
		before[p] = n
	}
	h.advance(d)
	rates := make(map[peer.ID]float64)
	for p, n := range h.got {
		rates[p] = float64(n-before[p]) / d.Seconds()
	}
	return rates
}

// even fails when more was sent in any second than a rate allows.
func (h *hungry) even(r rate.Rate, size int, to func(peer.ID) bool) {
	most := 1.05*float64(r) + max(0.05*float64(r), float64(size)) + 1
	from, sum := 0, 0.0
	for i, s := range h.log {
		if to(s.to) {
			sum += float64(s.bytes)
		}
		for ; h.log[from].at.Before(h.log[i].at.Add(-time.Second)); from++ {
			if to(h.log[from].to) {
				sum -= float64(h.log[from].bytes)
			}
		}
		require.LessOrEqual(h.t, sum, most, "in one second")
	}
}

func TestAPeerIsSentWhatItsRateAllows(t *testing.T) {
	for _, r := range []rate.Rate{64 << 10, rate.MB, 100 * rate.MB, rate.GB} {
		for _, size := range []int{1 << 10, 256 << 10, 1 << 20} {
			t.Run(fmt.Sprintf("%s in %d KiB", r, size>>10), func(t *testing.T) {
				h := newHungry(t, rate.Limits{Peer: r})
				h.demand(alice, 32, size)
				took := max(2*time.Second, time.Duration(25*float64(size)/float64(r)*float64(time.Second)))
				if r >= 100*rate.MB {
					took = time.Second / 5 // so many blocks take long to play
				}
				got := h.measure(took)[alice]
				require.InDelta(t, float64(r), got, 0.05*float64(r)+(0.05*float64(r)+float64(size))/took.Seconds())
				h.even(r, size, func(p peer.ID) bool { return p == alice })
			})
		}
	}
}

func TestWhoIsOverItsRateHoldsUpNobody(t *testing.T) {
	h := newHungry(t, rate.Limits{Peer: rate.MB, Classes: map[string]rate.Class{"friends": {Peer: 20 * rate.MB}}})
	h.class[bob] = "friends"
	h.state.setRates(h.now, h.state.rates.limits)
	h.demand(alice, 32, 256<<10)
	h.demand(bob, 32, 256<<10)
	got := h.measure(10 * time.Second)
	require.InEpsilon(t, 1e6, got[alice], 0.05)
	require.InEpsilon(t, 20e6, got[bob], 0.05)
}

func TestPeersShareTheTotalAlike(t *testing.T) {
	for _, sizes := range [][2]int{{256 << 10, 256 << 10}, {1 << 10, 256 << 10}, {1 << 20, 4 << 10}} {
		h := newHungry(t, rate.Limits{Total: 4 * rate.MB})
		h.demand(alice, 64, sizes[0])
		h.demand(bob, 64, sizes[1])
		got := h.measure(20 * time.Second)
		require.InEpsilon(t, 4e6, got[alice]+got[bob], 0.05, "%v", sizes)
		require.Greater(t, got[alice], 0.7*2e6, "%v: what a block costs beside its data counts too", sizes)
		require.Greater(t, got[bob], 0.7*2e6, "%v", sizes)
		if sizes[0] == sizes[1] {
			require.InEpsilon(t, got[alice], got[bob], 0.05)
		}
		h.even(4*rate.MB, max(sizes[0], sizes[1]), func(peer.ID) bool { return true })
	}
}

func TestAClassSharesItsRate(t *testing.T) {
	h := newHungry(t, rate.Limits{Total: 10 * rate.MB, Classes: map[string]rate.Class{"slow": {Total: 2 * rate.MB}}})
	h.class[alice], h.class[bob] = "slow", "slow"
	h.state.setRates(h.now, h.state.rates.limits)
	for _, p := range []peer.ID{alice, bob, carol} {
		h.demand(p, 32, 256<<10)
	}
	got := h.measure(20 * time.Second)
	require.InEpsilon(t, 1e6, got[alice], 0.05)
	require.InEpsilon(t, 1e6, got[bob], 0.05)
	require.InEpsilon(t, 8e6, got[carol], 0.05, "what the class leaves of the total")
}

func TestThoseInNoClassAreADefaultClass(t *testing.T) {
	h := newHungry(t, rate.Limits{Classes: map[string]rate.Class{rate.Default: {Total: rate.MB, Peer: 800 * rate.KB}}})
	h.class[alice] = "a name that the limits do not have"
	h.state.setRates(h.now, h.state.rates.limits)
	h.demand(alice, 32, 64<<10)
	require.InEpsilon(t, 8e5, h.measure(10 * time.Second)[alice], 0.05)
	h.demand(bob, 32, 64<<10)
	got := h.measure(10 * time.Second)
	require.InEpsilon(t, 1e6, got[alice]+got[bob], 0.05)
}

func TestRatesChangeInTheMiddle(t *testing.T) {
	h := newHungry(t, rate.Limits{Peer: rate.MB})
	h.demand(alice, 32, 256<<10)
	require.InEpsilon(t, 1e6, h.measure(10 * time.Second)[alice], 0.05)
	h.state.setRates(h.now, rate.Limits{Peer: 5 * rate.MB})
	require.InEpsilon(t, 5e6, h.measure(10 * time.Second)[alice], 0.05)
	h.state.setRates(h.now, rate.Limits{Total: 2 * rate.MB})
	require.InEpsilon(t, 2e6, h.measure(10 * time.Second)[alice], 0.05)
	h.class[alice] = "slow"
	h.state.setRates(h.now, rate.Limits{Total: 2 * rate.MB, Classes: map[string]rate.Class{"slow": {Total: rate.MB}}})
	require.InEpsilon(t, 1e6, h.measure(10 * time.Second)[alice], 0.05)
}

func TestAPeerThatConnectsAnewIsInTheClassOfItsNewAddress(t *testing.T) {
	h := newHungry(t, rate.Limits{Classes: map[string]rate.Class{"slow": {Total: rate.MB}}})
	h.class[alice] = "slow"
	h.state.peer(h.now, peerState{id: alice, connected: true, generation: 2})
	require.Equal(t, "slow", h.state.partners[alice].class.name)
}

// Messages that a limit holds back would look like paths that more of them at once
// fill better, or no worse.
func TestALimitDoesNotChangeTheSlots(t *testing.T) {
	h := newHungry(t, rate.Limits{Total: 40 * rate.MB})
	for i := range 40 {
		p := peer.ID(fmt.Sprint("peer ", i))
		h.connect(p)
		h.demand(p, 8, 64<<10)
	}
	for range 2000 {
		for h.collect(); len(h.jobs) > 0; h.collect() {
			h.work(0)
		}
		h.now = h.now.Add(5 * time.Millisecond) // that each message takes
		for len(h.inFlight) > 0 {
			h.send(0)
		}
		h.state.tick(h.now)
	}
	require.Equal(t, leastSlots, h.state.slots.most)
	require.Len(t, h.got, 40, "all are served")
}

func TestWhatIsWithdrawnIsNotCharged(t *testing.T) {
	h := newHungry(t, rate.Limits{Peer: rate.MB, Total: rate.MB, Classes: map[string]rate.Class{rate.Default: {Total: rate.MB}}})
	b := sized("withdrawn", 40_000)
	h.put(b)
	h.want(alice, wantBlock(b))
	for h.collect(); h.state.partners[alice].wants[b.Cid()].phase != phaseReading; h.collect() {
		h.work(0)
	}
	p := h.state.partners[alice]
	room := func() []int {
		return []int{p.bucket.Room(h.now), p.class.bucket.Room(h.now), h.state.rates.total.Room(h.now)}
	}
	require.Equal(t, []int{10_000, 10_000, 10_000}, room(), "it is charged when it is read")
	h.want(alice, cancel(b))
	h.run()
	require.Equal(t, []int{50_000, 50_000, 50_000}, room())
	require.Empty(t, h.log)
}

func TestPresencesAreNotLimited(t *testing.T) {
	h := newHungry(t, rate.Limits{Total: 1})
	b := letter("A")
	h.put(b)
	h.want(alice, wantHave(b), orDontHave(wantBlock(letter("nowhere"))))
	h.run()
	require.ElementsMatch(t, []string{"have A", "dont-have nowhere"}, h.heard(alice))
}
