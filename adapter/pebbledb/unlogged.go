package pebbledb

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ipfs/go-datastore"
)

// unloggedMemTableSize is how much is collected in memory without a log. A process
// that is killed loses two such tables at most of what was not synced.
const unloggedMemTableSize = 16 << 20

// OpenUnlogged is [Open] without a log, for a process that writes much and syncs
// seldom: half as much goes to the disk, since values are written to their files
// and nowhere else. What a Sync has acknowledged is as durable as with a log, but
// a Sync writes out what was collected in memory and makes files of it, which
// takes several times as long when that is little. What was not synced is lost
// when the process is killed, and not only when the power is.
func OpenUnlogged(dir string) (*Datastore, error) {
	return OpenWith(dir, Unlogged(Options(vfs.Default)))
}

// Unlogged changes options to those of [OpenUnlogged].
func Unlogged(o *pebble.Options) *pebble.Options {
	o.DisableWAL = true
	o.MemTableSize = unloggedMemTableSize
	return o
}

// Sync implements [datastore.Datastore]. go-ds-pebble does nothing where there is
// no log.
func (d *Datastore) Sync(ctx context.Context, prefix datastore.Key) error {
	if d.failures == nil {
		return d.Datastore.Sync(ctx, prefix)
	}
	select {
	case <-d.failures: // of before
	default:
	}
	flushed, err := d.DB.AsyncFlush()
	if err == nil {
		select {
		case <-flushed:
		case err = <-d.failures:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("pebble: write out what is in memory: %w", err)
	}
	return nil
}

// watchFailures returns where failures in the background are told of. Pebble
// tries again for ever, and who waits for it has to know.
func watchFailures(o *pebble.Options) <-chan error {
	failures := make(chan error, 1)
	o.EventListener.BackgroundError = func(err error) {
		select {
		case failures <- err:
		default:
		}
	}
	return failures
}
