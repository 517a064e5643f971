package exchanges

import (
	"context"
	"time"

	"github.com/ipfs/go-datastore"
)

// slowReads is a datastore each of whose reads takes as long, any number of them side
// by side.
type slowReads struct {
	datastore.Batching
	each time.Duration
}

func (d slowReads) Get(ctx context.Context, k datastore.Key) ([]byte, error) {
	time.Sleep(d.each)
	return d.Batching.Get(ctx, k)
}

func (d slowReads) Has(ctx context.Context, k datastore.Key) (bool, error) {
	time.Sleep(d.each)
	return d.Batching.Has(ctx, k)
}

func (d slowReads) GetSize(ctx context.Context, k datastore.Key) (int, error) {
	time.Sleep(d.each)
	return d.Batching.GetSize(ctx, k)
}
