package stress

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockrouter"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/engine"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/peerrouter"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/wantmanager"
)

const (
	alice peer.ID = "alice"
	bob   peer.ID = "bob"
)

// x and y are what is wanted.
var (
	letters = corpus.Blocks(1, 2, 100)
	x, y    = letters[0], letters[1]
)

// surroundings are the peers around an actor: whether each is connected, what the actor
// was told of that, and what a peer has been asked and not told to forget.
type surroundings struct {
	mu      sync.Mutex
	changed chan struct{}
	now     map[peer.ID]network.PeerState
	noted   []network.PeerState
	asked   map[peer.ID]map[cid.Cid]bool
	sent    map[peer.ID][]cid.Cid // blocks
	last    uint64                // generation and epoch
	drop    bool                  // the next message is lost on its way
}

func newSurroundings() *surroundings {
	return &surroundings{
		changed: make(chan struct{}, 1), now: make(map[peer.ID]network.PeerState),
		asked: make(map[peer.ID]map[cid.Cid]bool), sent: make(map[peer.ID][]cid.Cid),
	}
}

// connect is a connection, of which the actor is not told yet; lose the end of it,
// with which the peer forgets what it was asked.
func (s *surroundings) connect(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.now[p] = network.PeerState{Peer: p, Connected: true, Version: message.V120, Generation: s.last, Epoch: s.last}
	s.asked[p] = make(map[cid.Cid]bool)
}

func (s *surroundings) lose(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.now[p]
	state.Peer, state.Connected = p, false
	s.now[p] = state
	delete(s.asked, p)
}

// note tells the actor how a peer stands now.
func (s *surroundings) note(p peer.ID) {
	s.mu.Lock()
	if state, known := s.now[p]; known {
		s.noted = append(s.noted, state)
	}
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *surroundings) generation(p peer.ID) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now[p].Generation
}

func (s *surroundings) C() <-chan struct{} { return s.changed }

func (s *surroundings) Take() []network.PeerState {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.noted
	s.noted = nil
	return taken
}

var errUnreachable = errors.New("nobody answers")

func (s *surroundings) Connect(context.Context, peer.AddrInfo) error { return errUnreachable }

// Hand is what a peer reads.
func (s *surroundings) Hand(p peer.ID, lane network.Lane, m *message.Message, report func(network.Sent)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := network.Sent{Peer: p, Lane: lane, At: time.Now()}
	asked := s.asked[p]
	switch {
	case asked == nil:
		sent.Err = &network.SendError{Peer: p, Err: network.ErrNotConnected}
	case s.drop:
		s.drop = false
		go s.lost(p)
	default:
		for _, e := range m.Wantlist {
			asked[e.CID] = true
			if e.Cancel {
				delete(asked, e.CID)
			}
		}
		for _, b := range m.Blocks {
			s.sent[p] = append(s.sent[p], b.Cid())
		}
	}
	go report(sent)
}

// lost says that a peer has not got all that it was sent, although it was
// reported as written.
func (s *surroundings) lost(p peer.ID) {
	s.mu.Lock()
	s.last++
	state := s.now[p]
	state.Epoch = s.last
	s.now[p] = state
	s.mu.Unlock()
	s.note(p)
}

func (s *surroundings) loseNext() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop = true
}

func (*surroundings) Progress(peer.ID) time.Time { return time.Now() }
func (*surroundings) Hold(peer.ID, string)       {}
func (*surroundings) Release(peer.ID, string)    {}

// asks lists what a peer has been asked.
func (s *surroundings) asks(p peer.ID) []cid.Cid {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.asked[p]))
}

// peersRig is a PeerRouter with one link that is interested in a peer and one that
// watches.
type peersRig struct {
	*surroundings
	router              *peerrouter.Router
	interested, watcher *peerrouter.Link
	words               map[*peerrouter.Link]map[peer.ID]peerrouter.Status
}

func newPeersRig(t *testing.T) *peersRig {
	s := newSurroundings()
	r := &peersRig{surroundings: s, router: peerrouter.New(peerrouter.Config{Peers: s, Dialer: s}), words: make(map[*peerrouter.Link]map[peer.ID]peerrouter.Status)}
	r.router.Start()
	for _, l := range []**peerrouter.Link{&r.interested, &r.watcher} {
		var err error
		*l, err = r.router.Open(t.Context())
		require.NoError(t, err)
		r.words[*l] = make(map[peer.ID]peerrouter.Status)
	}
	return r
}

// status is the last word that a link has heard of a peer.
func (r *peersRig) status(l *peerrouter.Link, p peer.ID) peerrouter.Status {
	select {
	case news := <-l.C():
		for q, n := range news {
			r.words[l][q] = n.Status
		}
	default:
	}
	return r.words[l][p]
}

func (r *peersRig) check(t *testing.T) {
	for _, l := range []*peerrouter.Link{r.interested, r.watcher} {
		require.Equal(t, peerrouter.Available, r.status(l, alice))
		require.NotEqual(t, peerrouter.Available, r.status(l, bob))
	}
}

func (r *peersRig) end(t *testing.T) { require.NoError(t, r.router.Stop(t.Context())) }

// Alice is connected in the end, and Bob is not.
func TestWhatLinksHearOfPeersDoesNotDependOnTheOrder(t *testing.T) {
	inEveryOrder(t, newPeersRig, []step[*peersRig]{
		{"alice comes", nil, func(r *peersRig) { r.connect(alice); r.note(alice) }},
		{"alice goes", []string{"alice comes"}, func(r *peersRig) { r.lose(alice); r.note(alice) }},
		{"alice is back", []string{"alice goes"}, func(r *peersRig) { r.connect(alice); r.note(alice) }},
		{"bob comes", nil, func(r *peersRig) { r.connect(bob); r.note(bob) }},
		{"bob goes", []string{"bob comes"}, func(r *peersRig) { r.lose(bob); r.note(bob) }},
		{"interest", nil, func(r *peersRig) {
			_ = r.interested.Interest(context.Background(), peer.AddrInfo{ID: alice}, peer.AddrInfo{ID: bob})
		}},
		{"watch", nil, func(r *peersRig) { _ = r.watcher.Watch(context.Background()) }},
	})
}

// wantsRig is a WantManager with two links.
type wantsRig struct {
	*surroundings
	manager *wantmanager.Manager
	links   [2]*wantmanager.Link
	live    [2]map[cid.Cid]bool // what each link wants of Alice
}

func newWantsRig(t *testing.T) *wantsRig {
	s := newSurroundings()
	r := &wantsRig{surroundings: s, manager: wantmanager.New(wantmanager.Config{Peers: s, Sender: s})}
	r.manager.Start()
	for i := range r.links {
		var err error
		r.links[i], err = r.manager.Open(t.Context())
		require.NoError(t, err)
		r.live[i] = make(map[cid.Cid]bool)
	}
	return r
}

func (r *wantsRig) want(i int, b blocks.Block) {
	r.live[i][b.Cid()] = true
	_ = r.links[i].Send(context.Background(), map[peer.ID][]wantmanager.Ask{alice: {{CID: b.Cid()}}})
}

func (r *wantsRig) cancel(i int, b blocks.Block) {
	delete(r.live[i], b.Cid())
	_ = r.links[i].Cancel(context.Background(), []cid.Cid{b.Cid()})
}

// check connects Alice, who then has to be asked for what somebody wants.
func (r *wantsRig) check(t *testing.T) {
	if !r.now[alice].Connected {
		r.connect(alice)
	}
	r.note(alice)
	time.Sleep(10 * time.Second) // Failed writes are tried again after a pause.
	synctest.Wait()
	want := maps.Clone(r.live[0])
	maps.Copy(want, r.live[1])
	require.ElementsMatch(t, slices.Collect(maps.Keys(want)), r.asks(alice))
}

func (r *wantsRig) end(t *testing.T) { require.NoError(t, r.manager.Stop(t.Context())) }

// The connection comes, goes and comes again, notices of it come late or merge,
// and links want and cancel meanwhile.
func TestWhatAPeerIsAskedDoesNotDependOnTheOrder(t *testing.T) {
	connection := []step[*wantsRig]{
		{"connected", nil, func(r *wantsRig) { r.connect(alice) }},
		{"lost", []string{"connected"}, func(r *wantsRig) { r.lose(alice) }},
		{"connected again", []string{"lost"}, func(r *wantsRig) { r.connect(alice) }},
		{"notice", nil, func(r *wantsRig) { r.note(alice) }},
	}
	t.Run("two links want the same", func(t *testing.T) {
		inEveryOrder(t, newWantsRig, append(slices.Clone(connection),
			step[*wantsRig]{"first wants x", nil, func(r *wantsRig) { r.want(0, x) }},
			step[*wantsRig]{"second wants x", nil, func(r *wantsRig) { r.want(1, x) }},
			step[*wantsRig]{"first cancels x", nil, func(r *wantsRig) { r.cancel(0, x) }},
		))
	})
	t.Run("one link changes its mind", func(t *testing.T) {
		inEveryOrder(t, newWantsRig, append(slices.Clone(connection),
			step[*wantsRig]{"wants x", nil, func(r *wantsRig) { r.want(0, x) }},
			step[*wantsRig]{"cancels x", []string{"wants x"}, func(r *wantsRig) { r.cancel(0, x) }},
			step[*wantsRig]{"wants y", nil, func(r *wantsRig) { r.want(0, y) }},
		))
	})
	inRandomOrders(t, newWantsRig, []step[*wantsRig]{
		{"connected", nil, func(r *wantsRig) { r.connect(alice) }},
		{"lost", nil, func(r *wantsRig) { r.lose(alice) }},
		{"notice", nil, func(r *wantsRig) { r.note(alice) }},
		{"first wants x", nil, func(r *wantsRig) { r.want(0, x) }},
		{"first cancels x", nil, func(r *wantsRig) { r.cancel(0, x) }},
		{"second wants x", nil, func(r *wantsRig) { r.want(1, x) }},
		{"second cancels x", nil, func(r *wantsRig) { r.cancel(1, x) }},
		{"second wants y", nil, func(r *wantsRig) { r.want(1, y) }},
		{"second cancels y", nil, func(r *wantsRig) { r.cancel(1, y) }},
		{"the next message is lost", nil, func(r *wantsRig) { r.loseNext() }},
		{"a while passes", nil, func(*wantsRig) { time.Sleep(time.Second) }},
	})
}

// inRandomOrders tells long sequences of events, each from a seed.
func inRandomOrders[R rig](t *testing.T, begin func(t *testing.T) R, steps []step[R]) {
	t.Helper()
	const seeds, length = 300, 100
	tally.Add(t, tally.Permutations, seeds)
	for seed := range uint64(seeds) {
		random := rand.New(rand.NewPCG(seed, 0))
		order := make([]step[R], length)
		for i := range order {
			order[i] = steps[random.IntN(len(steps))]
		}
		inOrder(t, begin, order)
	}
}

// serverRig is an Engine with an empty store, of which Alice wants something.
type serverRig struct {
	*surroundings
	engine *engine.Engine
	store  blockstore.Blockstore
	wants  map[cid.Cid]bool // of Alice, on her present connection
	due    map[cid.Cid]int  // how often she has to be sent a block
}

func newServerRig(t *testing.T) *serverRig {
	s := newSurroundings()
	r := &serverRig{surroundings: s, store: blockstore.New(inMemory()), wants: make(map[cid.Cid]bool), due: make(map[cid.Cid]int)}
	var err error
	r.engine, err = engine.New(engine.Config{Peers: s, Sender: s, Store: r.store})
	require.NoError(t, err)
	r.engine.Start()
	return r
}

func (r *serverRig) come() {
	r.connect(alice)
	r.note(alice)
	clear(r.wants)
}

func (r *serverRig) leave() {
	r.lose(alice)
	r.note(alice)
	clear(r.wants)
}

// says is a message of Alice's on the present connection, or on the one before.
func (r *serverRig) says(b blocks.Block, cancel, before bool) {
	generation := r.generation(alice)
	if before {
		generation--
	} else if r.now[alice].Connected {
		r.wants[b.Cid()] = true
		if cancel {
			delete(r.wants, b.Cid())
		}
		r.serve(b.Cid())
	} else {
		return // Nobody could say it.
	}
	_ = r.engine.ReceiveWants(context.Background(), network.Wants{
		From: alice, Generation: generation, Entries: []message.Entry{{CID: b.Cid(), Cancel: cancel, Priority: 1}},
	})
}

// serve counts what has to be sent now.
func (r *serverRig) serve(c cid.Cid) {
	if has, _ := r.store.Has(context.Background(), c); has && r.wants[c] {
		r.due[c]++
		delete(r.wants, c)
	}
}

func (r *serverRig) put(b blocks.Block) {
	_ = r.store.Put(context.Background(), b)
	r.serve(b.Cid())
	r.engine.Available().Publish(network.Sized{CID: b.Cid(), Size: len(b.RawData())})
}

func (r *serverRig) check(t *testing.T) {
	list, err := r.engine.WantlistOf(t.Context(), alice)
	require.NoError(t, err)
	var wants []cid.Cid
	for _, e := range list {
		wants = append(wants, e.CID)
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(r.wants)), wants)
	sent := make(map[cid.Cid]int)
	for _, c := range r.sent[alice] {
		sent[c]++
	}
	require.Equal(t, r.due, sent)
}

func (r *serverRig) end(t *testing.T) { require.NoError(t, r.engine.Stop(t.Context())) }

// What Alice said on a connection counts as long as it lasts, also when a reader
// delivers it after the next one is known.
func TestWhatAPeerWantsDoesNotDependOnTheOrder(t *testing.T) {
	steps := []step[*serverRig]{
		{"comes", nil, (*serverRig).come},
		{"goes", []string{"comes"}, (*serverRig).leave},
		{"is back", []string{"goes"}, (*serverRig).come},
		{"wants x", []string{"comes"}, func(r *serverRig) { r.says(x, false, false) }},
		{"cancels x", []string{"comes"}, func(r *serverRig) { r.says(x, true, false) }},
		{"wanted y before", []string{"is back"}, func(r *serverRig) { r.says(y, false, true) }},
		{"x is put", nil, func(r *serverRig) { r.put(x) }},
	}
	inEveryOrder(t, newServerRig, steps)
	inRandomOrders(t, newServerRig, []step[*serverRig]{
		{"comes", nil, (*serverRig).come},
		{"goes", nil, (*serverRig).leave},
		{"wants x", nil, func(r *serverRig) { r.says(x, false, false) }},
		{"cancels x", nil, func(r *serverRig) { r.says(x, true, false) }},
		{"wants y", nil, func(r *serverRig) { r.says(y, false, false) }},
		{"cancels y", nil, func(r *serverRig) { r.says(y, true, false) }},
		{"y is put", nil, func(r *serverRig) { r.put(y) }},
	})
}

// blocksRig is a BlockRouter with two links.
type blocksRig struct {
	router *blockrouter.Router
	links  [2]*blockrouter.Link
	wants  [2]bool // x, and has not got it
	due    [2]bool // x has to come, as a block or as one that is here
	stored bool
}

func newBlocksRig(t *testing.T) *blocksRig {
	r := &blocksRig{router: blockrouter.New(blockrouter.Config{Store: blockstore.New(inMemory())})}
	r.router.Start()
	for i := range r.links {
		var err error
		r.links[i], err = r.router.Open(t.Context())
		require.NoError(t, err)
	}
	return r
}

func (r *blocksRig) want(i int) {
	r.wants[i] = true
	r.due[i] = r.due[i] || r.stored
	_ = r.links[i].Want(context.Background(), []cid.Cid{x.Cid()})
}

func (r *blocksRig) cancel(i int) {
	r.wants[i] = false
	_ = r.links[i].Cancel(context.Background(), []cid.Cid{x.Cid()})
}

// receive gives x to those who want it; it is stored if there is one.
func (r *blocksRig) receive(from peer.ID) {
	for i := range r.wants {
		if r.wants[i] {
			r.stored, r.due[i], r.wants[i] = true, true, false
		}
	}
	_ = r.router.ReceiveAnswers(context.Background(), network.Answers{From: from, Blocks: []blocks.Block{x}, At: time.Now()})
}

func (r *blocksRig) check(t *testing.T) {
	for i, l := range r.links {
		var info blockrouter.Info
		select {
		case info = <-l.C():
		default:
		}
		require.Equal(t, r.due[i], len(info.Blocks)+len(info.Local) > 0, "link %d", i)
		require.LessOrEqual(t, len(info.Blocks), 1)
	}
}

func (r *blocksRig) end(t *testing.T) { require.NoError(t, r.router.Stop(t.Context())) }

// A block comes twice, from two peers, while links want it and cancel.
func TestWhoGetsABlockDoesNotDependOnTheOrder(t *testing.T) {
	inEveryOrder(t, newBlocksRig, []step[*blocksRig]{
		{"first wants", nil, func(r *blocksRig) { r.want(0) }},
		{"first cancels", []string{"first wants"}, func(r *blocksRig) { r.cancel(0) }},
		{"second wants", nil, func(r *blocksRig) { r.want(1) }},
		{"alice sends", nil, func(r *blocksRig) { r.receive(alice) }},
		{"bob sends", nil, func(r *blocksRig) { r.receive(bob) }},
		{"bob has it", nil, func(r *blocksRig) {
			_ = r.router.ReceiveAnswers(context.Background(), network.Answers{From: bob, Haves: []cid.Cid{x.Cid()}, At: time.Now()})
		}},
	})
}
