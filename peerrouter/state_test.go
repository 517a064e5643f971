package peerrouter

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errRefused = errors.New("connection refused")

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// rig drives a state without goroutines and remembers what it did.
type rig struct {
	*testing.T
	*state
	now time.Time
	out effects // of the last event
}

func newRig(t *testing.T) *rig {
	r := &rig{T: t, state: newState(2, time.Second, 30*time.Second), now: began}
	for l := linkID(1); l <= 3; l++ {
		r.open(l)
	}
	return r
}

func infos(names string) (all []peer.AddrInfo) {
	for _, name := range strings.Fields(names) {
		all = append(all, peer.AddrInfo{ID: peer.ID(name)})
	}
	return all
}

func ids(names string) (all []peer.ID) {
	for _, name := range strings.Fields(names) {
		all = append(all, peer.ID(name))
	}
	return all
}

func (r *rig) then() { r.out = r.take() }

func (r *rig) interest(l linkID, names string) { r.state.interest(r.now, l, infos(names)); r.then() }

func (r *rig) cancel(l linkID, names string) { r.state.cancel(l, ids(names)); r.then() }

func (r *rig) cancelAll(l linkID) { r.state.cancelAll(l); r.then() }

func (r *rig) watch(l linkID) { r.state.watch(l); r.then() }

func (r *rig) connected(p peer.ID) { r.peerState(r.now, p, true); r.then() }

func (r *rig) gone(p peer.ID) { r.peerState(r.now, p, false); r.then() }

func (r *rig) dialled(p peer.ID, err error) { r.state.dialled(r.now, p, err); r.then() }

// after lets time pass up to the next alarm and no further than d; it returns
// how long that was.
func (r *rig) after(d time.Duration) time.Duration {
	at := r.now.Add(d)
	if wake := r.wake(); !wake.IsZero() && wake.Before(at) {
		at = wake
	}
	passed := at.Sub(r.now)
	r.now = at
	r.tick(at)
	r.then()
	return passed
}

func (r *rig) dials() string {
	var all []string
	for _, info := range r.out.dials {
		all = append(all, string(info.ID))
	}
	return strings.Join(all, " ")
}

// told is what a link heard of the last event.
func (r *rig) told(l linkID) string {
	heard := make(Info)
	for _, n := range r.out.news {
		if n.link == l {
			heard[n.peer] = n.news
		}
	}
	return describe(heard)
}

func describe(i Info) string {
	var all []string
	for _, p := range slices.Sorted(maps.Keys(i)) {
		word := [...]string{Available: "available", Gone: "gone", Unreachable: "unreachable", Denied: "denied"}[i[p].Status]
		all = append(all, string(p)+" "+word)
	}
	return strings.Join(all, ", ")
}

func requireEmpty(t require.TestingT, s *state) {
	require.Empty(t, s.peers)
	require.Empty(t, s.links)
	require.Empty(t, s.watchers)
	require.Empty(t, s.waiting)
	require.Zero(t, s.dialling)
	require.Zero(t, s.wake())
}

func TestInterestIsAnsweredAtOnceWhenThePeerIsConnected(t *testing.T) {
	r := newRig(t)
	r.connected("a")
	r.interest(1, "a")
	require.Equal(t, "a available", r.told(1))
	require.Empty(t, r.dials())
}

func TestPeerThatIsNotConnectedIsDialled(t *testing.T) {
	r := newRig(t)
	r.interest(1, "a")
	require.Equal(t, "a", r.dials())
	require.Empty(t, r.told(1))
	r.interest(2, "a")
	require.Empty(t, r.dials(), "once for all who ask")
	r.dialled("a", nil)
	require.Empty(t, r.told(1), "whether it speaks Bitswap is not known yet")
	r.connected("a")
	require.Equal(t, "a available", r.told(1))
	require.Equal(t, "a available", r.told(2))
	require.Empty(t, r.told(3))
}

func TestPeerIsDialledAtTheAddressesGivenLast(t *testing.T) {
	r := newRig(t)
	addr := multiaddr.StringCast("/ip4/127.0.0.1/tcp/1")
	r.interest(1, "a b")
	r.interest(1, "c")
	r.state.interest(r.now, 1, []peer.AddrInfo{{ID: "c", Addrs: []multiaddr.Multiaddr{addr}}})
	r.interest(2, "c") // Who knows none takes none away.
	r.dialled("a", errRefused)
	require.Equal(t, []peer.AddrInfo{{ID: "c", Addrs: []multiaddr.Multiaddr{addr}}}, r.out.dials)
}

func TestInterestedAndWatchersHearOfChangesOnce(t *testing.T) {
	r := newRig(t)
	r.watch(1)
	r.watch(2)
	r.interest(2, "a")
	r.connected("a")
	require.Equal(t, "a available", r.told(1))
	require.Equal(t, "a available", r.told(2))
	require.Len(t, r.out.news, 2)
	require.Equal(t, []change{{"a", true}}, r.out.known)
	r.connected("a")
	require.Empty(t, r.out, "nothing has changed")
	r.gone("a")
	require.Equal(t, "a gone", r.told(1))
	require.Equal(t, []change{{"a", false}}, r.out.known)
	r.gone("a")
	require.Empty(t, r.out)
}

func TestWatchBeginsWithThoseConnected(t *testing.T) {
	r := newRig(t)
	r.connected("b")
	r.connected("a")
	r.connected("c")
	r.gone("b")
	r.watch(1)
	require.Equal(t, "a available, c available", r.told(1))
	require.Equal(t, peer.ID("a"), r.out.news[0].peer, "in the order of their names")
}

func TestCancelledInterestIsNotTold(t *testing.T) {
	r := newRig(t)
	r.connected("a")
	r.interest(1, "a")
	r.interest(2, "a")
	r.cancel(1, "a b")
	r.gone("a")
	require.Empty(t, r.told(1))
	require.Equal(t, "a gone", r.told(2))
}

func TestFailedDialIsToldAndTriedAgainWithGrowingPauses(t *testing.T) {
	r := newRig(t)
	r.interest(1, "a")
	var pauses []time.Duration
	for range 8 {
		require.Equal(t, "a", r.dials())
		r.dialled("a", errRefused)
		require.Equal(t, "a unreachable", r.told(1))
		require.ErrorIs(t, r.out.news[0].news.Err, errRefused)
		pauses = append(pauses, r.after(time.Hour)/time.Second)
	}
	require.Equal(t, []time.Duration{1, 2, 4, 8, 16, 30, 30, 30}, pauses)

	r.interest(2, "a")
	require.Equal(t, "a unreachable", r.told(2), "who comes later hears how it stands")
	require.Empty(t, r.dials(), "and does not shorten the pause")
	r.connected("a")
	r.gone("a")
	r.dialled("a", errRefused) // The one that was under way all the while.
	require.Equal(t, time.Second, r.after(time.Hour), "a connection begins the pauses anew")
}

func TestPeerThatDoesNotSpeakBitswapIsUnreachable(t *testing.T) {
	r := newRig(t)
	r.interest(1, "a")
	r.dialled("a", nil)
	require.Equal(t, time.Second, r.after(time.Hour), "it had the time to say so")
	require.Equal(t, "a unreachable", r.told(1))
	require.ErrorIs(t, r.out.news[0].news.Err, errNoBitswap)
	require.Equal(t, "a", r.dials())
}

func TestPeerThatIsLostIsDialledAtOnceThenWithPauses(t *testing.T) {
	r := newRig(t)
	r.interest(1, "a")
	r.dialled("a", nil)
	r.connected("a")
	r.gone("a")
	require.Equal(t, "a gone", r.told(1))
	require.Equal(t, "a", r.dials())
	var pauses []time.Duration
	for range 4 { // It comes and goes in the same moment.
		r.dialled("a", nil)
		r.connected("a")
		r.gone("a")
		require.Empty(t, r.dials())
		pauses = append(pauses, r.after(time.Hour)/time.Second)
		require.Equal(t, "a", r.dials())
	}
	require.Equal(t, []time.Duration{1, 2, 4, 8}, pauses)

	r.dialled("a", nil)
	r.connected("a")
	r.now = r.now.Add(time.Minute)
	r.gone("a")
	require.Equal(t, "a", r.dials(), "this connection was a good one")
}

func TestPeerThatNobodyNeedsIsNotDialled(t *testing.T) {
	r := newRig(t)
	r.watch(1)
	r.connected("a")
	r.gone("a")
	require.Empty(t, r.dials())
	r.interest(2, "b")
	r.dialled("b", errRefused)
	r.cancel(2, "b")
	require.Zero(t, r.wake())
	require.Empty(t, r.peers)
}

func TestDialsAreBoundedAndTheOthersWaitTheirTurn(t *testing.T) {
	r := newRig(t)
	r.interest(1, "d c b a")
	require.Equal(t, "a b", r.dials(), "those that came together by their names")
	require.Zero(t, r.wake(), "the end of a dial comes first")
	r.now = r.now.Add(time.Second)
	r.interest(1, "0")
	r.dialled("b", errRefused)
	require.Equal(t, "c", r.dials())
	r.cancel(1, "d")
	r.dialled("a", errRefused)
	require.Equal(t, "0", r.dials(), "d is not needed any more")
}

func TestDialWhoseInterestWasWithdrawnEndsQuietly(t *testing.T) {
	r := newRig(t)
	r.interest(1, "a")
	r.cancelAll(1)
	require.Equal(t, []linkID{1}, r.out.closed)
	r.interest(2, "a")
	require.Empty(t, r.dials(), "it is still being dialled")
	r.cancel(2, "a")
	r.dialled("a", errRefused)
	require.Empty(t, r.out)
	require.Empty(t, r.peers)
}

func TestCancelAllClosesTheLinkAndLeavesNothing(t *testing.T) {
	r := newRig(t)
	r.watch(1)
	r.connected("a")
	r.interest(1, "a b c d")
	for l := linkID(1); l <= 3; l++ {
		r.cancelAll(l)
		require.Equal(t, []linkID{l}, r.out.closed)
		r.cancelAll(l)
		require.Empty(t, r.out.closed, "once")
	}
	r.gone("a")
	require.Empty(t, r.out.news)
	r.dialled("b", nil)
	r.dialled("c", errRefused)
	requireEmpty(t, r.state)
}

func TestLinkThatIsNotOpenIsNotHeard(t *testing.T) {
	r := newRig(t)
	r.interest(9, "a")
	r.watch(9)
	r.cancel(9, "a")
	r.cancelAll(9)
	require.Empty(t, r.peers)
	require.Empty(t, r.watchers)
}

func TestUnreadNewsIsTheLastWordAboutEachPeer(t *testing.T) {
	m := merge(Info{"a": {Status: Available}, "b": {Status: Available}}, Info{"a": {Status: Gone}})
	require.Equal(t, Info{"a": {Status: Gone}, "b": {Status: Available}}, m)
}

// The work for one event does not grow with the peers that it is not about.
func BenchmarkEventAmongManyPeers(b *testing.B) {
	for _, n := range []int{50, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newState(8, time.Second, 30*time.Second)
			for l := range linkID(1000) {
				s.open(l)
				s.interest(began, l, infos(fmt.Sprintf("offline%d p%d", int(l)%500, l)))
			}
			for i := range n {
				s.peerState(began, peer.ID(fmt.Sprint("p", i)), true)
			}
			s.take()
			for b.Loop() {
				s.peerState(began, "p7", false)
				s.peerState(began, "p7", true)
				s.take()
				s.wake()
			}
		})
	}
}

func TestDialQueueIsOrderedByTimeThenName(t *testing.T) {
	s := newState(0, time.Second, time.Second)
	s.open(1)
	var want []string
	for n := range 50 {
		p := peer.ID(fmt.Sprintf("p%02d", (n*37)%50))
		s.interest(began.Add(time.Duration((n*37)%50/10)*time.Second), 1, []peer.AddrInfo{{ID: p}})
		want = append(want, string(p))
	}
	slices.Sort(want) // Ten names a second.
	s.maxDials = len(want)
	s.tick(began.Add(time.Minute))
	var got []string
	for _, d := range s.take().dials {
		got = append(got, string(d.ID))
	}
	require.Equal(t, want, got)
}
