package unixfs

import (
	"context"
	"fmt"

	blocks "github.com/ipfs/go-block-format"
)

// A batch is handed over at whichever of these comes first. Two exist at a
// time, so that one is filled while the other is stored. Each is synced, and a
// database without a log makes files of it: of 100,000 blocks of 256 bytes it writes
// 2.5 GB in batches of 128 and 0.36 GB in batches of 1,024, in a fifth of the time.
const (
	batchBytes  = 8 << 20
	batchBlocks = 1024
)

// batcher collects blocks into batches and stores them on a goroutine of its
// own. One goroutine calls put and close.
type batcher struct {
	batches chan []blocks.Block
	// failed is closed after err is set; later batches are dropped.
	failed chan struct{}
	done   chan struct{}
	err    error

	batch []blocks.Block
	bytes int
}

func newBatcher(ctx context.Context, put Putter) *batcher {
	b := &batcher{
		batches: make(chan []blocks.Block),
		failed:  make(chan struct{}),
		done:    make(chan struct{}),
	}
	go b.run(ctx, put)
	return b
}

func (b *batcher) run(ctx context.Context, put Putter) {
	defer close(b.done)
	for batch := range b.batches {
		if err := put.PutMany(ctx, batch); err != nil {
			b.err = fmt.Errorf("unixfs: store blocks: %w", err)
			close(b.failed)
			return
		}
	}
}

// put adds a block. It blocks while two batches are full, and returns the
// error of an earlier batch as soon as it is known.
func (b *batcher) put(ctx context.Context, block blocks.Block) error {
	b.batch = append(b.batch, block)
	b.bytes += len(block.RawData())
	if b.bytes < batchBytes && len(b.batch) < batchBlocks {
		return nil
	}
	return b.flush(ctx)
}

func (b *batcher) flush(ctx context.Context) error {
	if len(b.batch) == 0 {
		return nil
	}
	select {
	case b.batches <- b.batch:
		b.batch, b.bytes = make([]blocks.Block, 0, cap(b.batch)), 0
		return nil
	case <-b.failed:
		return b.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// finish stores the last batch, unless the blocks are of no use any more
// because of err, and waits until nothing is being stored. It returns the first
// error of all.
func (b *batcher) finish(ctx context.Context, err error) error {
	if err == nil {
		err = b.flush(ctx)
	}
	close(b.batches)
	<-b.done
	if err == nil {
		err = b.err
	}
	return err
}
