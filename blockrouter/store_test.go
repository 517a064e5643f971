package blockrouter

import (
	"context"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// fakeStore keeps blocks in a map. before is called at the start of each call
// with its name, and its error is the call's.
type fakeStore struct {
	before func(ctx context.Context, call string) error

	mu   sync.Mutex
	held map[cid.Cid]blocks.Block
}

type missingError struct{}

func (missingError) Error() string  { return "not there" }
func (missingError) NotFound() bool { return true }

func newStore(names string) *fakeStore {
	s := &fakeStore{
		before: func(context.Context, string) error { return nil },
		held:   make(map[cid.Cid]blocks.Block),
	}
	for _, b := range blocksOf(names) {
		s.held[b.Cid()] = b
	}
	return s
}

func (s *fakeStore) Has(ctx context.Context, c cid.Cid) (bool, error) {
	_, err := s.get(ctx, "has", c)
	return err == nil, ignoreMissing(err)
}

func (s *fakeStore) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	return s.get(ctx, "get", c)
}

func (s *fakeStore) get(ctx context.Context, call string, c cid.Cid) (blocks.Block, error) {
	if err := s.before(ctx, call); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.held[c]; b != nil {
		return b, nil
	}
	return nil, missingError{}
}

func ignoreMissing(err error) error {
	if notFound(err) {
		return nil
	}
	return err
}

func (s *fakeStore) PutFetched(ctx context.Context, bs []blocks.Block) error {
	if err := s.before(ctx, "put"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range bs {
		s.held[b.Cid()] = b
	}
	return nil
}

func (s *fakeStore) holds(names string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range cids(names) {
		if s.held[c] == nil {
			return false
		}
	}
	return true
}

// refuse makes the calls of one name return err.
func (s *fakeStore) refuse(call string, err error) {
	s.before = func(_ context.Context, c string) error {
		if c == call {
			return err
		}
		return nil
	}
}

// block makes the calls of one name wait until their context ends, or, when it
// is stubborn, until the returned function is called. It is called in the bubble.
func (s *fakeStore) block(call string, stubborn bool) (let func()) {
	free := make(chan struct{})
	s.before = func(ctx context.Context, c string) error {
		if c != call {
			return nil
		}
		if stubborn {
			ctx = context.Background()
		}
		select {
		case <-free:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return func() { close(free) }
}
