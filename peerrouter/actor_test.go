package peerrouter

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/network"
)

// fakeNetwork is the peers of a test and its dialler.
type fakeNetwork struct {
	changed chan struct{}
	connect func(ctx context.Context, p peer.AddrInfo) error

	mu      sync.Mutex
	changes []network.PeerState
	dials   int
	most    int // dials at once
}

func newNetwork() *fakeNetwork {
	return &fakeNetwork{
		changed: make(chan struct{}, 1),
		connect: func(context.Context, peer.AddrInfo) error { return errRefused },
	}
}

func (n *fakeNetwork) C() <-chan struct{} { return n.changed }

func (n *fakeNetwork) Take() []network.PeerState {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := n.changes
	n.changes = nil
	return taken
}

func (n *fakeNetwork) note(p peer.ID, connected bool) {
	n.mu.Lock()
	n.changes = append(n.changes, network.PeerState{Peer: p, Connected: connected})
	n.mu.Unlock()
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

func (n *fakeNetwork) Connect(ctx context.Context, p peer.AddrInfo) error {
	n.count(1)
	defer n.count(-1)
	return n.connect(ctx, p)
}

func (n *fakeNetwork) count(d int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials += d
	n.most = max(n.most, n.dials)
}

// run runs a test with a router in a bubble.
func run(t *testing.T, test func(t *testing.T, n *fakeNetwork, r *Router)) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		r := New(Config{Peers: n, Dialer: n})
		r.Start()
		defer func() { require.NoError(t, r.Stop(context.Background())) }()
		test(t, n, r)
	})
}

func open(t *testing.T, r *Router) *Link {
	l, err := r.Open(t.Context())
	require.NoError(t, err)
	return l
}

// heard is what a link was told until nothing happens any more.
func heard(l *Link) string {
	synctest.Wait()
	select {
	case i, open := <-l.C():
		if !open {
			return "closed"
		}
		return describe(i)
	default:
		return ""
	}
}

func TestPeersComeAndGo(t *testing.T) {
	run(t, func(t *testing.T, n *fakeNetwork, r *Router) {
		interested, watching := open(t, r), open(t, r)
		require.NoError(t, watching.Watch(t.Context()))
		n.note("a", true)
		n.note("b", true)
		require.Equal(t, "a available, b available", heard(watching))
		require.NoError(t, interested.Interest(t.Context(), infos("a")...))
		require.Equal(t, "a available", heard(interested))
		require.NoError(t, interested.Cancel(t.Context(), "a"))
		n.note("a", false)
		require.Equal(t, "a gone", heard(watching))
		require.Empty(t, heard(interested))
	})
}

func TestUnreadChangesMergeIntoTheLastWord(t *testing.T) {
	run(t, func(t *testing.T, n *fakeNetwork, r *Router) {
		l := open(t, r)
		require.NoError(t, l.Watch(t.Context()))
		for range 100 {
			n.note("a", true)
			synctest.Wait()
			n.note("a", false)
			synctest.Wait()
		}
		require.Equal(t, "a gone", heard(l))
		require.Empty(t, heard(l))
	})
}

func TestUnreachablePeerIsDialledAgainUntilItIsThere(t *testing.T) {
	run(t, func(t *testing.T, n *fakeNetwork, r *Router) {
		began, tries := time.Now(), 0
		n.connect = func(_ context.Context, p peer.AddrInfo) error {
			if tries++; tries < 4 {
				return errRefused
			}
			n.note(p.ID, true)
			return nil
		}
		l := open(t, r)
		require.NoError(t, l.Interest(t.Context(), infos("a")...))
		require.Equal(t, "a unreachable", describe(<-l.C()))
		for describe(<-l.C()) != "a available" {
		}
		require.Equal(t, 7*time.Second, time.Since(began), "1 + 2 + 4")
		require.Equal(t, 4, tries)
	})
}

func TestDialsAtOnceAndTheirTimeAreBounded(t *testing.T) {
	run(t, func(t *testing.T, n *fakeNetwork, r *Router) {
		n.connect = func(ctx context.Context, _ peer.AddrInfo) error {
			<-ctx.Done()
			return ctx.Err()
		}
		began := time.Now()
		l := open(t, r)
		require.NoError(t, l.Interest(t.Context(), infos("a b c d e f g h i j k l m n o p")...))
		unreachable := make(map[peer.ID]bool)
		for len(unreachable) < 16 {
			for p := range <-l.C() {
				unreachable[p] = true
			}
		}
		require.Equal(t, 20*time.Second, time.Since(began), "8 at a time, 10 s each")
		synctest.Wait()
		require.Equal(t, 8, n.most)
	})
}

func TestLinkDrainsUntilClosed(t *testing.T) {
	run(t, func(t *testing.T, n *fakeNetwork, r *Router) {
		l := open(t, r)
		require.NoError(t, l.Watch(t.Context()))
		n.note("a", true)
		synctest.Wait()
		require.NoError(t, l.CancelAll(t.Context()))
		require.NoError(t, l.Watch(t.Context()), "too late, and heard by nobody")
		n.note("b", true)
		require.Equal(t, "a available", heard(l), "what was told before is still there")
		require.Equal(t, "closed", heard(l))
	})
}

func TestStopEndsTheDialsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		n.connect = func(ctx context.Context, _ peer.AddrInfo) error {
			<-ctx.Done()
			return ctx.Err()
		}
		r := New(Config{Peers: n, Dialer: n})
		r.Start()
		l := open(t, r)
		require.NoError(t, l.Interest(t.Context(), infos("a b c")...))
		synctest.Wait()
		began := time.Now()
		require.NoError(t, r.Stop(t.Context()))
		require.Zero(t, time.Since(began))
		require.Equal(t, "closed", heard(l))
		require.Zero(t, n.dials)
		_, err := r.Open(t.Context())
		require.ErrorIs(t, err, actor.ErrClosed)
	})
}

func TestStopWithAStuckDialIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, let := newNetwork(), make(chan struct{})
		n.connect = func(context.Context, peer.AddrInfo) error {
			<-let
			return nil
		}
		r := New(Config{Peers: n, Dialer: n})
		r.Start()
		l := open(t, r)
		require.NoError(t, l.Interest(t.Context(), infos("a")...))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, r.Stop(ctx), context.DeadlineExceeded)
		require.Equal(t, "closed", heard(l), "sessions do not wait for it")
		close(let)
		require.NoError(t, r.Stop(t.Context()))
	})
}

// Whoever got a link and took leave of it without an error sees its channel
// closed, however the end of the router falls in between.
func TestStopUnderLoadLeavesNobodyWaiting(t *testing.T) {
	for range 300 {
		n := newNetwork()
		r := New(Config{Peers: n, Dialer: n})
		r.Start()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { useLink(r) })
		}
		n.note("a", true)
		require.NoError(t, r.Stop(t.Context()))
		wg.Wait()
	}
}

// A request that was in the inbox when the end came is not left there.
func TestLinkOpenedAtTheLastMomentIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // The loop may yet take some of what waits.
			r := New(Config{Peers: newNetwork(), Dialer: newNetwork()})
			l := open(t, r)
			require.NoError(t, l.CancelAll(t.Context()))
			r.loop.End()
			r.Start()
			for range l.C() { // Closed, or this waits for ever.
			}
			<-r.loop.Done()
		}
	})
}

// useLink opens links until the router has ended.
func useLink(r *Router) {
	ctx := context.Background()
	for {
		l, err := r.Open(ctx)
		if err != nil {
			return
		}
		_ = l.Interest(ctx, infos("a b")...) // The router may have ended: CancelAll tells.
		_ = l.Watch(ctx)
		if l.CancelAll(ctx) != nil {
			return
		}
		for range l.C() {
		}
	}
}

func TestRouterThatBreaksEndsAndLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, broken := newNetwork(), make(chan error, 1)
		r := New(Config{
			Peers: n, Dialer: n, Fail: func(err error) { broken <- err },
			Known: func(peer.ID, bool) { panic("a broken ledger") },
		})
		r.Start()
		l := open(t, r)
		require.NoError(t, l.Interest(t.Context(), infos("b")...))
		n.note("a", true)
		require.ErrorContains(t, <-broken, "a broken ledger")
		for range l.C() { // Closed, or this waits for ever.
		}
		require.NoError(t, r.Stop(t.Context()))
	})
}
