// Package gc removes from a store what no root leads to.
//
// It marks, from the roots on, what is to stay, and then goes through the store and
// removes the rest. Marks are hashes: 20 to 28 bytes for each block that stays, and
// twice that for blocks with links (see table.Set), so 28 MB at most for a million.
// Blocks without links are not read.
//
// A store is in use meanwhile: see [blockstore.Guarded] for what is left alone. When
// anything is in doubt nothing is removed: a source that fails, a block on the way from a
// root that is missing or cannot be read.
package gc

import (
	"context"
	"errors"
	"fmt"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/adapter/dag"
	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/internal/table"
)

// ErrNoRoots is a collection that would remove every block there is.
var ErrNoRoots = errors.New("no root says that anything is to stay")

// IncompleteError says that something on the way from a root is not stored, so that it is
// not known what else belongs to it. It is a fault of the store, and does not count as "not
// found".
type IncompleteError struct {
	Root    roots.Root
	Missing cid.Cid
	Err     error
}

func (e *IncompleteError) Error() string {
	return fmt.Sprintf("block %s of %s cannot be read, so nothing was removed: %v", e.Missing, e.Root, e.Err)
}

// Options tune a collection. The zero value is ready to use.
type Options struct {
	// DryRun removes nothing and counts what would be.
	DryRun bool
	// All removes everything when there are no roots, which is an [ErrNoRoots] otherwise.
	All bool
	// Progress, if set, is told now and then, by one goroutine.
	Progress func(Progress)
	// Removed, if set, is told of what is removed, or would be: CIDs of version 1 and codec
	// raw, since the codec is not kept, valid until it returns.
	Removed func([]cid.Cid)
	// Marked, if set, is told what stays before anything is removed, but not in a dry run:
	// whole reports whether of a DAG everything stays that is here. When it returns an error
	// nothing is removed.
	Marked func(ctx context.Context, whole func(root cid.Cid) bool) error
}

// Progress is how far a collection has come.
type Progress struct {
	Roots  int64 `json:"roots"`  // followed
	Marked int64 `json:"marked"` // blocks that stay, as far as they have been found
	Result
}

// Result is what a collection did. In a dry run it is what it would do.
type Result struct {
	RemovedBlocks int64 `json:"removed_blocks"`
	RemovedBytes  int64 `json:"removed_bytes"`
	KeptBlocks    int64 `json:"kept_blocks"`
	KeptBytes     int64 `json:"kept_bytes"`
	// HeldBlocks are those among the kept that no root leads to, but that were stored or
	// found meanwhile.
	HeldBlocks int64 `json:"held_blocks"`
}

// Collect removes what no root leads to. It blocks until that is done, and ends with ctx,
// which leaves garbage and nothing else behind, as does the end of the process.
func Collect(ctx context.Context, store *blockstore.Guarded, from *roots.Registry, o Options) (Result, error) {
	c := collection{store: store, o: o, marks: newMarks()}
	_, err := store.Sweep(ctx, func(ctx context.Context) (func(cid.Cid) bool, error) {
		err := c.mark(ctx, from)
		if err == nil && o.Marked != nil && !o.DryRun {
			err = o.Marked(ctx, c.marks.whole)
		}
		return c.marks.wanted, err
	}, blockstore.SweepOptions{DryRun: o.DryRun, Report: c.swept})
	return c.progress.Result, err
}

// collection is one under way.
type collection struct {
	store    *blockstore.Guarded
	o        Options
	marks    *marks
	progress Progress
}

func (c *collection) mark(ctx context.Context, from *roots.Registry) error {
	for root, err := range from.All(ctx) {
		if err == nil {
			err = c.follow(ctx, root)
		}
		if err != nil {
			return err
		}
		c.progress.Roots++
	}
	if c.progress.Roots == 0 && !c.o.All {
		return c.requireEmpty(ctx)
	}
	c.report()
	return nil
}

func (c *collection) requireEmpty(ctx context.Context) error {
	for _, err := range c.store.AllKeys(ctx) {
		if err != nil {
			return err
		}
		return ErrNoRoots
	}
	return nil
}

// follow marks a root and, unless it is direct, what is below.
func (c *collection) follow(ctx context.Context, root roots.Root) error {
	if root.Kind == roots.Direct {
		c.marks.set.Add(c.marks.block(root.CID))
		return nil
	}
	var missing *IncompleteError
	o := dag.Options{
		Seen:   c.marks,
		Stored: func(context.Context, cid.Cid) (bool, error) { return true, nil },
		Missing: func(at cid.Cid, why error) error {
			missing = &IncompleteError{Root: root, Missing: at, Err: why}
			return missing
		},
	}
	if root.Kind == roots.Partial {
		o = partial(o, c.marks)
	}
	err := dag.Walk(ctx, dag.Local(c.store.Get), root.CID, o, c.visit)
	if err != nil && missing == nil {
		return fmt.Errorf("follow %s: %w", root, err)
	}
	return err
}

// partial are the options with which a root is followed as far as it is here. A block that
// is there and cannot be read for now is another matter: what it links to is to stay.
func partial(o dag.Options, m *marks) dag.Options {
	incomplete := o.Missing
	o.Seen = partly{m}
	o.Missing = func(at cid.Cid, why error) error {
		var missing *blockstore.NotFoundError
		if errors.As(why, &missing) {
			return nil
		}
		return incomplete(at, why)
	}
	o.Unreadable = func(cid.Cid, error) error { return nil }
	return o
}

// reports is how many blocks are marked between two reports.
const reports = 4096

func (c *collection) visit(cid.Cid, blocks.Block) error {
	if c.progress.Marked++; c.progress.Marked%reports == 0 {
		c.report()
	}
	return nil
}

func (c *collection) swept(r blockstore.Removed) {
	c.progress.Result = Result{
		RemovedBlocks: r.Blocks, RemovedBytes: r.Bytes,
		KeptBlocks: r.KeptBlocks, KeptBytes: r.KeptBytes, HeldBlocks: r.KeptByNote,
	}
	if c.o.Removed != nil && len(r.CIDs) > 0 {
		c.o.Removed(r.CIDs)
	}
	c.report()
}

func (c *collection) report() {
	if c.o.Progress != nil {
		c.o.Progress(c.progress)
	}
}

// marks is what is to stay. As a [dag.Seen] it knows what was walked, which is not the
// same: one multihash may be a block with links under one CID, and none under another.
type marks struct{ set *table.Set }

func newMarks() *marks { return &marks{set: table.NewSet()} }

func (m *marks) block(c cid.Cid) table.Hash { return m.set.Hash("m" + string(c.Hash())) }

func (m *marks) walked(c cid.Cid) table.Hash { return m.set.Hash("c" + c.KeyString()) }

func (m *marks) wanted(c cid.Cid) bool { return m.set.Has(m.block(c)) }

func (m *marks) partly(c cid.Cid) table.Hash { return m.set.Hash("p" + c.KeyString()) }

// whole reports whether of a DAG everything stays that is here.
func (m *marks) whole(c cid.Cid) bool { return partly{m}.Has(c) }

// Has implements [dag.Seen].
func (m *marks) Has(c cid.Cid) bool {
	if dag.IsLeaf(c) {
		return m.wanted(c)
	}
	return m.set.Has(m.walked(c))
}

// Add implements [dag.Seen].
func (m *marks) Add(c cid.Cid) bool {
	isNew := m.set.Add(m.block(c))
	if dag.IsLeaf(c) {
		return isNew
	}
	return m.set.Add(m.walked(c))
}

// partly is the [dag.Seen] of walks that leave out what is missing. They have one of their
// own, because a root of which everything is to be here has to be walked all the same.
type partly struct{ *marks }

// Has implements [dag.Seen].
func (p partly) Has(c cid.Cid) bool {
	return p.marks.Has(c) || !dag.IsLeaf(c) && p.set.Has(p.partly(c))
}

// Add implements [dag.Seen].
func (p partly) Add(c cid.Cid) bool {
	if p.Has(c) {
		return false
	}
	isNew := p.set.Add(p.block(c))
	if dag.IsLeaf(c) {
		return isNew
	}
	return p.set.Add(p.marks.partly(c))
}
