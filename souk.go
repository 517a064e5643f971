// Package souk is a Bitswap-compatible block exchange: it fetches blocks from
// peers by their CIDs, verifies them, and serves those that it has.
//
// [New] makes an [Exchange] on a libp2p host and a block store. Fetch with
// [Exchange.GetBlock], or in a session made by [Exchange.NewSession], which
// groups related wants: a session may name the peers to ask (and asks no
// others), or leave it to the exchange to find some. Give blocks to others with
// [Exchange.Put]. [Exchange.Ledgers] says what passed between us and each peer.
//
// An exchange is made of actors, goroutines that share nothing; ARCHITECTURE.md
// is their map.
package souk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/blockrouter"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/engine"
	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/network"
	"github.com/souk-p2p/souk/peerrouter"
	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/providers/announcer"
	"github.com/souk-p2p/souk/providers/client"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/session"
	"github.com/souk-p2p/souk/wantmanager"
)

// The errors of a fetch, and what became of asking a peer. They are those of
// package session.
var (
	ErrClosed      = session.ErrClosed
	ErrNoProviders = session.ErrNoProviders
)

// FetchError says why a block did not come, with what each peer answered.
type FetchError = session.FetchError

// Exchange is one node's place in the exchange of blocks. Its methods are safe
// for concurrent use.
type Exchange struct {
	host  host.Host
	store *blockstore.Staged
	opts  options
	log   *zap.Logger

	panics    *panics
	policy    *policy
	classes   classes
	network   *network.Network
	ledger    *ledger.Ledger
	peers     *peerrouter.Router
	blocks    *blockrouter.Router
	wants     *wantmanager.Manager
	engine    *engine.Engine
	providers *providers.Directory
	trackers  *client.Client
	announcer *announcer.Announcer
	tracker   *tracker.Tracker // nil unless this node is one
	inside    *actor.Crew      // streams of this node to its own tracker
	fetches   *fetchTimes      // nil where nobody gathers metrics
	kubo      *kuboMetrics     // nil where nobody gathers those

	draining atomic.Bool

	mu       sync.Mutex
	common   *session.Session              // of the calls without a session of their own
	restarts uint64                        // of common, after it broke
	opened   uint64                        // sessions so far
	sessions map[*session.Session]struct{} // nil once closing
	services map[*Service]struct{}
	closed   chan struct{} // closed at the end of Close
	broken   error         // why an actor broke
	inquiry  *inquiry      // the last question whether the store answers
}

// New starts an exchange on a host and a block store, neither of which it
// closes. ctx bounds the start only; [Exchange.Close] ends the exchange.
func New(ctx context.Context, h host.Host, store blockstore.Blockstore, opts ...Option) (*Exchange, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	x := &Exchange{
		host: h, store: blockstore.NewStaged(store), opts: defaults(),
		sessions: make(map[*session.Session]struct{}), services: make(map[*Service]struct{}), closed: make(chan struct{}),
		classes: classes{passed: make(map[string]*ledger.Counters)},
	}
	for _, o := range opts {
		o(&x.opts)
	}
	x.log = x.opts.logger.Named("exchange")
	x.panics = newPanics(x.log)
	x.inside = actor.NewCrew("tracker", x.panics.contained)
	if x.opts.flood {
		x.log.Warn("flooding is on: every connected peer is asked for every block that a session wants which names no peers")
	}
	if x.opts.registerer != nil {
		x.fetches = newFetchTimes()
	}
	x.kubo = newKuboMetrics(x)
	if err := x.build(ctx); err != nil {
		return nil, fmt.Errorf("souk: %w", err)
	}
	if err := x.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("souk: %w", err), x.Close())
	}
	return x, nil
}

// build makes the actors and connects them; nothing runs yet.
func (x *Exchange) build(ctx context.Context) (err error) {
	x.buildLedger(ctx)
	net := x.opts.network(x.host)
	net.Panicked, net.Proven, net.Observer = x.panics.contained, x.proven, x.kubo.observer()
	if x.network, err = network.New(net); err != nil {
		return err
	}
	known := x.ledger.Port("peerrouter")
	x.policy = newPolicy(&x.opts, x.network.Addrs)
	x.peers = peerrouter.New(peerrouter.Config{
		Peers: x.network.Watch(), Dialer: x.network, Fail: x.fail, Panicked: x.panics.contained, Logger: x.log.Named("peers"),
		Known:  func(p peer.ID, connected bool) { known.Record(ledger.Connected(p, connected)) },
		Denied: x.policy.denied,
	})
	_, down := x.policy.rates()
	if err := down.Validate(); err != nil {
		return fmt.Errorf("download rates: %w", err)
	}
	if err := x.buildEngine(); err != nil {
		return err
	}
	x.blocks = blockrouter.New(blockrouter.Config{
		Store: x.store, Stage: x.store, Available: x.available, Record: x.account("blockrouter").Record, Fail: x.fail, Came: x.kubo.came(), Denied: x.policy.denied,
		Panicked: x.panics.contained, WithoutStoring: x.opts.withoutStoring, StoreBytes: x.opts.storeBytes, Logger: x.log.Named("blocks"),
	})
	x.wants = wantmanager.New(wantmanager.Config{
		Rates: down, Class: x.policy.class,
		Peers: x.network.Watch(), Sender: x.network, Record: x.account("wantmanager").Record, Fail: x.fail,
		SessionBytes: x.opts.sessionBytes, NodeBytes: x.opts.nodeBytes, Logger: x.log.Named("wants"),
	})
	if err := x.buildDiscovery(); err != nil {
		return err
	}
	return x.register()
}

func (x *Exchange) buildEngine() (err error) {
	var peers engine.Watch = nobody{}
	if !x.opts.serverDisabled {
		peers = x.network.Watch()
	}
	up, _ := x.policy.rates()
	x.engine, err = engine.New(engine.Config{
		Sender: x.network, Peers: peers, Store: x.store, Ledger: x.account("engine"),
		Scores: x.ledger.Scores, Access: x.policy.allow, Open: x.policy.open, Rates: up, Class: x.policy.class,
		Disabled: x.opts.serverDisabled, Limits: x.opts.engine,
		Seed: seed(x.host.ID()), Logger: x.log.Named("engine"), Failed: x.fail, Panicked: x.panics.contained,
	})
	return err
}

// account is where an actor records what passed. It counts by class, too, and the
// faults that the actor found count as strikes, like those that the readers of
// streams find.
type account struct {
	port *ledger.Port
	x    *Exchange
}

func (x *Exchange) account(actor string) account { return account{port: x.ledger.Port(actor), x: x} }

// Record does not block.
func (a account) Record(deltas ...ledger.Delta) {
	a.port.Record(deltas...)
	for i := range deltas {
		d := &deltas[i]
		if d.BlocksReceived+d.BlocksSent > 0 {
			a.x.classes.count(a.x.policy.class(d.Peer), &d.Counters)
		}
		if d.Fault != 0 {
			a.x.network.Strike(d.Peer, d.Fault, int(max(d.Times, 1)))
		}
	}
}

// proven reports whether blocks were exchanged with a peer.
func (x *Exchange) proven(p peer.ID) bool {
	scores := x.ledger.Scores()
	return scores.Debt(p) > 0 || scores.Of(p) > ledger.Unknown
}

// nobody is the watch of an engine that serves nobody: one that is never read
// would gather every peer that ever came.
type nobody struct{}

func (nobody) C() <-chan struct{}        { return nil }
func (nobody) Take() []network.PeerState { return nil }

// start runs the actors from the ground up; messages come in last.
func (x *Exchange) start() error {
	x.ledger.Start()
	x.peers.Start()
	x.engine.Start()
	x.blocks.Start()
	x.wants.Start()
	x.trackers.Start()
	x.providers.Start()
	x.announcer.Start()
	if x.tracker != nil {
		x.tracker.Start()
	}
	x.common = x.NewSession(context.Background())
	return x.network.Start(network.Sinks{
		Wants: x.engine.ReceiveWants, Heard: x.wants.ReceiveHeard, Answers: x.blocks.ReceiveAnswers, Fault: x.ledger.Fault,
	})
}

// available tells the engine of blocks that are stored.
func (x *Exchange) available(bs []blocks.Block) {
	sized := make([]network.Sized, len(bs))
	for i, b := range bs {
		sized[i] = network.Sized{CID: b.Cid(), Size: len(b.RawData())}
	}
	x.engine.Available().Publish(sized...)
}

// fail is told by an actor that broke. An exchange without one of its actors
// keeps no promise, so it closes.
func (x *Exchange) fail(err error) {
	x.panics.note("an actor broke; the exchange closes", err)
	x.mu.Lock()
	x.broken = errors.Join(x.broken, err)
	x.mu.Unlock()
	go func() { _ = x.Close() }() // The reason is in the log and in the next Close.
}

// GetBlock fetches one block, verified: from the store if it is there, else
// from peers. It blocks until the block is there, the fetch has failed with a
// [*FetchError], or ctx ends. For several related blocks use a session.
func (x *Exchange) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	return x.shared().GetBlock(ctx, c)
}

// GetBlocks fetches blocks, verified, in the order in which they come; each CID
// once. See [session.Session.GetBlocks].
func (x *Exchange) GetBlocks(ctx context.Context, cids []cid.Cid) (<-chan blocks.Block, error) {
	return x.shared().GetBlocks(ctx, cids)
}

// shared returns the session of calls without one. One that broke has failed its
// calls; the next gets another.
func (x *Exchange) shared() *session.Session {
	x.mu.Lock()
	defer x.mu.Unlock()
	select {
	case <-x.common.Done():
		if x.sessions != nil {
			x.common = x.newSession(context.Background())
			x.restarts++
		}
	default:
	}
	return x.common
}

// NewSession starts a session, which groups related wants and remembers which
// peers had them. It ends with ctx, with its own Close or with the exchange;
// after that its getters return [ErrClosed].
func (x *Exchange) NewSession(ctx context.Context, opts ...session.Option) *session.Session {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.newSession(ctx, opts...)
}

// newSession is called with the lock.
func (x *Exchange) newSession(ctx context.Context, opts ...session.Option) *session.Session {
	if x.sessions == nil {
		ended, end := context.WithCancel(ctx)
		end()
		ctx = ended
	}
	x.opened++
	cfg := session.Config{
		ID: x.opened, Self: x.host.ID(), Blocks: x.blocks, Peers: x.peers, Wants: x.wants, Providers: x.providers,
		Score: func(p peer.ID) float64 { return x.ledger.Scores().Of(p) },
		Ended: x.ended, Fail: x.sessionBroke, Panicked: x.panics.contained, Flood: x.opts.flood, Candidates: x.opts.candidates,
		Logger: x.log.Named("sessions"), Progress: x.network.Progress, Took: x.fetches.observer(),
		Hook: x.opts.hook,
	}
	s := session.New(ctx, cfg, append([]session.Option{session.WithNamespace(x.opts.namespace)}, opts...)...)
	if x.sessions != nil {
		x.sessions[s] = struct{}{}
	}
	return s
}

// ended is told by a session that it has ended.
func (x *Exchange) ended(s *session.Session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.sessions, s)
}

// sessionBroke is told by a session that broke. Its calls get ErrClosed; others
// do not depend on it.
func (x *Exchange) sessionBroke(err error) {
	x.panics.note("a session broke", err)
}

// Put stores blocks and gives them to whoever waits for them, here and at peers.
// When it returns the blocks are on disk, as far as the store goes there. A
// block whose bytes do not hash to its CID is refused, and nothing is stored.
func (x *Exchange) Put(ctx context.Context, bs ...blocks.Block) error {
	if err := verify(bs); err != nil {
		return err
	}
	if err := x.store.PutMany(ctx, bs); err != nil {
		return fmt.Errorf("store %d blocks: %w", len(bs), err)
	}
	return x.notify(ctx, bs)
}

// NotifyNewBlocks gives blocks that the caller has stored to whoever waits for
// them, here and at peers. A block whose bytes do not hash to its CID is
// refused, and nobody is given any.
func (x *Exchange) NotifyNewBlocks(ctx context.Context, bs ...blocks.Block) error {
	if err := verify(bs); err != nil {
		return err
	}
	return x.notify(ctx, bs)
}

func (x *Exchange) notify(ctx context.Context, bs []blocks.Block) error {
	err := x.blocks.Put(ctx, slices.Clone(bs)) // The caller may use its slice again.
	if x.closing() {
		return ErrClosed
	}
	return err
}

// verify returns an error for the first block that is not what its CID says.
func verify(bs []blocks.Block) error {
	for _, b := range bs {
		if _, inline := session.Identity(b.Cid()); inline {
			continue
		}
		if err := message.CheckCID(b.Cid()); err != nil {
			return err
		}
		sum, err := b.Cid().Prefix().Sum(b.RawData())
		if err != nil {
			return fmt.Errorf("hash block %s: %w", b.Cid(), err)
		}
		if !sum.Equals(b.Cid()) {
			return fmt.Errorf("block %s: its bytes hash to %s", b.Cid(), sum)
		}
	}
	return nil
}

// WantlistOf lists what a peer wants of us and has not got.
func (x *Exchange) WantlistOf(ctx context.Context, p peer.ID) ([]message.Entry, error) {
	return x.engine.WantlistOf(ctx, p)
}

// seed makes a number from a peer id, so that each node breaks ties its own way.
func seed(p peer.ID) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(p) {
		h = (h ^ uint64(p[i])) * 1099511628211
	}
	return h
}
