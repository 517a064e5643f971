package blockstore

import (
	"context"
	"fmt"
	"iter"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// Sizer is a datastore that can list the sizes of its values without reading them.
// The entries have keys and sizes, and no values. An error is yielded last.
type Sizer interface {
	Sizes(ctx context.Context, prefix datastore.Key) iter.Seq2[query.Entry, error]
}

// Sized is a stored block: a CID (version 1, codec raw) with its multihash, and its
// size in bytes.
type Sized struct {
	CID  cid.Cid
	Size int
}

// sizeLister is a store that knows how to list sizes faster than one by one.
type sizeLister interface {
	allSizes(ctx context.Context) iter.Seq2[Sized, error]
}

// AllSizes is [Blockstore.AllKeys] with the size of each block. Over a datastore that
// is a [Sizer] it reads no block. It is over the store as it was at some time near the
// begin, if the datastore has snapshots.
func AllSizes(ctx context.Context, s Blockstore) iter.Seq2[Sized, error] {
	if l, ok := s.(sizeLister); ok {
		return l.allSizes(ctx)
	}
	return func(yield func(Sized, error) bool) {
		for c, err := range s.AllKeys(ctx) {
			var size int
			if err == nil {
				size, err = s.GetSize(ctx, c)
			}
			if isNotFound(err) {
				continue // removed meanwhile
			}
			if !yield(Sized{CID: c, Size: size}, err) || err != nil {
				return
			}
		}
	}
}

func (s *store) allSizes(ctx context.Context) iter.Seq2[Sized, error] {
	return func(yield func(Sized, error) bool) {
		for entry, err := range s.sizes(ctx) {
			if err != nil {
				yield(Sized{}, fmt.Errorf("blockstore: list sizes: %w", err))
				return
			}
			if c, ok := cidOf(entry.Key); ok && !yield(Sized{CID: c, Size: entry.Size}, nil) {
				return
			}
		}
	}
}

func (s *store) sizes(ctx context.Context) iter.Seq2[query.Entry, error] {
	if d, ok := s.data.(Sizer); ok {
		return d.Sizes(ctx, prefix)
	}
	return datastore.QueryIter(ctx, s.data, query.Query{Prefix: prefix.String(), KeysOnly: true, ReturnsSizes: true})
}

// manyDeleter is a store that can delete many blocks with one write.
type manyDeleter interface {
	deleteMany(ctx context.Context, cs []cid.Cid) error
}

// DeleteMany is [Blockstore.Delete] for many blocks, with one write if the store can.
func DeleteMany(ctx context.Context, s Blockstore, cs []cid.Cid) error {
	if d, ok := s.(manyDeleter); ok {
		return d.deleteMany(ctx, cs)
	}
	for _, c := range cs {
		if err := s.Delete(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) deleteMany(ctx context.Context, cs []cid.Cid) error {
	batch, err := s.data.Batch(ctx)
	if err != nil {
		return fmt.Errorf("blockstore: begin a batch: %w", err)
	}
	for _, c := range cs {
		if err := batch.Delete(ctx, keyOf(c)); err != nil {
			return failed("delete", c, err)
		}
	}
	if err := batch.Commit(ctx); err != nil {
		return fmt.Errorf("blockstore: delete %d blocks: %w", len(cs), err)
	}
	return nil
}
