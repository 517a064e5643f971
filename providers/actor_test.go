package providers

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/network"
)

// fakePeers says who is connected.
type fakePeers chan []network.PeerState

func (f fakePeers) C() <-chan struct{} {
	c := make(chan struct{}, 1)
	if len(f) > 0 {
		c <- struct{}{}
	}
	return c
}

func (f fakePeers) Take() []network.PeerState { return <-f }

// finderFunc is a finder that is a function.
type finderFunc func(ctx context.Context, q Query, found func(peer.AddrInfo) bool) error

func (f finderFunc) Find(ctx context.Context, q Query, found func(peer.AddrInfo) bool) error {
	return f(ctx, q, found)
}

func fixedNames(names string) Finder {
	var all []peer.AddrInfo
	for _, p := range ids(names) {
		all = append(all, peer.AddrInfo{ID: p})
	}
	return Fixed(all...)
}

// stuck finds one peer and does not come back before let is closed, whatever its
// context says.
func stuck(let <-chan struct{}) Finder {
	return finderFunc(func(_ context.Context, _ Query, found func(peer.AddrInfo) bool) error {
		found(peer.AddrInfo{ID: "stuck"})
		<-let
		return nil
	})
}

// start starts a directory in a bubble; connected are there from the beginning.
func start(cfg Config, connected ...peer.ID) *Directory {
	peers := make(fakePeers, 1)
	if len(connected) > 0 {
		var states []network.PeerState
		for _, p := range connected {
			states = append(states, network.PeerState{Peer: p, Connected: true})
		}
		peers <- states
	}
	cfg.Peers = peers
	d := New(cfg)
	d.Start()
	return d
}

func run(t *testing.T, cfg Config, test func(t *testing.T, d *Directory)) {
	synctest.Test(t, func(t *testing.T) {
		d := start(cfg)
		defer func() { require.NoError(t, d.Stop(context.Background())) }()
		test(t, d)
	})
}

func open(t *testing.T, d *Directory) *Link {
	l, err := d.Open(t.Context())
	require.NoError(t, err)
	return l
}

// heard is what a link was told until nothing happens any more.
func heard(l *Link) string {
	synctest.Wait()
	select {
	case c, open := <-l.C():
		if !open {
			return "closed"
		}
		return describe(c)
	default:
		return ""
	}
}

func namesOf(peers []peer.AddrInfo) string { return describe(Candidates{Peers: peers}) }

func TestFindGathersFromAllFinders(t *testing.T) {
	run(t, Config{Finders: []Finder{fixedNames("a b"), fixedNames("b c d")}}, func(t *testing.T, d *Directory) {
		peers, err := d.Find(t.Context(), "films", 8)
		require.NoError(t, err)
		require.Equal(t, "a b c d", namesOf(peers))
		peers, err = d.Find(t.Context(), "films", 3)
		require.NoError(t, err)
		require.Equal(t, "a b c", namesOf(peers))
		for _, most := range []int{0, -1} {
			peers, err = d.Find(t.Context(), "films", most)
			require.NoError(t, err)
			require.Empty(t, peers)
		}
	})
}

func TestFindAsksWithTheSampleThatItWasGiven(t *testing.T) {
	x, y := sample("x")[0], sample("y")[0]
	r := &fakeRouting{known: map[cid.Cid][]string{x: {"a"}, y: {"b"}}}
	run(t, Config{Finders: []Finder{Routing(r)}}, func(t *testing.T, d *Directory) {
		peers, err := d.Search(t.Context(), Query{Namespace: "films", Most: 8, CIDs: []cid.Cid{y}})
		require.NoError(t, err)
		require.Equal(t, "b", namesOf(peers))
		require.Equal(t, []cid.Cid{y}, r.asked)
	})
}

func TestUsefulPeersComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(Config{Finders: []Finder{fixedNames("a b")}}, "u")
		synctest.Wait()
		l := open(t, d)
		require.NoError(t, l.Served(t.Context(), "films", "u", "away"))
		require.NoError(t, l.Find(t.Context(), Query{Namespace: "films", Most: 8}))
		require.Equal(t, "u a b done", heard(l))
		require.NoError(t, d.Stop(t.Context()))
	})
}

func TestFindReturnsWhatItHasWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		d := start(Config{Finders: []Finder{stuck(let)}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		peers, err := d.Find(ctx, "films", 8)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, "stuck", namesOf(peers))
		close(let)
		require.NoError(t, d.Stop(t.Context()))
	})
}

func TestStuckFinderDoesNotHoldUpTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		d := start(Config{Finders: []Finder{stuck(let)}})
		began := time.Now()
		peers, err := d.Find(t.Context(), "films", 8)
		require.NoError(t, err)
		require.Equal(t, "stuck", namesOf(peers))
		require.Equal(t, timeout, time.Since(began))
		close(let)
		require.NoError(t, d.Stop(t.Context()))
	})
}

func TestFinderThatPanicsOrFailsIsPassedOver(t *testing.T) {
	told := make(chan error, 1)
	broken := finderFunc(func(context.Context, Query, func(peer.AddrInfo) bool) error { panic("nil map") })
	failing := finderFunc(func(context.Context, Query, func(peer.AddrInfo) bool) error { return errRefused })
	cfg := Config{Finders: []Finder{broken, failing, fixedNames("a")}, Panicked: func(err error) { told <- err }}
	run(t, cfg, func(t *testing.T, d *Directory) {
		peers, err := d.Find(t.Context(), "films", 8)
		require.NoError(t, err)
		require.Equal(t, "a", namesOf(peers))
		require.EqualError(t, <-told, "finder panicked: nil map")
	})
}

// A finder may say the same twice, or say nothing.
func TestFinderIsHeardOnceAboutEachPeer(t *testing.T) {
	told := 0
	chatty := finderFunc(func(_ context.Context, _ Query, found func(peer.AddrInfo) bool) error {
		for _, p := range ids("a a b a") {
			found(peer.AddrInfo{ID: p})
		}
		found(peer.AddrInfo{})
		for found(peer.AddrInfo{ID: "c"}) && told < 100 {
			told++
		}
		return nil
	})
	run(t, Config{Finders: []Finder{chatty}}, func(t *testing.T, d *Directory) {
		peers, err := d.Find(t.Context(), "films", 3)
		require.NoError(t, err)
		require.Equal(t, "a b c", namesOf(peers))
		require.Zero(t, told, "it hears that it is enough")
	})
}

func TestCancelledQueryEndsAtTheFinder(t *testing.T) {
	ended := false
	walking := finderFunc(func(ctx context.Context, _ Query, _ func(peer.AddrInfo) bool) error {
		<-ctx.Done()
		ended = true
		return ctx.Err()
	})
	run(t, Config{Finders: []Finder{walking}}, func(t *testing.T, d *Directory) {
		l := open(t, d)
		require.NoError(t, l.Find(t.Context(), Query{Namespace: "films", Most: 8}))
		require.Empty(t, heard(l))
		require.NoError(t, l.CancelAll(t.Context()))
		require.NoError(t, l.Find(t.Context(), Query{Namespace: "films", Most: 8}), "too late, and heard by nobody")
		require.Equal(t, "closed", heard(l))
		require.True(t, ended)
	})
}

func TestStopEndsTheQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		walking := finderFunc(func(ctx context.Context, _ Query, found func(peer.AddrInfo) bool) error {
			for found(peer.AddrInfo{ID: "a"}) {
				time.Sleep(time.Millisecond)
			}
			<-ctx.Done()
			return ctx.Err()
		})
		d := start(Config{Finders: []Finder{walking}})
		l := open(t, d)
		require.NoError(t, l.Find(t.Context(), Query{Namespace: "films", Most: 8}))
		require.Equal(t, "a", heard(l))
		require.NoError(t, d.Stop(t.Context()))
		require.Equal(t, "closed", heard(l))
		_, err := d.Find(t.Context(), "films", 1)
		require.ErrorIs(t, err, actor.ErrClosed)
		require.ErrorIs(t, l.Served(t.Context(), "films", "a"), actor.ErrClosed)
	})
}

func TestStopWithAStuckFinderIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		d := start(Config{Finders: []Finder{stuck(let)}})
		l := open(t, d)
		require.NoError(t, l.Find(t.Context(), Query{Namespace: "films", Most: 8}))
		require.Equal(t, "stuck", heard(l))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, d.Stop(ctx), context.DeadlineExceeded)
		require.Equal(t, "closed", heard(l), "sessions do not wait for it")
		close(let)
		require.NoError(t, d.Stop(t.Context()))
	})
}

// Whoever got a link and took leave of it without an error sees its channel
// closed, however the end of the directory falls in between.
func TestStopUnderLoadLeavesNobodyWaiting(t *testing.T) {
	for range 300 {
		d := New(Config{Peers: make(fakePeers, 1), Finders: []Finder{fixedNames("a b c")}})
		d.Start()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { useLink(d) })
			wg.Go(func() {
				for {
					if _, err := d.Find(context.Background(), "songs", 8); err != nil {
						return
					}
				}
			})
		}
		require.NoError(t, d.Stop(t.Context()))
		wg.Wait()
	}
}

// A request that was in the inbox when the end came is not left there.
func TestLinkOpenedAtTheLastMomentIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // The loop may yet take some of what waits.
			r := New(Config{Peers: make(fakePeers, 1)})
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

// useLink opens links until the directory has ended.
func useLink(d *Directory) {
	ctx := context.Background()
	for {
		l, err := d.Open(ctx)
		if err != nil {
			return
		}
		_ = l.Find(ctx, Query{Namespace: "films", Most: 8}) // The directory may have ended: CancelAll tells.
		if l.CancelAll(ctx) != nil {
			return
		}
		for range l.C() {
		}
	}
}

// brokenPeers has news, and panics when that is taken.
type brokenPeers chan struct{}

func (p brokenPeers) C() <-chan struct{}      { return p }
func (brokenPeers) Take() []network.PeerState { panic("a broken network") }

func TestADirectoryThatBreaksEndsAndLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		news, broken := make(brokenPeers), make(chan error, 1)
		d := New(Config{Peers: news, Fail: func(err error) { broken <- err }})
		d.Start()
		l := open(t, d)
		news <- struct{}{}
		require.EqualError(t, <-broken, "providers panicked: a broken network")
		require.Equal(t, "closed", heard(l))
		require.NoError(t, d.Stop(t.Context()))
	})
}
