package dag

import (
	"context"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// Local is a [Getter] of what is stored here: its function reads one block.
type Local func(ctx context.Context, c cid.Cid) (blocks.Block, error)

// GetBlock implements [Getter].
func (get Local) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) { return get(ctx, c) }

// GetBlocks implements [Getter].
func (get Local) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	out := make(chan blocks.Block)
	go func() {
		defer close(out)
		for _, c := range cs {
			b, err := get(ctx, c)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				continue
			}
			select {
			case out <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}
