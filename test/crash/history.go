package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"

	"github.com/souk-p2p/souk/blockstore"
)

// A History is what the users of a store did and were told. It knows what must
// be in the store after a crash, and what may be.
type History struct {
	mu   sync.Mutex
	put  map[cid.Cid]blocks.Block // whatever was ever handed in
	safe map[cid.Cid]blocks.Block // acknowledged, and not deleted since
}

// NewHistory returns the history of an empty store.
func NewHistory() *History {
	return &History{put: make(map[cid.Cid]blocks.Block), safe: make(map[cid.Cid]blocks.Block)}
}

// Putting notes that blocks are about to be handed in. From here on they may be
// there.
func (h *History) Putting(bs ...blocks.Block) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range bs {
		h.put[b.Cid()] = b
	}
}

// Acknowledged notes that a durable put has returned. The blocks must be there.
func (h *History) Acknowledged(bs ...blocks.Block) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range bs {
		h.safe[b.Cid()] = b
	}
}

// Deleting notes that a block is about to be deleted. It may be there or not.
func (h *History) Deleting(b blocks.Block) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.safe, b.Cid())
}

// At runs crash at a moment at which nobody is told anything, and returns the
// history up to then.
func (h *History) At(crash func()) *History {
	h.mu.Lock()
	defer h.mu.Unlock()
	crash()
	return &History{put: maps.Clone(h.put), safe: maps.Clone(h.safe)}
}

// probe is put after each crash, and so is there when the next comes.
var probe = blocks.NewBlock([]byte("put after the crash"))

// Check looks at a store after a crash. It returns an error for each block that
// is lost, torn, or from nowhere, and when the store cannot be written.
func (h *History) Check(ctx context.Context, d datastore.Batching) error {
	s := blockstore.New(d)
	listed, err := h.checkListed(ctx, s)
	errs := []error{err}
	for _, b := range h.safe {
		if listed[string(b.Cid().Hash())] {
			continue
		}
		_, err := s.Get(ctx, b.Cid())
		errs = append(errs, fmt.Errorf("acknowledged block is not listed: %s (%v)", b.Cid(), err))
	}
	errs = append(errs, s.Put(ctx, probe), serves(ctx, s, probe))
	return errors.Join(errs...)
}

// checkListed looks at every block that the store lists, and returns their
// multihashes.
func (h *History) checkListed(ctx context.Context, s blockstore.Blockstore) (map[string]bool, error) {
	put := map[string]blocks.Block{string(probe.Cid().Hash()): probe}
	for c, b := range h.put {
		put[string(c.Hash())] = b
	}
	listed := make(map[string]bool)
	var errs []error
	for c, err := range s.AllKeys(ctx) {
		if err != nil {
			return listed, fmt.Errorf("list: %w", err)
		}
		key := string(c.Hash())
		listed[key] = true
		if b, known := put[key]; !known {
			errs = append(errs, fmt.Errorf("%s is listed and was never put", c))
		} else if err := serves(ctx, s, b); err != nil {
			errs = append(errs, fmt.Errorf("listed block: %w", err))
		}
	}
	return listed, errors.Join(errs...)
}

// serves returns an error unless the store has b whole.
func serves(ctx context.Context, s blockstore.Blockstore, b blocks.Block) error {
	got, err := s.Get(ctx, b.Cid())
	if err != nil {
		return err
	}
	if !bytes.Equal(got.RawData(), b.RawData()) {
		return fmt.Errorf("%s is served with other bytes", b.Cid())
	}
	return nil
}
