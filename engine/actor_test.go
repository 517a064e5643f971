package engine

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a shelf for several goroutines, on which reading a block can hang.
type store struct {
	mu    sync.Mutex
	shelf *shelf
	hang  map[cid.Cid]chan struct{}
}

func newStore() *store { return &store{shelf: newShelf(), hang: make(map[cid.Cid]chan struct{})} }

func (s *store) put(bs ...blocks.Block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shelf.put(bs...)
}

func (s *store) damage(b blocks.Block, broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shelf.broken[message.Multihash(b.Cid())] = broken
}

func (s *store) get(c cid.Cid) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shelf.get(c)
}

func (s *store) GetSize(_ context.Context, c cid.Cid) (int, error) {
	data, err := s.get(c)
	return len(data), err
}

func (s *store) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	if hang := s.hang[c]; hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	data, err := s.get(c)
	if err != nil {
		return nil, err
	}
	return blocks.NewBlockWithCid(data, c)
}

// wire is a network that writes down what it is given. It takes what a peer is
// sent unless that peer is stuck.
type wire struct {
	mu    sync.Mutex
	said  map[peer.ID][]string
	stuck map[peer.ID]chan struct{}
	all   sync.WaitGroup
}

func newWire() *wire {
	return &wire{said: make(map[peer.ID][]string), stuck: make(map[peer.ID]chan struct{})}
}

func (w *wire) Hand(p peer.ID, l network.Lane, m *message.Message, report func(network.Sent)) {
	w.all.Go(func() {
		w.mu.Lock()
		stuck := w.stuck[p]
		w.mu.Unlock()
		if stuck != nil {
			<-stuck
		}
		w.mu.Lock()
		for _, b := range m.Blocks {
			w.said[p] = append(w.said[p], "block "+name(b.Cid()))
		}
		for _, pr := range m.Presences {
			w.said[p] = append(w.said[p], map[bool]string{true: "have ", false: "dont-have "}[pr.Have]+name(pr.CID))
		}
		w.mu.Unlock()
		report(network.Sent{Peer: p, Lane: l})
	})
}

func (w *wire) heard(p peer.ID) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	said := w.said[p]
	delete(w.said, p)
	slices.Sort(said)
	return said
}

// doors is a watch that is told by hand.
type doors struct {
	mu     sync.Mutex
	c      chan struct{}
	states []network.PeerState
}

func newDoors(present ...peer.ID) *doors {
	d := &doors{c: make(chan struct{}, 1)}
	for _, p := range present {
		d.set(p, true)
	}
	return d
}

func (d *doors) C() <-chan struct{} { return d.c }

func (d *doors) Take() []network.PeerState {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := d.states
	d.states = nil
	return taken
}

func (d *doors) set(p peer.ID, connected bool) {
	d.mu.Lock()
	d.states = append(d.states, network.PeerState{Peer: p, Connected: connected, Version: message.V120, Generation: 1})
	d.mu.Unlock()
	select {
	case d.c <- struct{}{}:
	default:
	}
}

// book is a ledger that adds up.
type book struct {
	mu   sync.Mutex
	sums map[peer.ID]uint64
}

func (b *book) Record(deltas ...ledger.Delta) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range deltas {
		b.sums[d.Peer] += d.BytesSent
	}
}

// stall is an engine with everything around it.
type stall struct {
	*Engine
	t     testing.TB
	store *store
	wire  *wire
	doors *doors
	book  *book
}

func open(t testing.TB, change func(*Config)) *stall {
	s := &stall{
		t: t, store: newStore(), wire: newWire(), doors: newDoors(alice, bob, carol),
		book: &book{sums: make(map[peer.ID]uint64)},
	}
	cfg := Config{Sender: s.wire, Peers: s.doors, Store: s.store, Ledger: s.book}
	if change != nil {
		change(&cfg)
	}
	e, err := New(cfg)
	require.NoError(t, err)
	s.Engine = e
	e.Start()
	t.Cleanup(func() {
		require.NoError(t, e.Stop(context.Background()))
		s.wire.all.Wait()
	})
	return s
}

func (s *stall) want(p peer.ID, entries ...message.Entry) {
	s.t.Helper()
	require.NoError(s.t, s.ReceiveWants(context.Background(), network.Wants{From: p, Entries: entries}))
}

func (s *stall) put(bs ...blocks.Block) {
	s.store.put(bs...)
	var news []network.Sized
	for _, b := range bs {
		news = append(news, network.Sized{CID: b.Cid(), Size: len(b.RawData())})
	}
	s.Available().Publish(news...)
}

func (s *stall) list(p peer.ID) []string {
	entries, err := s.WantlistOf(context.Background(), p)
	require.NoError(s.t, err)
	var list []string
	for _, e := range entries {
		list = append(list, name(e.CID))
	}
	slices.Sort(list)
	return list
}

func TestEngineAnswersWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, nil)
		s.store.put(letter("a"), letter("b"))
		s.want(alice, parse("B:a H:b B:x")...)
		synctest.Wait()
		require.Equal(t, []string{"block a", "dont-have x", "have b"}, s.wire.heard(alice))
		require.Equal(t, []string{"x"}, s.list(alice))
		counts, err := s.Wants(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[peer.ID]int{alice: 1}, counts)

		s.put(letter("x"))
		synctest.Wait()
		require.Equal(t, []string{"block x"}, s.wire.heard(alice))
		stat := s.Stat()
		require.EqualValues(t, 2, stat.BlocksSent)
		require.EqualValues(t, 2*4096, stat.DataSent)
		require.EqualValues(t, 1, stat.HavesSent)
		require.EqualValues(t, 1, stat.DontHavesSent)
		require.EqualValues(t, 2*4096, s.book.sums[alice])
		require.Zero(t, s.Depth())
	})
}

// W8 of the list of bad inputs: a want that meets the storing of its block.
func TestNoWantIsLostToAPutAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, nil)
		for i, b := range many(10_000, 16) {
			names.Store(b.Cid(), "it")
			var both sync.WaitGroup
			both.Go(func() { s.want(alice, wantBlock(b)) })
			both.Go(func() { s.put(b) })
			both.Wait()
			synctest.Wait()
			require.Equal(t, []string{"block it"}, s.wire.heard(alice), "trial %d", i)
		}
	})
}

func TestABlockThatHangsInTheStoreHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, func(c *Config) { c.Limits.MessageBytes = 1 })
		release := make(chan struct{})
		s.store.hang[letter("a").Cid()] = release
		s.store.put(letter("a"), letter("b"), letter("c"))
		s.want(alice, parse("b:a b:b")...)
		s.want(bob, parse("b:c")...)
		synctest.Wait()
		require.Equal(t, []string{"block b"}, s.wire.heard(alice))
		require.Equal(t, []string{"block c"}, s.wire.heard(bob))
		require.Equal(t, []string{"a"}, s.list(alice), "the loop still answers")
		close(release)
		synctest.Wait()
		require.Equal(t, []string{"block a"}, s.wire.heard(alice))
	})
}

func TestAFailingStoreIsLoggedAndAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.WarnLevel)
		s := open(t, func(c *Config) { c.Logger = zap.New(core) })
		s.store.put(letter("a"), letter("b"))
		s.store.damage(letter("a"), true)
		s.want(alice, parse("B:a B:b")...)
		synctest.Wait()
		require.Equal(t, []string{"block b"}, s.wire.heard(alice))
		require.Equal(t, 1, logs.Len())
		s.store.damage(letter("a"), false)
		time.Sleep(retryFirst)
		synctest.Wait()
		require.Equal(t, []string{"block a"}, s.wire.heard(alice))
	})
}

func TestAStoreOrHookThatPanicsIsAFailureOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, func(c *Config) {
			c.Access = func(_ peer.ID, c cid.Cid) bool {
				if c == letter("a").Cid() {
					panic("no such user")
				}
				return true
			}
		})
		s.store.put(letter("a"), letter("b"))
		s.want(alice, parse("B:a B:b")...)
		synctest.Wait()
		require.Equal(t, []string{"block b"}, s.wire.heard(alice))
		require.EqualValues(t, 1, s.Stat().StoreErrors)
	})
}

func TestReadingPausesWhileThereAreNoTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, func(c *Config) { c.Limits.Tasks = 3 })
		unstick := make(chan struct{})
		s.wire.stuck[alice] = unstick
		for _, n := range []string{"a", "b", "c", "d", "e"} {
			s.store.put(letter(n))
		}
		paused := make(chan error, 1)
		receive := func(ctx context.Context, wants string) {
			paused <- s.ReceiveWants(ctx, network.Wants{From: alice, Entries: parse(wants)})
		}
		go receive(t.Context(), "b:a b:b b:c b:d b:e")
		synctest.Wait()
		require.Empty(t, paused)

		s.want(bob, parse("b:a b:b b:c")...) // Others go on,
		s.want(alice, parse("c:e")...)       // and so do cancels.
		synctest.Wait()
		require.Len(t, s.wire.heard(bob), 3)
		require.Equal(t, []string{"a", "b", "c", "d"}, s.list(alice))

		ctx, stop := context.WithCancel(t.Context())
		go receive(ctx, "b:e")
		synctest.Wait()
		stop()
		require.ErrorIs(t, <-paused, context.Canceled)

		close(unstick)
		require.NoError(t, <-paused)
		synctest.Wait()
		require.Equal(t, []string{"block a", "block b", "block c", "block d", "block e"}, s.wire.heard(alice))
	})
}

func TestAPeerThatLeavesLetsItsReadersGoAndIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, func(c *Config) { c.Limits.Tasks = 1 })
		unstick := make(chan struct{})
		s.wire.stuck[alice] = unstick
		s.store.put(letter("a"), letter("b"))
		paused := make(chan error, 1)
		go func() {
			paused <- s.ReceiveWants(t.Context(), network.Wants{From: alice, Entries: parse("b:a b:b b:x")})
		}()
		synctest.Wait()
		s.doors.set(alice, false)
		require.NoError(t, <-paused)
		require.Empty(t, s.list(alice))
		close(unstick)
		synctest.Wait()
		stat := s.Stat()
		require.Equal(t, 2, stat.Partners, "bob and carol")
		require.Zero(t, stat.Wants+stat.TableBytes+stat.InFlightBytes)
	})
}

// The network notes that a peer is there before it delivers what that peer
// wants; the wants must not be dropped as those of an earlier connection.
func TestWantsThatComeWithANewConnectionAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, nil)
		for i := range 100 {
			s.doors.set(alice, false)
			s.doors.set(alice, true)
			s.want(alice, parse("b:x")...)
			require.Equal(t, []string{"x"}, s.list(alice), "trial %d", i)
		}
	})
}

func TestTooManyNewBlocksAreFoundAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, nil)
		s.want(alice, parse("b:x")...)
		synctest.Wait()
		s.store.put(letter("x"))
		news := make([]network.Sized, mostAvailable+1)
		for i := range news {
			news[i] = network.Sized{CID: letter("y").Cid(), Size: 1}
		}
		s.Available().Publish(news...)
		synctest.Wait()
		require.Equal(t, []string{"block x"}, s.wire.heard(alice))
	})
}

func TestMergingNewsKeepsEachBlockOnce(t *testing.T) {
	bs := many(mostAvailable+1, 8)
	news := func(from, to int) availability {
		var sizes []network.Sized
		for _, b := range bs[from:to] {
			sizes = append(sizes, network.Sized{CID: b.Cid(), Size: 8})
		}
		return newAvailability(sizes)
	}
	merged := mergeAvailability(mergeAvailability(news(0, 10), news(5, 15)), news(0, 20))
	require.Len(t, merged.blocks, 20)
	require.False(t, merged.all)
	merged = mergeAvailability(news(0, mostAvailable), news(0, mostAvailable))
	require.Len(t, merged.blocks, mostAvailable)
	merged = mergeAvailability(merged, news(mostAvailable, mostAvailable+1))
	require.True(t, merged.all)
	require.True(t, mergeAvailability(merged, news(0, 1)).all)
	require.Empty(t, merged.blocks)
}

func TestDisabledIgnoresEverything(t *testing.T) {
	e, err := New(Config{Disabled: true})
	require.NoError(t, err)
	e.Start()
	require.NoError(t, e.ReceiveWants(t.Context(), network.Wants{From: alice, Entries: parse("b:a")}))
	e.Available().Publish(network.Sized{CID: letter("a").Cid(), Size: 1})
	list, err := e.WantlistOf(t.Context(), alice)
	require.NoError(t, err)
	require.Empty(t, list)
	counts, err := e.Wants(t.Context())
	require.NoError(t, err)
	require.Empty(t, counts)
	require.Equal(t, Stat{}, e.Stat())
	require.Zero(t, e.Depth())
	require.NoError(t, e.Stop(t.Context()))
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{Sender: newWire(), Peers: newDoors(), Store: newStore()}
	for field, spoil := range map[string]func(*Config){
		"Sender":           func(c *Config) { c.Sender = nil },
		"Peers":            func(c *Config) { c.Peers = nil },
		"Store":            func(c *Config) { c.Store = nil },
		"Workers":          func(c *Config) { c.Workers = -1 },
		"Limits.Tasks":     func(c *Config) { c.Limits.Tasks = -1 },
		"Limits.NodeBytes": func(c *Config) { c.Limits.NodeBytes = -1 },
	} {
		bad := good
		spoil(&bad)
		_, err := New(bad)
		require.ErrorContains(t, err, "Config."+field)
	}
	_, err := New(good)
	require.NoError(t, err)
}

func TestStopUnderLoadLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, nil)
		hang := make(chan struct{})
		bs := many(2000, 16<<10)
		s.store.put(bs...)
		s.store.hang[bs[7].Cid()] = hang
		stuck := make(chan struct{})
		s.wire.stuck[bob] = stuck
		busy := make(chan struct{}, len(everybody))
		var readers sync.WaitGroup
		for _, p := range everybody {
			readers.Go(func() {
				for round := 0; ; round++ {
					if round == 3 {
						busy <- struct{}{}
					}
					err := s.ReceiveWants(context.Background(), network.Wants{From: p, Entries: wantAll(bs)})
					if err != nil {
						assert.ErrorIs(t, err, actor.ErrClosed)
						return
					}
				}
			})
		}
		for range everybody {
			<-busy
		}
		require.NoError(t, s.Stop(t.Context()))
		require.NoError(t, s.Stop(t.Context()))
		readers.Wait()
		close(stuck)
		_, err := s.WantlistOf(t.Context(), alice)
		require.ErrorIs(t, err, actor.ErrClosed)
		s.Available().Publish(network.Sized{CID: bs[0].Cid(), Size: 1})
		s.Start()
	})
}

func TestABrokenInvariantIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := make(chan error, 1)
		s := open(t, func(c *Config) { c.Failed = func(err error) { broken <- err } })
		_ = s.requests.Send(t.Context(), sentReport{ship: &shipment{ // It may see that the actor has ended of it.
			bytes: 1, from: newState(Limits{}, 1, 1).partner(time.Time{}, alice), Message: new(message.Message),
		}})
		require.ErrorContains(t, <-broken, "bytes in flight")
		require.ErrorIs(t, s.ReceiveWants(t.Context(), network.Wants{From: alice}), actor.ErrClosed)
	})
}
