package blockstore

import (
	"context"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/message"
)

// Staged is a store with a stage in front of it: blocks that were received and
// wait to be written can be read from it already. Without one, a peer that asks
// in that moment for a block that we have just got would be told DONT_HAVE.
//
// Writes go to the store behind; so do reads of what is not on the stage.
type Staged struct {
	Blockstore

	mu      sync.RWMutex
	waiting map[string]stagedBlock // by multihash
}

// stagedBlock counts how often it was staged: the same bytes may come under
// several CIDs.
type stagedBlock struct {
	data  []byte
	times int
}

// NewStaged returns a store with an empty stage in front of s.
func NewStaged(s Blockstore) *Staged {
	return &Staged{Blockstore: s, waiting: make(map[string]stagedBlock)}
}

// Stage makes blocks readable. Their bytes must hash to their CIDs, and are kept
// until [Staged.Unstage] was called for each as often.
func (s *Staged) Stage(bs []blocks.Block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range bs {
		key := message.Multihash(b.Cid())
		w := s.waiting[key]
		if w.times == 0 {
			w.data = b.RawData()
		}
		w.times++
		s.waiting[key] = w
	}
}

// Unstage takes blocks from the stage, once they are in the store or were given
// up.
func (s *Staged) Unstage(bs []blocks.Block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range bs {
		key := message.Multihash(b.Cid())
		w := s.waiting[key]
		if w.times--; w.times > 0 {
			s.waiting[key] = w
		} else {
			delete(s.waiting, key)
		}
	}
}

func (s *Staged) staged(c cid.Cid) ([]byte, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.waiting) == 0 || !c.Defined() {
		return nil, false
	}
	w, ok := s.waiting[message.Multihash(c)]
	return w.data, ok
}

// Has implements [Blockstore].
func (s *Staged) Has(ctx context.Context, c cid.Cid) (bool, error) {
	if _, ok := s.staged(c); ok {
		return true, nil
	}
	return s.Blockstore.Has(ctx, c)
}

// Get implements [Blockstore].
func (s *Staged) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	if data, ok := s.staged(c); ok {
		return blocks.NewBlockWithCid(data, c)
	}
	return s.Blockstore.Get(ctx, c)
}

// GetSize implements [Blockstore].
func (s *Staged) GetSize(ctx context.Context, c cid.Cid) (int, error) {
	if data, ok := s.staged(c); ok {
		return len(data), nil
	}
	return s.Blockstore.GetSize(ctx, c)
}

// View implements [Blockstore].
func (s *Staged) View(ctx context.Context, c cid.Cid, use func([]byte) error) error {
	if data, ok := s.staged(c); ok {
		return use(data)
	}
	return s.Blockstore.View(ctx, c, use)
}
