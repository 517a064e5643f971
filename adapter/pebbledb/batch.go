package pebbledb

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ipfs/go-datastore"
)

// groupBytes is how much is given to Pebble at a time. Pebble collects each group
// in a buffer, which it uses again when it is not larger than 1 MiB; a buffer that
// grows to 8 MiB is allocated and copied six times over for each batch.
const groupBytes = 512 << 10

// batch is a [datastore.Batch] that keeps what it was given until it is committed.
// Keys and values must not change before that.
type batch struct {
	db      *pebble.DB
	changes []change
}

type change struct {
	key, value []byte
	remove     bool
}

// Put implements [datastore.Batch].
func (b *batch) Put(_ context.Context, key datastore.Key, value []byte) error {
	b.changes = append(b.changes, change{key: key.Bytes(), value: value})
	return nil
}

// Delete implements [datastore.Batch].
func (b *batch) Delete(_ context.Context, key datastore.Key) error {
	b.changes = append(b.changes, change{key: key.Bytes(), remove: true})
	return nil
}

// Commit implements [datastore.Batch]. When it fails, a part may have been
// written. The batch is empty afterwards.
func (b *batch) Commit(context.Context) error {
	left := b.changes
	b.changes = nil
	for len(left) > 0 {
		n, size := group(left)
		if err := b.commit(left[:n], size); err != nil {
			return fmt.Errorf("pebble: commit a batch: %w", err)
		}
		left = left[n:]
	}
	return nil
}

// group returns how many of the changes go together, at least one, and about how
// many bytes they take.
func group(changes []change) (n, size int) {
	const overhead = 16 // the kind and two lengths
	for _, c := range changes {
		size += len(c.key) + len(c.value) + overhead
		if n > 0 && size > groupBytes {
			break
		}
		n++
	}
	return n, size
}

func (b *batch) commit(changes []change, size int) error {
	w := b.db.NewBatchWithSize(size)
	defer w.Close()
	for _, c := range changes {
		var err error
		if c.remove {
			err = w.Delete(c.key, nil)
		} else {
			err = w.Set(c.key, c.value, nil)
		}
		if err != nil {
			return err
		}
	}
	return w.Commit(pebble.NoSync)
}
