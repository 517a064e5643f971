package unixfs

import (
	"context"
	"fmt"
	"io"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/adapter/dag"
)

const (
	// defaultWindow has 8 MiB under way, which keeps a pipe of 600 Mb/s and
	// 100 ms full.
	defaultWindow = 16 << 20
	// maxAhead bounds the blocks of one window, for DAGs of tiny blocks.
	maxAhead = 4096
	// maxCells bounds the links that are known and not walked yet.
	maxCells = 1 << 20
	// maxBlock is the largest block that Bitswap peers must accept.
	maxBlock = 2 << 20
	// maxHeldWindows bounds the blocks that arrived and are not walked yet, in
	// windows. Honest claims stay within one; a DAG that claims no sizes at all
	// may need eight, since an unknown size counts as unknownSize and the
	// largest block is eight times that.
	maxHeldWindows = 8
	// rescanShare: the window is filled again when one part in so many of it
	// has changed, which makes refills large enough to be worth a call, and
	// the scan of the window constant per block.
	rescanShare = 8
)

// walker visits a DAG depth first and in order, and has the blocks that come
// next under way.
//
// It holds the DAG's frontier as a list of cells in walking order. A cell wants
// a block, or is a step that is ready to be taken. When a wanted block arrives,
// wherever in the list, its cell is replaced in place by what the block holds:
// steps, and cells that want the blocks it links to. The window is the front of
// the list, as far as the weights of its cells reach: a cell weighs what all
// blocks below it are claimed to weigh, so that the window is a length of the
// stream that the caller will see, and what is held is bounded however the
// tree branches. Cells in the window are asked for, one call of GetBlocks for
// all that are new.
//
// One goroutine uses a walker; one more for each open call passes on blocks.
type walker struct {
	get    Getter
	o      walkOptions
	root   cid.Cid
	ctx    context.Context
	cancel context.CancelFunc

	front *cell
	// cells is the length of the list, unasked how many of them want a block
	// and are not in the window; changed counts cells that came or went since
	// the last scan, which visited scanned of them.
	cells, unasked, changed, scanned int
	// asking is the expected size of the blocks that were asked for and have
	// not come, asked their number.
	asking int64
	asked  int
	// wants has every CID that a cell in the window waits for or holds.
	wants map[cid.Cid]*want
	// held counts the bytes of blocks in wants.
	held int64
	// walked counts the blocks that were expanded, empty the parts of files
	// among them that held nothing.
	walked, empty uint64

	arrivals chan arrival
	calls    sync.WaitGroup
}

type walkOptions struct {
	window int64
	// shallow stops at the entries of the root directory; types looks into
	// their root blocks.
	shallow, types bool
	// outline goes into directories and not into files.
	outline bool
	// wanted, if set, says whether an entry at a path is to be walked, or anything below
	// it; what is not is left out, and not fetched where that can be known before.
	wanted func(path string, below bool) bool
	// from and to are the range of content bytes that matter in the root file.
	from, to uint64
}

// want is one block that cells in the window share.
type want struct {
	block blocks.Block
	// waiting are the cells to expand when the block arrives.
	waiting []*cell
	// holders counts the cells that wait for the block or share its memory.
	holders int
	// cost is the share in walker.asking, 0 if the block was never asked for.
	cost int64
	// ended tells that the call which asked for the block is over.
	ended bool
}

// arrival is a block, or the end of the call that asked for cids.
type arrival struct {
	block blocks.Block
	cids  []cid.Cid
}

// newWalker starts at root. The caller must close it.
func newWalker(ctx context.Context, get Getter, root cid.Cid, o walkOptions) *walker {
	if o.window <= 0 {
		o.window = defaultWindow
	}
	w := &walker{get: get, o: o, root: root, wants: make(map[cid.Cid]*want), arrivals: make(chan arrival, 64)}
	w.ctx, w.cancel = context.WithCancel(ctx)
	w.front = &cell{kind: cellRoot, entry: &entry{cid: root}, cid: root, weight: 1}
	w.cells, w.unasked = 1, 1
	return w
}

// close ends all calls and waits for them.
func (w *walker) close() {
	w.cancel()
	w.calls.Wait()
}

// next returns the next step, or io.EOF after the last. It blocks until the
// block that it needs is there. Any other error ends the walk and is an *Error.
func (w *walker) next() (step, error) {
	for {
		c := w.front
		switch {
		case c == nil:
			return step{}, io.EOF
		case c.kind.ready():
			w.pop()
			if c.kind != cellNone {
				return c.step(), nil
			}
			continue
		}
		if c.want == nil || w.mustScan() {
			if err := w.scan(); err != nil {
				return step{}, err
			}
			continue
		}
		if err := w.receive(c); err != nil {
			return step{}, err
		}
	}
}

// mustScan tells whether to look for more to ask before waiting: when enough of
// the window has changed, or when little is under way although more is known.
func (w *walker) mustScan() bool {
	if w.changed == 0 || w.unasked == 0 {
		return false
	}
	idle := w.asking < w.o.window/4 && w.asked < maxAhead/2 && len(w.arrivals) == 0
	return idle || w.changed*rescanShare >= w.scanned
}

// pop takes the first cell off the list.
func (w *walker) pop() {
	c := w.front
	w.front = c.next
	w.cells--
	w.changed++
	w.release(c)
}

// release gives up a cell's share of its block.
func (w *walker) release(c *cell) {
	if c.want == nil {
		return
	}
	c.want.holders--
	if c.want.holders == 0 {
		delete(w.wants, c.cid)
		if c.want.block != nil {
			w.held -= int64(len(c.want.block.RawData()))
		}
	}
	c.want = nil
}

// scan walks the window and asks for what is new in it. Blocks that are there
// already, because an earlier cell holds the same one or the CID carries it,
// are expanded at once, and the scan goes on with what they held.
func (w *walker) scan() error {
	w.changed, w.scanned = 0, 0
	var ask []cid.Cid
	var before int64
	ahead := 0
	for c := w.front; c != nil && before < 2*w.o.window && ahead < maxAhead; c = c.next {
		w.scanned++
		if !c.kind.ready() && c.want == nil && w.fits(c, before) {
			fresh, err := w.admit(c)
			if err != nil {
				return err
			}
			if fresh {
				ask = append(ask, c.cid)
			}
		}
		if c.weight > 0 {
			before += c.weight
			ahead++
		}
	}
	return w.ask(ask)
}

// fits tells whether to ask for a cell, given the weight before it. Only half of
// the window is under way at a time: the other half lets the walk go on asking
// while the block that it needs first is late among those. What is too heavy to
// be one block leads to others and is asked for earlier than they can be, so
// that they follow without a pause.
func (w *walker) fits(c *cell, before int64) bool {
	if c == w.front || c.weight > maxBlock {
		return true
	}
	return before < w.o.window && w.asking < w.o.window/2
}

// admit makes a cell wait for its block. It reports whether the block must be
// asked for.
func (w *walker) admit(c *cell) (fresh bool, err error) {
	w.unasked--
	if have := w.wants[c.cid]; have != nil {
		c.want = have
		have.holders++
		if have.block != nil {
			return false, w.expand(c)
		}
		have.waiting = append(have.waiting, c)
		return false, nil
	}
	c.want = &want{holders: 1, waiting: []*cell{c}}
	w.wants[c.cid] = c.want
	if b, ok := dag.Inline(c.cid); ok {
		return false, w.place(b)
	}
	c.want.cost = blockSize(c)
	w.asking += c.want.cost
	w.asked++
	return true, nil
}

// ask opens one call for all the CIDs.
func (w *walker) ask(cs []cid.Cid) error {
	if len(cs) == 0 {
		return nil
	}
	ch, err := w.get.GetBlocks(w.ctx, cs)
	if err != nil {
		return w.fail(w.front.entry, err)
	}
	w.calls.Go(func() { w.pass(ch, cs) })
	return nil
}

// pass hands on what one call delivers, then its end. Once the walk is over it
// only waits for the end.
func (w *walker) pass(ch <-chan blocks.Block, cs []cid.Cid) {
	for b := range ch {
		select {
		case w.arrivals <- arrival{block: b}:
		case <-w.ctx.Done():
		}
	}
	select {
	case w.arrivals <- arrival{cids: cs}:
	case <-w.ctx.Done():
	}
}

// receive waits until something arrives, and takes all that has. If the call
// that asked for the first cell's block is over, the block is asked for by
// itself, which gives it or the reason why it cannot be had.
func (w *walker) receive(c *cell) error {
	if c.want.ended {
		b, err := w.get.GetBlock(w.ctx, c.cid)
		if err != nil {
			return w.fail(c.entry, fmt.Errorf("block %s: %w", c.cid, err))
		}
		if !b.Cid().Equals(c.cid) {
			return w.fail(c.entry, malformed("block %s came for %s", b.Cid(), c.cid))
		}
		return w.place(b)
	}
	select {
	case a := <-w.arrivals:
		if err := w.take(a); err != nil {
			return err
		}
	case <-w.ctx.Done():
		return w.fail(c.entry, context.Cause(w.ctx))
	}
	for {
		select {
		case a := <-w.arrivals:
			if err := w.take(a); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (w *walker) take(a arrival) error {
	if a.block != nil {
		return w.place(a.block)
	}
	for _, c := range a.cids {
		if want := w.wants[c]; want != nil {
			want.ended = true
		}
	}
	return nil
}

// place expands every cell that waits for a block. Blocks that nothing waits
// for are dropped.
func (w *walker) place(b blocks.Block) error {
	want := w.wants[b.Cid()]
	if want == nil || want.block != nil {
		return nil
	}
	want.block = b
	if want.cost > 0 {
		w.asking -= want.cost
		w.asked--
	}
	w.held += int64(len(b.RawData()))
	if w.held > maxHeldWindows*max(w.o.window, maxBlock) && want.waiting[0] != w.front {
		return w.fail(want.waiting[0].entry, malformed("blocks are far larger than the links to them claim"))
	}
	waiting := want.waiting
	want.waiting = nil
	for _, c := range waiting {
		if err := w.expand(c); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) fail(e *entry, err error) error {
	return &Error{Root: w.root, Path: e.path(), Err: err}
}
