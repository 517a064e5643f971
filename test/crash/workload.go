package crash

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	blocks "github.com/ipfs/go-block-format"
	"golang.org/x/sync/errgroup"

	"github.com/souk-p2p/souk/blockstore"
)

// sizes are those of the blocks that a workload writes: none, small, about the
// size from which values are kept apart, and so large that a batch of them is
// more than a memory table.
var sizes = []int{0, 100, 1 << 10, 1<<10 + 1, 5000, 24 << 10}

// A Workload is what some writers do with a store. It follows from its seed,
// except for the order between the writers.
type Workload struct {
	Seed    uint64
	Writers int
	Ops     int // of each writer

	After func() // called after each operation, if not nil
}

// Run does it all, and notes in the history what was begun and acknowledged.
func (w Workload) Run(ctx context.Context, s blockstore.Blockstore, h *History) error {
	all, ctx := errgroup.WithContext(ctx)
	for i := range w.Writers {
		all.Go(func() error {
			own := &writer{store: s, history: h, rng: rand.New(rand.NewPCG(w.Seed, uint64(i)))}
			for n := range w.Ops {
				if err := own.op(ctx); err != nil {
					return fmt.Errorf("writer %d, operation %d: %w", i, n, err)
				}
				if w.After != nil {
					w.After()
				}
			}
			return nil
		})
	}
	return all.Wait()
}

// writer is one of a workload's. No two have a block in common but the empty
// one, which nobody deletes.
type writer struct {
	store   blockstore.Blockstore
	history *History
	rng     *rand.Rand
	mine    []blocks.Block // handed in at some time
}

func (w *writer) op(ctx context.Context) error {
	switch n := w.rng.IntN(10); {
	case n < 4:
		return w.put(ctx, w.fresh())
	case n < 6:
		return w.putMany(ctx, w.freshMany())
	case n < 7:
		return w.putFetched(ctx, w.freshMany())
	case n < 8:
		return w.put(ctx, w.old())
	default:
		return w.delete(ctx, w.old())
	}
}

func (w *writer) put(ctx context.Context, b blocks.Block) error {
	return w.durable(func() error { return w.store.Put(ctx, b) }, b)
}

func (w *writer) putMany(ctx context.Context, bs []blocks.Block) error {
	return w.durable(func() error { return w.store.PutMany(ctx, bs) }, bs...)
}

func (w *writer) durable(put func() error, bs ...blocks.Block) error {
	if err := w.history.Note(putting, bs...); err != nil {
		return err
	}
	if err := put(); err != nil {
		return err
	}
	return w.history.Note(acknowledged, bs...)
}

func (w *writer) putFetched(ctx context.Context, bs []blocks.Block) error {
	if err := w.history.Note(putting, bs...); err != nil {
		return err
	}
	return w.store.PutFetched(ctx, bs)
}

func (w *writer) delete(ctx context.Context, b blocks.Block) error {
	if len(b.RawData()) == 0 {
		return nil
	}
	if err := w.history.Note(deleting, b); err != nil {
		return err
	}
	return w.store.Delete(ctx, b.Cid())
}

// fresh makes a block that was not there before, unless it is the empty one.
func (w *writer) fresh() blocks.Block {
	data := make([]byte, sizes[w.rng.IntN(len(sizes))])
	for i := 0; i+8 <= len(data); i += 8 {
		binary.LittleEndian.PutUint64(data[i:], w.rng.Uint64())
	}
	b := blocks.NewBlock(data)
	w.mine = append(w.mine, b)
	return b
}

func (w *writer) freshMany() []blocks.Block {
	bs := make([]blocks.Block, 2+w.rng.IntN(5))
	for i := range bs {
		bs[i] = w.fresh()
	}
	return bs
}

// old returns a block that was handed in before, or else a fresh one.
func (w *writer) old() blocks.Block {
	if len(w.mine) == 0 {
		return w.fresh()
	}
	return w.mine[w.rng.IntN(len(w.mine))]
}
