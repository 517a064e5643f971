package announcer

import (
	"context"
	"fmt"
	"math/rand"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/wire"
)

// node is an announcer with what is around it: it is the Teller, the Set and the
// addresses.
type node struct {
	*Announcer
	changed, moved chan struct{}
	panics         []error
	logs           *observer.ObservedLogs

	mu      sync.Mutex
	set     []client.Tracker
	addrs   []string
	said    []*record.Record // announced, in order
	gate    chan struct{}    // what asks for the addresses waits until it is closed; nil for no gate
	touched int
	calls   int                                                   // under way
	most    int                                                   // calls at once
	busy    map[peer.ID]bool                                      // trackers with a call under way
	meet    func(context.Context, peer.ID) (*wire.Refusal, error) // how each call ends
}

func trackerID(n int) peer.ID { return peer.ID(fmt.Sprint("t", n)) }

// run runs a test with an announcer in a bubble, which has so many trackers.
func run(t *testing.T, trackers int, test func(t *testing.T, n *node)) {
	synctest.Test(t, func(t *testing.T) {
		key, _, err := crypto.GenerateEd25519Key(rand.New(rand.NewSource(1)))
		require.NoError(t, err)
		self, err := peer.IDFromPrivateKey(key)
		require.NoError(t, err)
		core, logs := observer.New(zap.WarnLevel)
		n := &node{
			changed: make(chan struct{}, 1), moved: make(chan struct{}, 1), logs: logs, busy: make(map[peer.ID]bool),
			addrs: []string{"/ip4/192.0.2.1/udp/4001/quic-v1"},
			meet:  func(context.Context, peer.ID) (*wire.Refusal, error) { return nil, nil },
		}
		for i := range trackers {
			n.set = append(n.set, client.Tracker{AddrInfo: peer.AddrInfo{ID: trackerID(i)}})
		}
		n.Announcer = New(Config{
			Self: self, Key: key, Addrs: n.hostAddrs, Teller: n, Set: n, Moved: n.moved, Seed: 1,
			Fail: func(err error) { t.Error(err) }, Panicked: n.panicked, Logger: zap.New(core),
		})
		n.Start()
		defer func() { require.NoError(t, n.Stop(context.Background())) }()
		test(t, n)
	})
}

func (n *node) panicked(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.panics = append(n.panics, err)
}

func (n *node) C() <-chan struct{} { return n.changed }

func (n *node) Take() []client.Tracker {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]client.Tracker(nil), n.set...)
}

func (n *node) hostAddrs() []multiaddr.Multiaddr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if gate := n.gate; gate != nil {
		n.mu.Unlock()
		<-gate
		n.mu.Lock()
	}
	var all []multiaddr.Multiaddr
	for _, a := range n.addrs {
		all = append(all, multiaddr.StringCast(a))
	}
	return all
}

func (n *node) Announce(ctx context.Context, to peer.ID, signed []byte) (*wire.Refusal, error) {
	defer n.enter(to)()
	s, err := record.Parse(signed)
	if err != nil {
		return nil, err
	}
	if err := s.Verify(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.said = append(n.said, s.Record())
	n.mu.Unlock()
	return n.meet(ctx, to)
}

func (n *node) Touch(ctx context.Context, to peer.ID, rows []wire.Touched) ([]wire.Refusal, error) {
	defer n.enter(to)()
	n.mu.Lock()
	n.touched += len(rows)
	n.mu.Unlock()
	r, err := n.meet(ctx, to)
	if r == nil {
		return nil, err
	}
	return []wire.Refusal{*r}, err
}

// enter notes that a call is under way, and returns how its end is noted.
func (n *node) enter(to peer.ID) func() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy[to] {
		panic("two calls for one tracker")
	}
	n.busy[to] = true
	n.calls++
	n.most = max(n.most, n.calls)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.busy[to] = false
		n.calls--
	}
}

// replace changes the set of trackers.
func (n *node) replace(set ...client.Tracker) {
	n.mu.Lock()
	n.set = set
	n.mu.Unlock()
	n.changed <- struct{}{}
}

// hold keeps the actor at work until the returned function is called.
func (n *node) hold() (release func()) {
	gate := make(chan struct{})
	n.mu.Lock()
	n.gate = gate
	n.mu.Unlock()
	n.moved <- struct{}{}
	synctest.Wait()
	return func() {
		n.mu.Lock()
		n.gate = nil
		n.mu.Unlock()
		close(gate)
	}
}

// A tracker that was named a moment ago is told what is announced then, although
// the announcer had no occasion yet to look: it takes what has come in any order.
func TestATrackerThatWasJustNamedIsTold(t *testing.T) {
	run(t, 0, func(t *testing.T, n *node) {
		for i := range 30 {
			n.replace()
			synctest.Wait()
			release := n.hold()
			n.replace(client.Tracker{AddrInfo: peer.AddrInfo{ID: trackerID(i)}})
			told := make(chan error, 1)
			go func() {
				told <- n.Announcer.Announce(t.Context(), record.Namespace(fmt.Sprint("films ", i)), Holding{})
			}()
			synctest.Wait()
			release()
			require.NoError(t, <-told)
		}
	})
}

// announced takes the records that were announced since the last time.
func (n *node) announced() []*record.Record {
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	said := n.said
	n.said = nil
	return said
}

func TestAnnouncingSignsWhatIsHeldAndTellsThreeTrackers(t *testing.T) {
	run(t, 5, func(t *testing.T, n *node) {
		h := Holding{Ranges: narrow(1), Complete: true, Roles: record.Sync, Capacity: 7, TTL: 10 * time.Minute}
		require.NoError(t, n.Announcer.Announce(t.Context(), "n", h))
		time.Sleep(time.Second)
		said := n.announced()
		require.Len(t, said, 3)
		r := said[0]
		require.Equal(t, record.Namespace("n"), r.Namespace)
		require.Equal(t, n.cfg.Self, r.Peer)
		require.Equal(t, h, Holding{Ranges: r.Ranges, Complete: r.Complete, Roles: r.Roles, Capacity: r.Capacity, TTL: r.TTL})
		require.Equal(t, n.hostAddrs(), r.Addrs)
		require.Equal(t, said[0], said[2], "one signature for all")

		st := n.Status(t.Context())
		require.Len(t, st, 3)
		require.Equal(t, r.Sequence, st[0].Sequence)
		require.NoError(t, st[0].Err)
		require.True(t, st[0].Next.After(time.Now()))
		require.Equal(t, Stat{Namespaces: 1, Announcements: 3}, n.Stat())
		time.Sleep(time.Hour)
		require.Empty(t, n.announced())
		require.GreaterOrEqual(t, n.touched, 3*2)
	})
}

func TestWithdrawingTellsAllOfThem(t *testing.T) {
	run(t, 3, func(t *testing.T, n *node) {
		require.NoError(t, n.Announcer.Announce(t.Context(), "n", Holding{}))
		time.Sleep(time.Second)
		before := n.announced()
		require.NoError(t, n.Withdraw(t.Context(), "n"))
		said := n.announced()
		require.Len(t, said, 3)
		for _, r := range said {
			require.True(t, r.Withdrawn())
			require.Empty(t, r.Addrs)
			require.Greater(t, r.Sequence, before[0].Sequence)
		}
		require.Empty(t, n.Status(t.Context()))
		require.Zero(t, n.Stat().Namespaces)
	})
}

func TestErrorsOfFormNameTheField(t *testing.T) {
	keys, err := record.NewKeyRanges(record.KeyRange{From: "a", To: "b"})
	require.NoError(t, err)
	run(t, 1, func(t *testing.T, n *node) {
		for field, err := range map[string]error{
			"Namespace": n.Announcer.Announce(t.Context(), "", Holding{}),
			"Keys":      n.Announcer.Announce(t.Context(), "n", Holding{Keys: keys, Ranges: narrow(1)}),
			"TTL":       n.Announcer.Announce(t.Context(), "n", Holding{TTL: -1}),
		} {
			var form *FormError
			require.ErrorAs(t, err, &form)
			require.Equal(t, field, form.Field)
			require.ErrorContains(t, err, field)
		}
		require.Empty(t, n.announced())
		require.Empty(t, n.Status(t.Context()))
	})
}

func TestWithoutTrackersAnnouncingSaysSoAndGoesOn(t *testing.T) {
	run(t, 0, func(t *testing.T, n *node) {
		require.ErrorIs(t, n.Announcer.Announce(t.Context(), "n", Holding{}), ErrNoTrackers)
		n.mu.Lock()
		n.set = []client.Tracker{{AddrInfo: peer.AddrInfo{ID: "late"}}}
		n.mu.Unlock()
		n.changed <- struct{}{}
		require.Len(t, n.announced(), 1)
	})
}

func TestAnErrorListsWhatEachTrackerSaid(t *testing.T) {
	run(t, 3, func(t *testing.T, n *node) {
		n.meet = func(_ context.Context, p peer.ID) (*wire.Refusal, error) {
			if p == trackerID(0) {
				return nil, errLost
			}
			return &wire.Refusal{Code: wire.CodeSignature}, nil
		}
		err := n.Announcer.Announce(t.Context(), "n", Holding{})
		var said *Error
		require.ErrorAs(t, err, &said)
		require.Len(t, said.Trackers, 3)
		require.ErrorIs(t, err, errLost)
		require.ErrorContains(t, err, "refused: signature")
		time.Sleep(10 * time.Minute)
		require.Equal(t, 2, n.logs.FilterMessage("a tracker refuses what this node announces").Len(), "once a tracker")
		require.NotZero(t, n.Stat().Refused[wire.CodeSignature])
	})
}

func TestNewAddressesAreAnnouncedOnce(t *testing.T) {
	run(t, 3, func(t *testing.T, n *node) {
		require.NoError(t, n.Announcer.Announce(t.Context(), "n", Holding{}))
		time.Sleep(time.Minute)
		n.announced()
		for last := range 4 {
			n.mu.Lock()
			n.addrs = []string{fmt.Sprintf("/ip4/192.0.2.%d/udp/4001/quic-v1", last)}
			n.mu.Unlock()
			n.moved <- struct{}{}
			time.Sleep(time.Second)
		}
		require.Empty(t, n.announced())
		time.Sleep(5 * time.Second)
		said := n.announced()
		require.Len(t, said, 3)
		require.Equal(t, "/ip4/192.0.2.3/udp/4001/quic-v1", said[0].Addrs[0].String())
	})
}

func TestATellerThatHangsStopsNobodyElse(t *testing.T) {
	run(t, 4, func(t *testing.T, n *node) {
		free := make(chan struct{})
		n.meet = func(_ context.Context, p peer.ID) (*wire.Refusal, error) {
			if p == trackerID(0) {
				<-free // Whatever becomes of its context.
			}
			return nil, nil
		}
		for i := range 30 {
			require.NoError(t, n.Announcer.Announce(t.Context(), record.Namespace(fmt.Sprint("n", i)), Holding{}))
		}
		time.Sleep(time.Minute)
		require.Len(t, n.announced(), 30*3+1)
		close(free)
		time.Sleep(time.Minute)
		require.Greater(t, len(n.announced()), 10, "and then it is told as well")
	})
}

func TestAtMostEightCallsOneForATracker(t *testing.T) {
	run(t, 30, func(t *testing.T, n *node) {
		n.meet = func(context.Context, peer.ID) (*wire.Refusal, error) { time.Sleep(time.Second); return nil, nil }
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() { _ = n.Announcer.Announce(t.Context(), record.Namespace(fmt.Sprint("n", i)), Holding{}) })
		}
		all.Wait()
		time.Sleep(time.Minute)
		require.Len(t, n.announced(), 180)
		require.Equal(t, 8, n.most)
	})
}

func TestACallHasADeadline(t *testing.T) {
	run(t, 1, func(t *testing.T, n *node) {
		n.meet = func(ctx context.Context, _ peer.ID) (*wire.Refusal, error) { <-ctx.Done(); return nil, ctx.Err() }
		began := time.Now()
		require.ErrorIs(t, n.Announcer.Announce(t.Context(), "n", Holding{}), context.DeadlineExceeded)
		require.Equal(t, patience, time.Since(began))
	})
}

func TestWhoWaitsNoLongerIsForgottenAndTheAnnouncementStays(t *testing.T) {
	run(t, 1, func(t *testing.T, n *node) {
		free := make(chan struct{})
		n.meet = func(context.Context, peer.ID) (*wire.Refusal, error) { <-free; return nil, nil }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, n.Announcer.Announce(ctx, "n", Holding{}), context.DeadlineExceeded)
		close(free)
		synctest.Wait()
		require.NotZero(t, n.Status(t.Context())[0].Sequence)
	})
}

func TestPanicsOfOthersAreFailedCalls(t *testing.T) {
	run(t, 1, func(t *testing.T, n *node) {
		n.meet = func(context.Context, peer.ID) (*wire.Refusal, error) { panic("broken") }
		var broken *actor.PanicError
		require.ErrorAs(t, n.Announcer.Announce(t.Context(), "n", Holding{}), &broken)
		require.Equal(t, "teller", broken.Where)
		synctest.Wait()
		require.NotEmpty(t, n.panics)
		n.mu.Lock()
		n.addrs = []string{"no address"}
		n.meet = func(context.Context, peer.ID) (*wire.Refusal, error) { return nil, nil }
		n.mu.Unlock()
		n.moved <- struct{}{}
		time.Sleep(time.Minute)
		said := n.announced()
		require.NotEmpty(t, said)
		require.Len(t, said[len(said)-1].Addrs, 1, "those of before")
	})
}

func TestStoppingWithdrawsInParallelAndWaitsForNobodyForEver(t *testing.T) {
	run(t, 16, func(t *testing.T, n *node) {
		for i := range 64 {
			require.NoError(t, n.Announcer.Announce(t.Context(), record.Namespace(fmt.Sprint("n", i)), Holding{}))
		}
		time.Sleep(time.Minute)
		n.announced()
		free := make(chan struct{})
		n.meet = func(_ context.Context, p peer.ID) (*wire.Refusal, error) {
			if p == trackerID(3) {
				<-free
			}
			time.Sleep(10 * time.Millisecond)
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, n.Stop(ctx), context.DeadlineExceeded, "one has not returned")
		require.Equal(t, 2*time.Second, time.Since(began))
		require.Greater(t, len(n.announced()), 150)
		require.ErrorIs(t, n.Announcer.Announce(t.Context(), "n", Holding{}), ErrClosed)
		close(free)
	})
}

func TestStoppingBeforeTheStart(t *testing.T) {
	a := New(Config{})
	require.NoError(t, a.Stop(t.Context()))
	require.ErrorIs(t, a.Withdraw(t.Context(), "n"), ErrClosed)
	require.Zero(t, a.Depth())
}

func TestARecordHasTheAddressesThatMeanMost(t *testing.T) {
	self, other := peer.ID("self"), "QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC"
	host := []string{
		"/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/dns4/example.org/tcp/1", "/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/tcp/1",
		"/ip4/192.0.2.1/tcp/2/p2p/" + other, "/ip4/192.0.2.9/tcp/1/p2p/" + other + "/p2p-circuit",
	}
	var addrs []multiaddr.Multiaddr
	for _, a := range host {
		addrs = append(addrs, multiaddr.StringCast(a))
	}
	var got []string
	for _, raw := range signable(self, addrs) {
		a, err := multiaddr.NewMultiaddrBytes([]byte(raw))
		require.NoError(t, err)
		got = append(got, a.String())
	}
	require.Len(t, got, 5, "each once, and none of somebody else")
	require.Equal(t, []string{"/ip4/10.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1"}, got[3:])
	for n := range 40 {
		addrs = append(addrs, multiaddr.StringCast(fmt.Sprintf("/ip4/192.0.2.%d/tcp/1", n)))
	}
	require.Len(t, signable(self, addrs), record.MaxAddrs)
	require.NotContains(t, signable(self, addrs), string(addrs[0].Bytes()))
}
