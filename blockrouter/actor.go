package blockrouter

import (
	"context"
	"errors"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/network"
)

// Store is where blocks are kept; a blockstore.Blockstore is one.
type Store interface {
	Has(ctx context.Context, c cid.Cid) (bool, error)
	Get(ctx context.Context, c cid.Cid) (blocks.Block, error)
	PutFetched(ctx context.Context, bs []blocks.Block) error
}

// Stage makes blocks readable that wait to be stored, for those who would else be
// told that we do not have what we have just got. A blockstore.Staged is one. Its
// methods must not block.
type Stage interface {
	Stage([]blocks.Block)
	Unstage([]blocks.Block)
}

// Config is what a router needs. Zero numbers mean the defaults.
type Config struct {
	Store Store
	// Stage holds what was received until it is stored. May be nil.
	Stage Stage
	// Available is told of every block that is stored; it must not block. May
	// be nil.
	Available func([]blocks.Block)
	// Record takes what the ledger is to know; it must not block. May be nil.
	Record func(...ledger.Delta)
	// Came is told of each block that came from a peer: how large it is, and whether
	// nobody here waited for it any more. It must not block. May be nil.
	Came func(bytes uint64, dup bool)
	// Denied reports whether what a peer says is ignored. It is asked for each message,
	// from the router's goroutine, and must not block. Nil ignores nobody.
	Denied func(peer.ID) bool
	Fail   func(error) // told when the actor broke; may be nil
	// Panicked is told of a panic in Store, which is an error of what was asked
	// of it; may be nil.
	Panicked func(error)

	WithoutStoring bool // received blocks are delivered and not stored
	StoreBytes     int  // received and not yet stored; default 32 MiB, half of what a node may have in flight
	Readers        int  // look-ups in the store at once; default 2
	Logger         *zap.Logger
}

func (c *Config) setDefaults() {
	if c.StoreBytes == 0 {
		c.StoreBytes = 32 << 20
	}
	if c.Readers == 0 {
		c.Readers = 2
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	if c.Available == nil {
		c.Available = func([]blocks.Block) {}
	}
	if c.Denied == nil {
		c.Denied = func(peer.ID) bool { return false }
	}
	if c.Record == nil {
		c.Record = func(...ledger.Delta) {}
	}
}

const (
	inboxDepth   = 64      // requests of sessions: lets a burst of them start without waiting for each other
	inboundDepth = 16      // messages of readers: more would only take memory that the store has no room for
	batchBytes   = 8 << 20 // of one write: large enough that a write's fixed cost does not count
	lookupCIDs   = 256     // of one look-up
	loadCIDs     = 16      // of one load: a few MiB of blocks
)

func (c *Config) limits() limits {
	return limits{
		storeBytes: c.StoreBytes, batchBytes: batchBytes, lookupCIDs: lookupCIDs, loadCIDs: loadCIDs,
		workers: c.Readers, keep: !c.WithoutStoring, weigh: c.Came != nil,
	}
}

// Router is the BlockRouter actor. Make it with [New].
type Router struct {
	cfg     Config
	loop    *actor.Loop
	inbox   *actor.Inbox[request]
	inbound *actor.Inbox[network.Answers]
	stat    actor.Snapshot[Stat]
	work    *workers
}

// New returns a router that has not started.
func New(cfg Config) *Router {
	cfg.setDefaults()
	loop := actor.NewLoop("blockrouter", cfg.Fail)
	r := &Router{
		cfg: cfg, loop: loop,
		inbox:   actor.InboxOf[request](loop, inboxDepth),
		inbound: actor.InboxOf[network.Answers](loop, inboundDepth),
	}
	r.work = newWorkers(&r.cfg)
	r.stat.Set(&Stat{})
	return r
}

// Start starts the actor and its workers.
func (r *Router) Start() { r.loop.Start(r.run) }

// Stop takes nothing more in, waits until what was received is stored, and ends
// the actor. When ctx ends first Stop returns its error, and what is not stored
// is given up: the store's calls get an ended context. Those that do not return
// all the same are left behind.
func (r *Router) Stop(ctx context.Context) error {
	err := r.loop.Stop(ctx)
	if err != nil {
		r.work.giveUp()
		<-r.loop.Done() // It waits for nothing but the store.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), returnTime)
		defer cancel()
	}
	return errors.Join(err, r.work.wait(ctx))
}

// returnTime is for how long calls of the store are waited for whose context has
// ended.
const returnTime = 200 * time.Millisecond

// shell is what the goroutine of the actor holds beside its state.
type shell struct {
	*Router
	state *state
	links *actor.Numbers[linkID, *Link]
	// refusing says that the store failed the last time; a broken disk is not
	// logged once more for every batch.
	refusing bool
}

func (r *Router) newShell() *shell {
	return &shell{
		Router: r,
		state:  newState(r.cfg.limits()),
		links:  actor.NewNumbers[linkID, *Link](),
	}
}

func (r *Router) run(ctx context.Context) {
	s := r.newShell()
	defer s.close()
	s.work.start()
	s.loopUntil(ctx)
	s.settle()
}

func (s *shell) loopUntil(ctx context.Context) {
	for {
		s.loop.Waiting(time.Now())
		inbound := s.inbound.C()
		if s.state.full() {
			inbound = nil
		}
		select {
		case req := <-s.inbox.C():
			s.handle(s.loop.Begin(), req)
		case a := <-inbound:
			s.loop.Begin()
			s.receive(a)
		case res := <-s.work.looked:
			s.state.looked(s.loop.Begin(), res)
		case err := <-s.work.wrote:
			s.loop.Begin()
			s.wrote(err)
		case <-ctx.Done():
			return
		}
		s.perform(s.state.take())
	}
}

func (s *shell) handle(now time.Time, req request) {
	switch req := req.(type) {
	case openLink:
		s.state.open(s.links.Add(req.link))
	case want:
		s.state.want(s.links.Of(req.link), req.cids)
	case load:
		s.state.load(s.links.Of(req.link), req.cids)
	case cancel:
		s.state.cancel(s.links.Of(req.link), req.cids)
	case listen:
		s.state.listen(s.links.Of(req.link), req.to)
	case cancelAll:
		s.state.cancelAll(s.links.Of(req.link))
	case put:
		s.state.put(now, req.blocks)
	case count:
		req.reply <- s.state.wishes.first.Len()
	}
}

func (s *shell) receive(a network.Answers) {
	if s.cfg.Denied(a.From) {
		s.state.ignored(a.From, a.Blocks, a.Release)
		return
	}
	s.state.message(a.From, a.Began, a.At, a.Blocks, a.Haves, a.DontHaves, a.Release)
}

func (s *shell) wrote(err error) {
	switch log := s.cfg.Logger; {
	case err != nil && !s.refusing:
		log.Error("received blocks could not be stored", zap.Int("blocks", len(s.state.writing)), zap.Error(err))
	case err == nil && s.refusing:
		log.Info("received blocks are stored again", zap.Uint64("lost", s.state.stat.StoreErrors))
	}
	s.refusing = err != nil
	s.state.wrote(err)
}

func (s *shell) perform(out effects) {
	s.record(out.received) // First: who gets a block may look at the counters at once.
	for _, w := range out.weighed {
		s.cfg.Came(w.bytes, w.dup)
	}
	if s.cfg.Stage != nil && len(out.staged) > 0 {
		s.cfg.Stage.Stage(out.staged)
	}
	for _, i := range out.info {
		s.links.Party(i.link).slot.Publish(i.info, merge)
	}
	for _, id := range out.closed {
		s.links.Remove(id).slot.Close()
	}
	for _, j := range out.lookups {
		s.work.lookups <- j // A worker is free: the state counts them.
	}
	if len(out.write) > 0 {
		s.work.writes <- out.write // The writer is free: the state gives it one job at a time.
	}
	if len(out.available) > 0 {
		s.cfg.Available(out.available)
	}
	if s.cfg.Stage != nil && len(out.unstaged) > 0 {
		s.cfg.Stage.Unstage(out.unstaged)
	}
	for _, release := range out.release {
		release()
	}
}

// record tells the ledger what was received, and publishes the counters when
// they have changed.
func (s *shell) record(received []receipt) {
	for _, r := range received {
		s.cfg.Record(ledger.Delta{Peer: r.peer, Counters: ledger.Counters{
			BytesReceived: r.bytes, BlocksReceived: r.blocks, Duplicates: r.dupBlocks, DuplicateBytes: r.dupBytes,
			HavesReceived: r.haves, DontHavesReceived: r.dontHaves,
		}})
	}
	if stat := s.state.stat; stat != *s.stat.Get() {
		s.stat.Set(&stat)
	}
}

// settle delivers and stores what was received before the end.
func (s *shell) settle() {
	for a := range s.inbound.Rest() {
		s.receive(a)
		s.perform(s.state.take())
	}
	s.closeLinks() // Nobody waits for the store to hear that this is the end.
	for len(s.state.writing) > 0 {
		select {
		case err := <-s.work.wrote:
			s.wrote(err)
			s.perform(s.state.take())
		case <-s.work.writing.Done(): // Given up.
			return
		}
	}
}

// close is the end, also when the state broke: it asks nothing of the state.
func (s *shell) close() {
	s.loop.End()
	s.closeLinks()
	for a := range s.inbound.Rest() {
		a.Release()
	}
	s.work.end()
}

// closeLinks closes every link, those as well that were opened too late.
func (s *shell) closeLinks() {
	for l := range s.links.All() {
		l.slot.Close()
	}
	s.links = actor.NewNumbers[linkID, *Link]()
	for req := range s.inbox.Rest() {
		if o, ok := req.(openLink); ok {
			o.link.slot.Close()
		}
	}
}
