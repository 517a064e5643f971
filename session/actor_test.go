package session

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/blockrouter"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/peerrouter"
	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/wantmanager"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStore is a store that is empty, or holds what it was given.
type fakeStore struct {
	mu   sync.Mutex
	here map[cid.Cid]blocks.Block
}

func (s *fakeStore) Has(_ context.Context, c cid.Cid) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.here[c] != nil, nil
}

func (s *fakeStore) Get(_ context.Context, c cid.Cid) (blocks.Block, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.here[c]; b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("%s is not here", c)
}

func (s *fakeStore) PutFetched(_ context.Context, bs []blocks.Block) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range bs {
		s.here[b.Cid()] = b
	}
	return nil
}

// watch is what tells an actor which peers are connected.
type watch struct {
	changed chan struct{}

	mu     sync.Mutex
	states []network.PeerState
}

func newWatch() *watch { return &watch{changed: make(chan struct{}, 1)} }

func (w *watch) C() <-chan struct{} { return w.changed }

func (w *watch) Take() []network.PeerState {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := w.states
	w.states = nil
	return taken
}

func (w *watch) note(s network.PeerState) {
	w.mu.Lock()
	w.states = append(w.states, s)
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// floor is the actors below a session, and the peers behind them.
type floor struct {
	t       *testing.T
	store   *fakeStore
	watches []*watch
	blocks  *blockrouter.Router
	peers   *peerrouter.Router
	wants   *wantmanager.Manager
	finder  *providers.Directory

	mu   sync.Mutex
	has  map[peer.ID]map[cid.Cid]blocks.Block
	late sync.WaitGroup // answers on their way
}

func onFloor(t *testing.T, test func(t *testing.T, f *floor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &floor{t: t, store: &fakeStore{here: make(map[cid.Cid]blocks.Block)}, has: make(map[peer.ID]map[cid.Cid]blocks.Block)}
		f.watches = []*watch{newWatch(), newWatch(), newWatch()}
		f.blocks = blockrouter.New(blockrouter.Config{Store: f.store})
		f.peers = peerrouter.New(peerrouter.Config{Peers: f.watches[0], Dialer: f})
		f.wants = wantmanager.New(wantmanager.Config{Peers: f.watches[1], Sender: f})
		f.finder = providers.New(providers.Config{Peers: f.watches[2]})
		f.blocks.Start()
		f.peers.Start()
		f.wants.Start()
		f.finder.Start()
		test(t, f)
		f.late.Wait()
		f.stop()
		f.late.Wait() // A want may have been handed over in the moment of the end.
	})
}

func (f *floor) stop() {
	for _, stop := range []func(context.Context) error{f.wants.Stop, f.blocks.Stop, f.peers.Stop, f.finder.Stop} {
		require.NoError(f.t, stop(context.Background()))
	}
}

// connect adds a connected peer that has the given blocks.
func (f *floor) connect(id peer.ID, bs ...blocks.Block) {
	f.mu.Lock()
	f.has[id] = make(map[cid.Cid]blocks.Block)
	for _, b := range bs {
		f.has[id][b.Cid()] = b
	}
	f.mu.Unlock()
	for _, w := range f.watches {
		w.note(network.PeerState{Peer: id, Connected: true, Version: message.V120, Epoch: 1, Generation: 1})
	}
}

func (f *floor) open(opts ...Option) *Session {
	return New(context.Background(), Config{
		Self: "self", Blocks: f.blocks, Peers: f.peers, Wants: f.wants, Providers: f.finder,
	}, opts...)
}

func (f *floor) Connect(context.Context, peer.AddrInfo) error { return errDial }

func (f *floor) Progress(peer.ID) time.Time { return time.Time{} }

func (f *floor) Hold(peer.ID, string) {}

func (f *floor) Release(peer.ID, string) {}

// Hand takes a message for a peer, which answers after a round trip.
func (f *floor) Hand(p peer.ID, _ network.Lane, m *message.Message, report func(network.Sent)) {
	f.late.Go(func() {
		report(network.Sent{Peer: p, At: time.Now()})
		time.Sleep(rtt)
		f.answer(p, m)
	})
}

func (f *floor) answer(p peer.ID, m *message.Message) {
	h := network.Heard{From: p, At: time.Now()}
	a := network.Answers{From: p, At: time.Now()}
	f.mu.Lock()
	for _, e := range m.Wantlist {
		switch b := f.has[p][e.CID]; {
		case e.Cancel:
		case b == nil:
			h.DontHaves = append(h.DontHaves, e.CID)
		case e.Type == message.WantHave:
			h.Haves = append(h.Haves, e.CID)
		default:
			h.Blocks = append(h.Blocks, network.Sized{CID: e.CID, Size: len(b.RawData())})
			a.Blocks = append(a.Blocks, b)
		}
	}
	f.mu.Unlock()
	a.Haves, a.DontHaves = h.Haves, h.DontHaves
	_ = f.wants.ReceiveHeard(context.Background(), h) // Fails only at the end.
	_ = f.blocks.ReceiveAnswers(context.Background(), a)
}

func someBlocks(n, size int) ([]blocks.Block, []cid.Cid) {
	bs, cids := make([]blocks.Block, n), make([]cid.Cid, n)
	for i := range bs {
		data := make([]byte, size)
		copy(data, fmt.Sprint(i))
		bs[i] = blocks.NewBlock(data)
		cids[i] = bs[i].Cid()
	}
	return bs, cids
}

func closeSession(t *testing.T, s *Session) {
	require.NoError(t, s.Close(context.Background()))
	require.NoError(t, s.Close(context.Background()))
}

func TestBlocksComeFromPeersAndTheStore(t *testing.T) {
	onFloor(t, func(t *testing.T, f *floor) {
		bs, cids := someBlocks(100, 9000)
		require.NoError(t, f.store.PutFetched(t.Context(), bs[:10]))
		f.connect("a", bs[10:60]...)
		f.connect("b", bs[40:]...)
		s := f.open()
		defer closeSession(t, s)
		ch, err := s.GetBlocks(t.Context(), append(cids, cids...))
		require.NoError(t, err)
		got := make(map[cid.Cid]bool)
		for b := range ch {
			require.False(t, got[b.Cid()], "each comes once")
			got[b.Cid()] = true
		}
		require.Len(t, got, 100)
	})
}

func TestResultsSayWhoAndWhy(t *testing.T) {
	onFloor(t, func(t *testing.T, f *floor) {
		bs, cids := someBlocks(3, 9000)
		f.connect("a", bs[0])
		s := f.open(WithPeers("a", "gone"))
		defer closeSession(t, s)
		in := make(chan cid.Cid)
		out := s.Results(t.Context(), in)
		in <- cids[0]
		r := <-out
		require.NoError(t, r.Err)
		require.Equal(t, peer.ID("a"), r.From)
		require.GreaterOrEqual(t, r.Took, rtt)
		in <- cids[1]
		r = <-out
		require.Equal(t, map[peer.ID]Outcome{"a": DontHave, "gone": Unreachable}, outcomes(failureOf(t, r)))
		in <- cid.Undef
		require.ErrorIs(t, (<-out).Err, ErrUndefined)
		in <- identity(t, "hello")
		require.Equal(t, "hello", string((<-out).Block.RawData()))
		close(in)
		_, more := <-out
		require.False(t, more)
	})
}

func identity(t *testing.T, data string) cid.Cid {
	mh, err := multihash.Sum([]byte(data), multihash.IDENTITY, -1)
	require.NoError(t, err)
	return cid.NewCidV1(cid.Raw, mh)
}

func TestCIDsThatNeedNoPeer(t *testing.T) {
	onFloor(t, func(t *testing.T, f *floor) {
		s := f.open(WithPeers())
		defer closeSession(t, s)
		b, err := s.GetBlock(t.Context(), identity(t, "hello"))
		require.NoError(t, err)
		require.Equal(t, "hello", string(b.RawData()))
		_, err = s.GetBlock(t.Context(), cid.Undef)
		require.ErrorIs(t, err, ErrUndefined)
		_, err = s.GetBlocks(t.Context(), []cid.Cid{cid.Undef})
		require.ErrorIs(t, err, ErrUndefined)
		empty := blocks.NewBlock(nil)
		b, err = s.GetBlock(t.Context(), empty.Cid())
		require.NoError(t, err)
		require.Empty(t, b.RawData())
		ch, err := s.GetBlocks(t.Context(), []cid.Cid{identity(t, "a"), identity(t, "a"), empty.Cid()})
		require.NoError(t, err)
		n := 0
		for range ch {
			n++
		}
		require.Equal(t, 2, n)
	})
}

func TestADeadlineSaysWhatEachPeerAnswered(t *testing.T) {
	onFloor(t, func(t *testing.T, f *floor) {
		_, cids := someBlocks(1, 10)
		f.connect("a")
		s := f.open(WithPeers("a"), WithWaiting())
		defer closeSession(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		_, err := s.GetBlock(ctx, cids[0])
		require.Equal(t, time.Minute, time.Since(begin))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var failed *FetchError
		require.ErrorAs(t, err, &failed)
		require.True(t, failed.Timeout())
		require.Equal(t, map[peer.ID]Outcome{"a": DontHave}, outcomes(failed))
	})
}

func TestAnEndedContextIsRefused(t *testing.T) {
	onFloor(t, func(t *testing.T, f *floor) {
		_, cids := someBlocks(1, 10)
		s := f.open()
		defer closeSession(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.GetBlock(ctx, cids[0])
		require.ErrorIs(t, err, context.Canceled)
		_, err = s.GetBlocks(ctx, cids)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestCancelledGetBlocksClosesItsChannel(t *testing.T) {
	onFloor(t, func(t *testing.T, f *floor) {
		bs, cids := someBlocks(20, 9000)
		f.connect("a", bs[:10]...)
		s := f.open()
		defer closeSession(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		ch, err := s.GetBlocks(ctx, cids)
		require.NoError(t, err)
		<-ch
		cancel()
		for range ch {
		}
	})
}

// Close fails what is open, and what comes later is refused.
func TestCloseEndsEveryCall(t *testing.T) {
	onFloor(t, func(t *testing.T, f *floor) {
		_, cids := someBlocks(50, 10)
		s := f.open()
		var calls sync.WaitGroup
		for _, c := range cids {
			calls.Go(func() {
				_, err := s.GetBlock(context.Background(), c)
				assert.ErrorIs(t, err, ErrClosed)
			})
		}
		ch, err := s.GetBlocks(context.Background(), cids)
		require.NoError(t, err)
		in := make(chan cid.Cid, 1)
		in <- cids[0]
		results := s.Results(context.Background(), in)
		synctest.Wait()
		closeSession(t, s)
		calls.Wait()
		for range ch {
		}
		r, more := <-results
		require.True(t, more, "every CID gets a result")
		require.ErrorIs(t, r.Err, ErrClosed)
		_, more = <-results
		require.False(t, more)
		_, err = s.GetBlock(context.Background(), cids[0])
		require.ErrorIs(t, err, ErrClosed)
		_, err = s.GetBlocks(context.Background(), cids)
		require.ErrorIs(t, err, ErrClosed)
	})
}

// A session that is closed while it opens leaves nothing with the actors below.
func TestASessionClosedAtOnceLeavesNothing(t *testing.T) {
	onFloor(t, func(t *testing.T, f *floor) {
		_, cids := someBlocks(1, 10)
		for range 200 {
			s := f.open()
			go func() { _, _ = s.GetBlock(context.Background(), cids[0]) }()
			closeSession(t, s)
		}
		synctest.Wait()
	})
}

// The exchange closes below a session that works.
func TestASessionEndsWithTheActorsBelow(t *testing.T) {
	onFloor(t, func(t *testing.T, f *floor) {
		bs, cids := someBlocks(50, 9000)
		f.connect("a", bs...)
		s := f.open()
		ch, err := s.GetBlocks(context.Background(), cids)
		require.NoError(t, err)
		<-ch
		go f.stop()
		closeSession(t, s)
		for range ch {
		}
	})
}

// Ten thousand calls at once share one session.
func TestManyCallsAtOnce(t *testing.T) {
	onFloor(t, func(t *testing.T, f *floor) {
		bs, cids := someBlocks(3000, 100)
		f.connect("a", bs...)
		s := f.open(WithPeers("a"))
		defer closeSession(t, s)
		var calls sync.WaitGroup
		for _, c := range cids {
			calls.Go(func() {
				b, err := s.GetBlock(t.Context(), c)
				if assert.NoError(t, err) {
					assert.Equal(t, c, b.Cid())
				}
			})
		}
		calls.Wait()
	})
}

// A stream takes its wants in as its results go out, in order.
func TestResultsKeepUpWithAStream(t *testing.T) {
	onFloor(t, func(t *testing.T, f *floor) {
		bs, cids := someBlocks(6000, 100)
		f.connect("a", bs...)
		s := f.open(WithPeers("a"))
		defer closeSession(t, s)
		in := make(chan cid.Cid)
		out := s.Results(t.Context(), in)
		go func() {
			defer close(in)
			for _, c := range cids {
				in <- c
			}
		}()
		n := 0
		for r := range out {
			require.NoError(t, r.Err)
			n++
		}
		require.Equal(t, len(cids), n)
	})
}

// Peers that had the sample, too, are all used. Goroutines run in any order, and a
// HAVE that comes when everything was asked for brings nothing: hence nearly
// always.
func TestEveryPeerThatHasItIsUsed(t *testing.T) {
	const runs = 20
	all := 0
	for range runs {
		onFloor(t, func(t *testing.T, f *floor) {
			bs, cids := someBlocks(200, 9000)
			for _, id := range []peer.ID{"a", "b", "c", "d"} {
				f.connect(id, bs...)
			}
			s := f.open()
			defer closeSession(t, s)
			in := make(chan cid.Cid, len(cids))
			for _, c := range cids {
				in <- c
			}
			close(in)
			from := make(map[peer.ID]int)
			for r := range s.Results(t.Context(), in) {
				from[r.From]++
			}
			if len(from) == 4 {
				all++
			}
		})
	}
	require.GreaterOrEqual(t, all, runs*3/4)
}
