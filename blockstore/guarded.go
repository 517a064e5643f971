package blockstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/internal/table"
	"github.com/souk-p2p/souk/message"
)

// Guarded is a store from which unwanted blocks can be removed while it is in use, and
// that may be given a limit.
//
// # What a sweep leaves alone
//
// Who stores blocks first and says only then that they are to stay, holds the store
// meanwhile: [Guarded.Hold]. From the begin of the oldest hold on, and from the begin of
// a sweep on, everything that is stored, and everything that is found to be stored, is
// noted, by whomever it is. No sweep removes what is noted. The notes are dropped when
// there is neither a hold nor a sweep any more.
//
// So whoever holds the store, stores or finds some blocks, says that they stay (which
// the roots of a later sweep include), and releases the store, keeps them: a sweep that
// began before sees them among the notes, one that begins later among its roots.
//
// Notes take up to 28 bytes a block (see table.Set), for blocks that are in the store.
type Guarded struct {
	store Blockstore

	active atomic.Bool  // there are notes
	rounds atomic.Int64 // goes up when a removal begins and when it ends

	mu       sync.Mutex
	users    int        // holds, and the sweep
	notes    *table.Set // multihashes; nil without users
	removing *removal
	sweeping bool

	account account
	before  func(context.Context) (after func(), err error) // a Delete; nil for nothing
}

// removal is a set of blocks that are being deleted.
type removal struct {
	hashes map[string]struct{}
	done   chan struct{}
}

// NewGuarded returns a store over another, which must be used through it alone.
func NewGuarded(s Blockstore) *Guarded { return &Guarded{store: s} }

// BeforeDelete has someone called before each Delete of a block that is stored, and after
// it: one who remembers what is stored. When that fails the block stays. It is to be called
// before the store is used. Sweeps do not call it: who has a store swept knows of that.
func (g *Guarded) BeforeDelete(call func(context.Context) (after func(), err error)) { g.before = call }

// Hold keeps sweeps from removing what is stored or found from now on until release is
// called, which may be called more than once.
func (g *Guarded) Hold() (release func()) {
	g.enter()
	return sync.OnceFunc(g.leave)
}

func (g *Guarded) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users++; g.notes == nil {
		g.notes = table.NewSet()
		g.active.Store(true)
	}
}

func (g *Guarded) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users--; g.users == 0 {
		g.notes = nil
		g.active.Store(false)
	}
}

// note keeps a block from being removed. It waits for the end of a removal that the
// block is a part of: what is stored after that stays.
func (g *Guarded) note(c cid.Cid) {
	if !g.active.Load() || !c.Defined() {
		return
	}
	if _, inline := identity(c); inline {
		return
	}
	hash := message.Multihash(c)
	g.mu.Lock()
	if g.notes != nil {
		g.notes.Add(g.notes.Hash(hash))
	}
	var wait chan struct{}
	if g.removing != nil {
		if _, going := g.removing.hashes[hash]; going {
			wait = g.removing.done
		}
	}
	g.mu.Unlock()
	if wait != nil {
		<-wait
	}
}

// found makes true what a read has said: that a block is stored. It notes the block, and
// asks for another look when some may have been removed between the look and the note.
func (g *Guarded) found(c cid.Cid, round int64) (again bool) {
	if !g.active.Load() {
		return false
	}
	g.note(c)
	return g.rounds.Load() != round
}

// Has implements [Blockstore].
func (g *Guarded) Has(ctx context.Context, c cid.Cid) (bool, error) {
	round := g.rounds.Load()
	has, err := g.store.Has(ctx, c)
	if has && g.found(c, round) {
		return g.store.Has(ctx, c)
	}
	return has, err
}

// Get implements [Blockstore].
func (g *Guarded) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	round := g.rounds.Load()
	b, err := g.store.Get(ctx, c)
	if err == nil && g.found(c, round) {
		return g.store.Get(ctx, c)
	}
	return b, err
}

// GetSize implements [Blockstore].
func (g *Guarded) GetSize(ctx context.Context, c cid.Cid) (int, error) {
	round := g.rounds.Load()
	size, err := g.store.GetSize(ctx, c)
	if err == nil && g.found(c, round) {
		return g.store.GetSize(ctx, c)
	}
	return size, err
}

// View implements [Blockstore].
func (g *Guarded) View(ctx context.Context, c cid.Cid, read func([]byte) error) error {
	if g.active.Load() { // else a block could go after it was read and before it was noted
		if has, err := g.Has(ctx, c); err != nil {
			return err
		} else if !has {
			return &NotFoundError{CID: c}
		}
	}
	return g.store.View(ctx, c, read)
}

// AllKeys implements [Blockstore]. It notes nothing.
func (g *Guarded) AllKeys(ctx context.Context) iter.Seq2[cid.Cid, error] { return g.store.AllKeys(ctx) }

func (g *Guarded) allSizes(ctx context.Context) iter.Seq2[Sized, error] {
	return AllSizes(ctx, g.store)
}

// Put implements [Blockstore].
func (g *Guarded) Put(ctx context.Context, b blocks.Block) error {
	return g.put(ctx, []blocks.Block{b}, g.store.PutMany)
}

// PutMany implements [Blockstore].
func (g *Guarded) PutMany(ctx context.Context, bs []blocks.Block) error {
	return g.put(ctx, bs, g.store.PutMany)
}

// PutFetched implements [Blockstore].
func (g *Guarded) PutFetched(ctx context.Context, bs []blocks.Block) error {
	return g.put(ctx, bs, g.store.PutFetched)
}

func (g *Guarded) put(ctx context.Context, bs []blocks.Block, store func(context.Context, []blocks.Block) error) error {
	count, size, err := g.reserve(ctx, bs)
	if err != nil {
		return err
	}
	for _, b := range bs {
		g.note(b.Cid())
	}
	err = store(ctx, bs)
	g.account.settle(count, size, err == nil)
	return err
}

// Delete implements [Blockstore]. It deletes what is held, too.
func (g *Guarded) Delete(ctx context.Context, c cid.Cid) error {
	size, err := g.store.GetSize(ctx, c)
	if isNotFound(err) {
		return nil
	}
	if g.before != nil {
		after, err := g.before(ctx)
		if err != nil {
			return err
		}
		defer after()
	}
	if err := g.store.Delete(ctx, c); err != nil {
		return err
	}
	g.account.add(-1, -int64(size))
	return nil
}

// ErrSweeping is the error of a sweep while another is under way.
var ErrSweeping = errors.New("garbage is being collected already: wait until that has ended")

// Removed tells of blocks that a sweep removes, and of what it leaves.
type Removed struct {
	CIDs       []cid.Cid // version 1, codec raw; valid until the call returns
	Blocks     int64     // removed so far
	Bytes      int64
	KeptBlocks int64 // so far
	KeptBytes  int64
	KeptByNote int64 // blocks among them that nothing but a note has kept
}

// SweepOptions tune a sweep.
type SweepOptions struct {
	// DryRun removes nothing and tells what would be.
	DryRun bool
	// Report, if set, is told after each part.
	Report func(Removed)
}

// sweepPart is how many blocks are removed with one write, while who wants to store one
// of them again waits.
const sweepPart = 512

// Sweep removes what nobody wants. It first calls mark, which returns what is wanted:
// from the begin of that call on nothing that is stored or found is removed. Then it goes
// through the store. It returns what it did also when it ends with an error; a process
// that dies meanwhile has lost nothing but what was unwanted.
func (g *Guarded) Sweep(ctx context.Context, mark func(context.Context) (wanted func(cid.Cid) bool, err error), o SweepOptions) (Removed, error) {
	if err := g.beginSweep(); err != nil {
		return Removed{}, err
	}
	defer g.endSweep()
	wanted, err := mark(ctx)
	if err != nil {
		return Removed{}, err
	}
	w := sweep{g: g, o: o}
	err = w.run(ctx, wanted)
	g.account.doubt()
	return w.sum, err
}

func (g *Guarded) beginSweep() error {
	g.mu.Lock()
	if g.sweeping {
		g.mu.Unlock()
		return ErrSweeping
	}
	g.sweeping = true
	g.mu.Unlock()
	g.enter()
	return nil
}

func (g *Guarded) endSweep() {
	g.leave()
	g.mu.Lock()
	g.sweeping = false
	g.mu.Unlock()
}

// sweep is one under way.
type sweep struct {
	g    *Guarded
	o    SweepOptions
	sum  Removed
	part []Sized
}

func (w *sweep) run(ctx context.Context, wanted func(cid.Cid) bool) error {
	for b, err := range AllSizes(ctx, w.g.store) {
		if err != nil {
			return err
		}
		if wanted(b.CID) {
			w.keep(b)
			continue
		}
		if w.part = append(w.part, b); len(w.part) == sweepPart {
			if err := w.flush(ctx); err != nil {
				return err
			}
		}
	}
	return w.flush(ctx)
}

func (w *sweep) keep(b Sized) {
	w.sum.KeptBlocks++
	w.sum.KeptBytes += int64(b.Size)
}

// flush removes those of a part that are not noted.
func (w *sweep) flush(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	going := w.g.condemn(w.part, w.keepNoted, w.o.DryRun)
	err := w.remove(ctx, going)
	w.part = w.part[:0]
	if err == nil && w.o.Report != nil {
		w.o.Report(w.sum)
	}
	return err
}

func (w *sweep) keepNoted(b Sized) {
	w.keep(b)
	w.sum.KeptByNote++
}

func (w *sweep) remove(ctx context.Context, going []Sized) error {
	w.sum.CIDs = w.sum.CIDs[:0]
	var bytes int64
	for _, b := range going {
		w.sum.CIDs = append(w.sum.CIDs, b.CID)
		bytes += int64(b.Size)
	}
	if !w.o.DryRun && len(going) > 0 {
		err := DeleteMany(ctx, w.g.store, w.sum.CIDs)
		w.g.removed()
		if err != nil {
			return fmt.Errorf("remove %d blocks: %w", len(going), err)
		}
		w.g.account.add(-int64(len(going)), -bytes)
	}
	w.sum.Blocks += int64(len(going))
	w.sum.Bytes += bytes
	return nil
}

// condemn returns those of the blocks that are not noted. From then on until
// [Guarded.removed] is called, who stores or finds one of them waits.
func (g *Guarded) condemn(bs []Sized, noted func(Sized), dry bool) (going []Sized) {
	g.mu.Lock()
	defer g.mu.Unlock()
	hashes := make(map[string]struct{}, len(bs))
	for _, b := range bs {
		hash := message.Multihash(b.CID)
		if g.notes.Has(g.notes.Hash(hash)) {
			noted(b)
			continue
		}
		hashes[hash] = struct{}{}
		going = append(going, b)
	}
	if !dry && len(going) > 0 {
		g.rounds.Add(1)
		g.removing = &removal{hashes: hashes, done: make(chan struct{})}
	}
	return going
}

func (g *Guarded) removed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rounds.Add(1)
	close(g.removing.done)
	g.removing = nil
}
