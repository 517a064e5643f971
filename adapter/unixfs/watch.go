package unixfs

import (
	"context"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// Watch returns a getter that fetches from g and calls came with each block before
// it gives it to the caller: from several goroutines when calls are made from several.
func Watch(g Getter, came func(blocks.Block)) Getter { return &watched{g, came} }

type watched struct {
	Getter
	came func(blocks.Block)
}

func (w *watched) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	b, err := w.Getter.GetBlock(ctx, c)
	if err == nil {
		w.came(b)
	}
	return b, err
}

func (w *watched) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	in, err := w.Getter.GetBlocks(ctx, cs)
	if err != nil {
		return nil, err
	}
	out := make(chan blocks.Block)
	go func() {
		defer close(out)
		for b := range in {
			w.came(b)
			select {
			case out <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}
