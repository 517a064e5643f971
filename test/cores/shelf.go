//go:build simulation

package cores

import (
	"context"
	"errors"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// shelf is a datastore in memory that can be slow and can fail.
type shelf struct {
	*datastore.MapDatastore
	w        *World
	until    time.Time // slow until then
	failing  bool      // of what it is asked, about half
	failures int
}

func newShelf(w *World) *shelf { return &shelf{MapDatastore: datastore.NewMapDatastore(), w: w} }

func (s *shelf) slow() bool { return s.until.After(time.Now()) }

// ponder lets some time pass between a look and its answer, in which other things
// happen. It returns how long.
func (s *shelf) ponder() time.Duration {
	if !s.w.script.ponders || !s.w.some(4) {
		return 0
	}
	pause := s.w.between(0, 10*time.Millisecond)
	s.until = time.Now().Add(pause)
	return pause
}

var errShelf = errors.New("input/output error")

func (s *shelf) broken() error {
	if s.failing && s.w.some(2) {
		s.failures++
		return errShelf
	}
	return nil
}

// Get is part of datastore.Datastore, as are the others.
func (s *shelf) Get(ctx context.Context, k datastore.Key) ([]byte, error) {
	if err := s.broken(); err != nil {
		return nil, err
	}
	return s.MapDatastore.Get(ctx, k)
}

func (s *shelf) Has(ctx context.Context, k datastore.Key) (bool, error) {
	if err := s.broken(); err != nil {
		return false, err
	}
	return s.MapDatastore.Has(ctx, k)
}

func (s *shelf) GetSize(ctx context.Context, k datastore.Key) (int, error) {
	if err := s.broken(); err != nil {
		return -1, err
	}
	return s.MapDatastore.GetSize(ctx, k)
}

func (s *shelf) Put(ctx context.Context, k datastore.Key, v []byte) error {
	if err := s.broken(); err != nil {
		return err
	}
	return s.MapDatastore.Put(ctx, k, v)
}

func (s *shelf) Sync(context.Context, datastore.Key) error { return s.broken() }

func (s *shelf) Batch(context.Context) (datastore.Batch, error) {
	if err := s.broken(); err != nil {
		return nil, err
	}
	return &batch{shelf: s}, nil
}

func (s *shelf) Query(ctx context.Context, q query.Query) (query.Results, error) {
	return s.MapDatastore.Query(ctx, q)
}

// batch is written in the order in which it was filled: go-datastore's own has
// none, and the dice would fall differently in each run.
type batch struct {
	shelf *shelf
	puts  []func(context.Context) error
}

func (b *batch) Put(_ context.Context, k datastore.Key, v []byte) error {
	b.puts = append(b.puts, func(ctx context.Context) error { return b.shelf.Put(ctx, k, v) })
	return nil
}

func (b *batch) Delete(_ context.Context, k datastore.Key) error {
	b.puts = append(b.puts, func(ctx context.Context) error { return b.shelf.Delete(ctx, k) })
	return nil
}

func (b *batch) Commit(ctx context.Context) error {
	for _, put := range b.puts {
		if err := put(ctx); err != nil {
			return err
		}
	}
	return nil
}
