package document

import (
	"context"
	"iter"

	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// deletions is how many keys are deleted with one write.
const deletions = 1024

// keysBelow yields the keys below a key. An error is yielded last.
func keysBelow(ctx context.Context, d datastore.Datastore, prefix datastore.Key) iter.Seq2[datastore.Key, error] {
	q := query.Query{Prefix: prefix.String(), KeysOnly: true}
	return func(yield func(datastore.Key, error) bool) {
		for row, err := range datastore.QueryIter(ctx, d, q) {
			if !yield(datastore.RawKey(row.Key), err) || err != nil {
				return
			}
		}
	}
}

// deleteBelow deletes what is below a key.
func deleteBelow(ctx context.Context, d datastore.Batching, prefix datastore.Key) error {
	w := writer{ctx: ctx, data: d, most: deletions}
	for key, err := range keysBelow(ctx, d, prefix) {
		if err == nil {
			err = w.delete(key)
		}
		if err != nil {
			return err
		}
	}
	return w.commit()
}

// writer writes in batches of so many changes.
type writer struct {
	ctx   context.Context
	data  datastore.Batching
	most  int
	batch datastore.Batch
	n     int // changes in the batch
}

// put writes a value, which is the writer's from then on.
func (w *writer) put(key datastore.Key, value []byte) error {
	return w.change(func() error { return w.batch.Put(w.ctx, key, value) })
}

func (w *writer) delete(key datastore.Key) error {
	return w.change(func() error { return w.batch.Delete(w.ctx, key) })
}

func (w *writer) change(add func() error) (err error) {
	if w.batch == nil {
		if w.batch, err = w.data.Batch(w.ctx); err != nil {
			return err
		}
	}
	if err := add(); err != nil {
		return err
	}
	if w.n++; w.n >= w.most {
		return w.commit()
	}
	return nil
}

func (w *writer) commit() error {
	if w.batch == nil {
		return nil
	}
	err := w.batch.Commit(w.ctx)
	w.batch, w.n = nil, 0
	return err
}
