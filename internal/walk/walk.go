// Package walk visits every block of a DAG once, in bounded memory. What blocks of a codec
// link to it is told by who walks.
package walk

import (
	"context"
	"errors"
	"fmt"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"

	"github.com/souk-p2p/souk/internal/table"
)

// Getter fetches blocks, those that are stored here before those that are not. Blocks
// are trusted to match their CIDs: whoever fetches verifies.
type Getter interface {
	// GetBlock returns one block or the reason why there is none.
	GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error)
	// GetBlocks delivers each block once, in any order, and closes the channel after the
	// last one, when ctx ends, or when the rest cannot be had.
	GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error)
}

// Seen remembers what was walked. The one that [NewSeen] returns does so by the CID.
type Seen interface {
	// Has reports whether a CID was added.
	Has(c cid.Cid) bool
	// Add adds a CID and reports whether it is new.
	Add(c cid.Cid) bool
}

// Options tune a walk. Links has to be set.
type Options struct {
	// Links returns the CIDs that a block links to, in order.
	Links func(b blocks.Block) ([]cid.Cid, error)
	// Leaf, if set, reports whether a CID says that its block links to nothing.
	Leaf func(c cid.Cid) bool
	// Seen is what was walked already and is left out with what only it links to. It may
	// be shared by walks that follow each other. Without one everything is walked once.
	Seen Seen
	// Stored, if set, is asked for each block that links to nothing. One for which it
	// returns true is visited without being read.
	Stored func(ctx context.Context, c cid.Cid) (bool, error)
	// Missing, if set, is told of a block that cannot be had, and why. When it returns nil
	// the walk goes on without the block.
	Missing func(c cid.Cid, why error) error
	// Unreadable, if set, is told of a block whose links cannot be read, and why. When it
	// returns nil the block is visited as one that links to nothing.
	Unreadable func(c cid.Cid, why error) error
}

// The blocks that come next are asked for together: as many as are about aheadBytes, which
// keeps a pipe of 600 Mb/s and 100 ms full, going by those that came so far.
const (
	aheadBytes  = 8 << 20
	mostAhead   = 1024
	firstSize   = 256 << 10 // a leaf of most files
	mostHeld    = 4 * aheadBytes
	mostPending = 1 << 20 // links that are known and not walked yet, of 50 bytes
)

// ErrLimit is a DAG with too many links side by side to be walked.
var ErrLimit = errors.New("too many links")

// Visit is told of a block. The block is nil when Options.Stored has said that it is
// there.
type Visit func(c cid.Cid, b blocks.Block) error

// Walk visits every block below a root once: depth first, a block before what it links
// to, and links in their order. Blocks that an identity CID carries are visited, too. It
// ends with the first error, be it the visit's own or one that names a block.
//
// It holds at most 32 MiB of blocks and one more, and up to about 50 MB of links besides
// what it has seen: see table.Set.
func Walk(ctx context.Context, get Getter, root cid.Cid, o Options, visit Visit) error {
	if o.Seen == nil {
		o.Seen = NewSeen()
	}
	w := walk{ctx: ctx, get: get, o: o, pending: []cid.Cid{root}, ahead: make(map[cid.Cid]blocks.Block), size: firstSize}
	for len(w.pending) > 0 {
		c := w.pending[len(w.pending)-1]
		w.pending = w.pending[:len(w.pending)-1]
		if o.Seen.Add(c) {
			if err := w.enter(c, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// walk is one under way.
type walk struct {
	ctx     context.Context
	get     Getter
	o       Options
	pending []cid.Cid // the next is the last
	ahead   map[cid.Cid]blocks.Block
	held    int // bytes in ahead
	size    int // of blocks, about, that came so far
}

func (w *walk) enter(c cid.Cid, visit Visit) error {
	switch there, err := w.stored(c); {
	case err != nil:
		return err
	case there:
		return visit(c, nil)
	}
	b, err := w.block(c)
	if err != nil {
		return w.missing(c, err)
	}
	links, err := w.o.Links(b)
	if err != nil && w.o.Unreadable != nil {
		err = w.o.Unreadable(c, err)
	}
	if err != nil {
		return fmt.Errorf("block %s: %w", c, err)
	}
	if err := visit(c, b); err != nil {
		return err
	}
	if len(w.pending)+len(links) > mostPending {
		return fmt.Errorf("block %s: %w: %d", c, ErrLimit, len(w.pending)+len(links))
	}
	for i := len(links) - 1; i >= 0; i-- {
		w.pending = append(w.pending, links[i])
	}
	return nil
}

// stored reports whether a block need not be read. One that has been is, whether it has
// been stored since or not: it makes room for those that come next.
func (w *walk) stored(c cid.Cid) (bool, error) {
	if w.ahead[c] != nil {
		return false, nil
	}
	if w.o.Stored == nil || w.o.Leaf == nil || !w.o.Leaf(c) {
		return false, nil
	}
	return w.o.Stored(w.ctx, c)
}

func (w *walk) missing(c cid.Cid, err error) error {
	if end := context.Cause(w.ctx); end != nil {
		return end
	}
	if w.o.Missing != nil {
		return w.o.Missing(c, err)
	}
	return fmt.Errorf("block %s: %w", c, err)
}

func (w *walk) block(c cid.Cid) (blocks.Block, error) {
	if b, ok := Inline(c); ok {
		return b, nil
	}
	if _, there := w.ahead[c]; !there {
		if err := w.fetch(c); err != nil {
			return nil, err
		}
	}
	if b, there := w.ahead[c]; there {
		delete(w.ahead, c)
		w.held -= len(b.RawData())
		return b, nil
	}
	return w.get.GetBlock(w.ctx, c) // or the reason why there is none
}

// fetch gets a block and those that are walked after it.
func (w *walk) fetch(c cid.Cid) error {
	next, err := w.next(c)
	if err != nil || len(next) == 1 {
		return err
	}
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	in, err := w.get.GetBlocks(ctx, next)
	if err != nil {
		return err
	}
	for b := range in {
		if w.held > mostHeld {
			cancel() // and drop what still comes
			continue
		}
		if _, there := w.ahead[b.Cid()]; !there {
			w.ahead[b.Cid()] = b
			w.held += len(b.RawData())
			w.size += (len(b.RawData()) - w.size) / 8
		}
	}
	return nil
}

// next are a block and those after it that are to be asked for with it.
func (w *walk) next(c cid.Cid) ([]cid.Cid, error) {
	most := min(mostAhead, max(1, (aheadBytes-w.held)/max(w.size, 1)))
	next, chosen := []cid.Cid{c}, map[cid.Cid]bool{c: true}
	for i := len(w.pending) - 1; i >= max(0, len(w.pending)-most) && len(next) < most; i-- {
		p := w.pending[i]
		if chosen[p] {
			continue
		}
		lacks, err := w.lacks(p)
		if err != nil {
			return nil, err
		}
		if lacks {
			next, chosen[p] = append(next, p), true
		}
	}
	return next, nil
}

// lacks reports whether a block will have to be fetched.
func (w *walk) lacks(c cid.Cid) (bool, error) {
	if _, inline := Inline(c); inline || w.ahead[c] != nil || w.o.Seen.Has(c) {
		return false, nil
	}
	there, err := w.stored(c)
	return !there, err
}

// Inline returns the block that an identity CID carries in itself. Such a CID is never
// asked for.
func Inline(c cid.Cid) (blocks.Block, bool) {
	if c.Prefix().MhType != multihash.IDENTITY {
		return nil, false
	}
	mh, err := multihash.Decode(c.Hash())
	if err != nil {
		return nil, false
	}
	b, err := blocks.NewBlockWithCid(mh.Digest, c)
	return b, err == nil
}

// seen is what [NewSeen] returns.
type seen struct{ set *table.Set }

// NewSeen returns an empty memory of CIDs, which takes up to 28 bytes for each: see
// table.Set.
func NewSeen() Seen { return seen{table.NewSet()} }

func (s seen) Has(c cid.Cid) bool { return s.set.Has(s.set.Hash(c.KeyString())) }

func (s seen) Add(c cid.Cid) bool { return s.set.Add(s.set.Hash(c.KeyString())) }
