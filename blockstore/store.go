package blockstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// store is the [Blockstore] over a datastore. It holds no state of its own
// beside the calls that wait for a sync.
type store struct {
	data    datastore.Batching
	viewer  Viewer     // data, when it can lend values; else nil
	trusted bool       // do not hash what is read
	sync    *groupSync // nil when nothing is to be synced
}

func (s *store) Has(ctx context.Context, c cid.Cid) (bool, error) {
	switch _, inline, err := admit(c); {
	case err != nil && isNotFound(err):
		return false, nil
	case inline || err != nil:
		return inline, err
	}
	has, err := s.data.Has(ctx, keyOf(c))
	if err != nil {
		return false, failed("look for", c, err)
	}
	return has, nil
}

func (s *store) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	data, inline, err := admit(c)
	if err != nil {
		return nil, err
	}
	if !inline {
		if data, err = s.read(ctx, c); err != nil {
			return nil, err
		}
	}
	return blocks.NewBlockWithCid(data, c)
}

func (s *store) GetSize(ctx context.Context, c cid.Cid) (int, error) {
	data, inline, err := admit(c)
	if inline || err != nil {
		return len(data), err
	}
	size, err := s.data.GetSize(ctx, keyOf(c))
	if err != nil {
		return 0, readError("size of", c, err)
	}
	return size, nil
}

func (s *store) View(ctx context.Context, c cid.Cid, read func([]byte) error) error {
	data, inline, err := admit(c)
	switch {
	case err != nil:
		return err
	case inline:
		return read(data)
	case s.viewer != nil:
		return s.lend(ctx, c, read)
	}
	if data, err = s.read(ctx, c); err != nil {
		return err
	}
	return read(data)
}

// read returns a copy of the stored bytes.
func (s *store) read(ctx context.Context, c cid.Cid) ([]byte, error) {
	data, err := s.data.Get(ctx, keyOf(c))
	if err != nil {
		return nil, readError("get", c, err)
	}
	return data, s.check(c, data)
}

// lend is View for a datastore that need not copy.
func (s *store) lend(ctx context.Context, c cid.Cid, read func([]byte) error) error {
	var own error // not the datastore's: not to be wrapped as such
	err := s.viewer.View(ctx, keyOf(c), func(data []byte) error {
		if own = s.check(c, data); own == nil {
			own = read(data)
		}
		return own
	})
	if own != nil || err == nil {
		return own
	}
	return readError("view", c, err)
}

// check hashes what was read, unless the store was told not to.
func (s *store) check(c cid.Cid, data []byte) error {
	if s.trusted {
		return nil
	}
	sum, err := c.Prefix().Sum(data)
	if err != nil {
		return failed("verify", c, err)
	}
	if !bytes.Equal(sum.Hash(), c.Hash()) {
		return &CorruptError{CID: c, Size: len(data)}
	}
	return nil
}

func (s *store) Put(ctx context.Context, b blocks.Block) error {
	if err := s.write(ctx, b); err != nil {
		return err
	}
	return s.settle(ctx)
}

func (s *store) PutMany(ctx context.Context, bs []blocks.Block) error {
	if err := s.PutFetched(ctx, bs); err != nil || len(bs) == 0 {
		return err
	}
	return s.settle(ctx)
}

func (s *store) PutFetched(ctx context.Context, bs []blocks.Block) error {
	switch len(bs) {
	case 0:
		return nil
	case 1:
		return s.write(ctx, bs[0]) // A batch would copy it once more.
	}
	return s.writeBatch(ctx, bs)
}

func (s *store) write(ctx context.Context, b blocks.Block) error {
	store, err := admitBlock(b)
	if !store {
		return err
	}
	if err := s.data.Put(ctx, keyOf(b.Cid()), b.RawData()); err != nil {
		return failed("put", b.Cid(), err)
	}
	return nil
}

func (s *store) writeBatch(ctx context.Context, bs []blocks.Block) error {
	admitted := make([]blocks.Block, 0, len(bs))
	for _, b := range bs { // All of them before the first is written.
		store, err := admitBlock(b)
		if err != nil {
			return err
		}
		if store {
			admitted = append(admitted, b)
		}
	}
	if len(admitted) == 0 {
		return nil
	}
	batch, err := s.data.Batch(ctx)
	if err != nil {
		return fmt.Errorf("blockstore: begin a batch: %w", err)
	}
	for _, b := range admitted {
		if err := batch.Put(ctx, keyOf(b.Cid()), b.RawData()); err != nil {
			return failed("put", b.Cid(), err)
		}
	}
	if err := batch.Commit(ctx); err != nil {
		return fmt.Errorf("blockstore: commit %d blocks: %w", len(admitted), err)
	}
	return nil
}

// settle waits until what was written is on disk.
func (s *store) settle(ctx context.Context) error {
	if s.sync == nil {
		return nil
	}
	if err := s.sync.Wait(ctx); err != nil {
		return fmt.Errorf("blockstore: sync: %w", err)
	}
	return nil
}

func (s *store) Delete(ctx context.Context, c cid.Cid) error {
	if !c.Defined() {
		return nil
	}
	if err := s.data.Delete(ctx, keyOf(c)); err != nil {
		return failed("delete", c, err)
	}
	return nil
}

func (s *store) AllKeys(ctx context.Context) iter.Seq2[cid.Cid, error] {
	keys := query.Query{Prefix: prefix.String(), KeysOnly: true}
	return func(yield func(cid.Cid, error) bool) {
		for entry, err := range datastore.QueryIter(ctx, s.data, keys) {
			if err != nil {
				yield(cid.Undef, fmt.Errorf("blockstore: list: %w", err))
				return
			}
			if c, ok := cidOf(entry.Key); ok && !yield(c, nil) {
				return
			}
		}
	}
}

func readError(verb string, c cid.Cid, err error) error {
	if errors.Is(err, datastore.ErrNotFound) {
		return &NotFoundError{CID: c}
	}
	return failed(verb, c, err)
}

func isNotFound(err error) bool {
	var missing *NotFoundError
	return errors.As(err, &missing)
}
