package pebbledb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// Sizes lists the keys below a prefix, in order, with the sizes of their values, which
// it does not read when they are kept apart: the entries have no values. It sees the
// database as it is when it begins. An error is yielded last.
func (d *Datastore) Sizes(ctx context.Context, prefix datastore.Key) iter.Seq2[query.Entry, error] {
	return func(yield func(query.Entry, error) bool) {
		if err := d.sizes(ctx, below(prefix), yield); err != nil {
			yield(query.Entry{}, err)
		}
	}
}

// below are the keys that begin with a prefix and a slash.
func below(prefix datastore.Key) *pebble.IterOptions {
	lower := append(prefix.Bytes(), '/')
	upper := append(prefix.Bytes(), '/'+1)
	return &pebble.IterOptions{LowerBound: lower, UpperBound: upper}
}

// looks is how many keys are passed between two looks at the context.
const looks = 1024

func (d *Datastore) sizes(ctx context.Context, keys *pebble.IterOptions, yield func(query.Entry, error) bool) (err error) {
	defer recovered(&err)
	i, err := d.DB.NewIter(keys)
	if err != nil {
		return fmt.Errorf("pebble: list: %w", err)
	}
	n := 0
	for ok := i.First(); ok; ok = i.Next() {
		if n++; n%looks == 0 && ctx.Err() != nil {
			break
		}
		value := i.LazyValue()
		if !yield(query.Entry{Key: string(i.Key()), Size: value.Len()}, nil) {
			return i.Close()
		}
	}
	if err := i.Close(); err != nil {
		return fmt.Errorf("pebble: list: %w", err)
	}
	return context.Cause(ctx)
}

// DiskUsage is how much the files of the database take. Pebble's own number leaves files
// of values out, and wraps around when they go (Pebble 2.1).
func (d *Datastore) DiskUsage(context.Context) (uint64, error) {
	names, err := d.fs.List(d.dir)
	if err != nil {
		return 0, fmt.Errorf("pebble: list files: %w", err)
	}
	var sum uint64
	for _, name := range names {
		info, err := d.fs.Stat(d.fs.PathJoin(d.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return 0, fmt.Errorf("pebble: disk usage: %w", err)
		}
		sum += uint64(info.Size())
	}
	return sum, nil
}

// Reclaim gives the disk back what was deleted below a prefix, as far as that can be
// done without writing much: keys are written anew without what was deleted, and files
// of values go when nothing in them is left. Those of which a part is left are
// rewritten by the database itself, some minutes later. It blocks until that is done,
// and ends with ctx.
func (d *Datastore) Reclaim(ctx context.Context, prefix datastore.Key) (err error) {
	defer recovered(&err)
	keys := below(prefix)
	if err := d.DB.Compact(ctx, keys.LowerBound, keys.UpperBound, false); err != nil {
		return fmt.Errorf("pebble: compact: %w", err)
	}
	return nil
}
