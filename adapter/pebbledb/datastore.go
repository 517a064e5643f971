package pebbledb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ipfs/go-datastore"
	pebbleds "github.com/ipfs/go-ds-pebble"
)

// reserve is how much of the disk is left free: two tables in memory that are
// written out and the log of the next.
const reserve = 3 * memTableSize

// FullError says that a write was refused because the disk is nearly full.
type FullError struct {
	Dir  string
	Free uint64 // bytes
}

// Error implements error.
func (e *FullError) Error() string {
	return fmt.Sprintf("the disk of %s is full: %d MiB are free, and %d MiB are kept for the database itself",
		e.Dir, e.Free>>20, reserve>>20)
}

// Datastore is go-ds-pebble's, but that it says when a value cannot be read, that
// it refuses writes on a full disk with a [*FullError], and that it lends values:
// it is a blockstore.Viewer.
//
// Pebble ends the process when it cannot write. Refused before it comes to that,
// a write fails alone, reading goes on, and so does writing when there is room
// again.
//
// pebble.DB.Get returns no value and no error when a value that is kept apart
// from its key cannot be read; only closing it gives the error (Pebble 2.1).
// go-ds-pebble does not look there, so that such a value seems to be empty.
type Datastore struct {
	*pebbleds.Datastore
	fs  vfs.FS
	dir string
	// failures are those of Pebble in the background; nil where there is a log.
	failures <-chan error
}

// room returns an error when the disk is nearly full. Where that cannot be found
// out there is room.
func (d *Datastore) room() error {
	usage, err := d.fs.GetDiskUsage(d.dir)
	if err != nil || usage.AvailBytes >= reserve {
		return nil
	}
	return &FullError{Dir: d.dir, Free: usage.AvailBytes}
}

// Put implements [datastore.Datastore].
func (d *Datastore) Put(ctx context.Context, key datastore.Key, value []byte) error {
	if err := d.room(); err != nil {
		return err
	}
	return d.Datastore.Put(ctx, key, value)
}

// Batch implements [datastore.Batching].
func (d *Datastore) Batch(context.Context) (datastore.Batch, error) {
	if err := d.room(); err != nil {
		return nil, err
	}
	return &batch{db: d.DB}, nil
}

// View calls read with a value, which is valid until read returns. An error of
// read is returned as it is.
func (d *Datastore) View(_ context.Context, key datastore.Key, read func(value []byte) error) error {
	value, closer, err := d.get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return datastore.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("pebble: get: %w", err)
	}
	if len(value) > 0 {
		defer closer.Close()
		return read(value)
	}
	if err := closer.Close(); err != nil {
		return fmt.Errorf("pebble: read a value: %w", err)
	}
	return read(nil)
}

// get is pebble.DB.Get. Pebble panics when the end of a file of values is damaged,
// and then again when it is closed, because it still holds the file.
func (d *Datastore) get(key datastore.Key) (value []byte, closer io.Closer, err error) {
	defer recovered(&err)
	return d.DB.Get(key.Bytes())
}

// Close implements [datastore.Datastore].
func (d *Datastore) Close() (err error) {
	defer recovered(&err)
	return d.Datastore.Close()
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("pebble panicked: %v", p)
	}
}

// Get implements [datastore.Datastore].
func (d *Datastore) Get(ctx context.Context, key datastore.Key) (value []byte, err error) {
	err = d.View(ctx, key, func(lent []byte) error {
		value = bytes.Clone(lent)
		return nil
	})
	return value, err
}

// GetSize implements [datastore.Datastore]. It does not read a value that is kept
// apart from its key, and so does not notice when that is damaged.
func (d *Datastore) GetSize(_ context.Context, key datastore.Key) (size int, err error) {
	defer recovered(&err)
	k := key.Bytes()
	i, err := d.DB.NewIter(&pebble.IterOptions{LowerBound: k, UpperBound: append(k, 0)})
	if err != nil {
		return -1, fmt.Errorf("pebble: look for a key: %w", err)
	}
	if size = -1; i.First() {
		value := i.LazyValue()
		size = value.Len()
	}
	if err := i.Close(); err != nil {
		return -1, fmt.Errorf("pebble: look for a key: %w", err)
	}
	if size < 0 {
		return size, datastore.ErrNotFound
	}
	return size, nil
}

// Has implements [datastore.Datastore].
func (d *Datastore) Has(ctx context.Context, key datastore.Key) (bool, error) {
	_, err := d.GetSize(ctx, key)
	if errors.Is(err, datastore.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
