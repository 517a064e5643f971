package unixfs

import (
	"context"
	"fmt"
	"sync"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/adapter/dag"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// missingError is what a Getter says about a block that nobody has.
type missingError struct{ c cid.Cid }

func (e *missingError) Error() string  { return fmt.Sprintf("block %s not found", e.c) }
func (e *missingError) NotFound() bool { return true }

// mapStore is a Putter and a Getter over a map.
type mapStore struct {
	mu     sync.Mutex
	blocks map[cid.Cid]blocks.Block
	puts   []int
}

func newMapStore() *mapStore { return &mapStore{blocks: make(map[cid.Cid]blocks.Block)} }

func (s *mapStore) PutMany(_ context.Context, bs []blocks.Block) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := 0
	for _, b := range bs {
		s.blocks[b.Cid()] = b
		size += len(b.RawData())
	}
	s.puts = append(s.puts, size)
	return nil
}

func (s *mapStore) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blocks[c]
	if !ok {
		return nil, &missingError{c}
	}
	return b, nil
}

// GetBlocks delivers what there is, in order, and closes.
func (s *mapStore) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	return dag.Local(s.GetBlock).GetBlocks(ctx, cs)
}

// patientStore waits for blocks that it does not have, as an exchange does.
type patientStore struct{ *mapStore }

func (s patientStore) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	b, err := s.mapStore.GetBlock(ctx, c)
	if err != nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return b, nil
}

func (s patientStore) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	there, err := s.mapStore.GetBlocks(ctx, cs)
	if err != nil {
		return nil, err
	}
	out := make(chan blocks.Block)
	go func() {
		defer close(out)
		n := 0
		for b := range there {
			select {
			case out <- b:
				n++
			case <-ctx.Done():
			}
		}
		if n < len(cs) {
			<-ctx.Done()
		}
	}()
	return out, nil
}

func (s *mapStore) put(t testing.TB, bs ...blocks.Block) {
	t.Helper()
	require.NoError(t, s.PutMany(context.Background(), bs))
}
