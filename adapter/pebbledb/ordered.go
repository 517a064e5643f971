package pebbledb

import (
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// markerPrefix begins the names of the empty files by which Pebble says which
// manifest is in force.
const markerPrefix = "marker."

// ordered is a file system on which no marker outlives what it points at. Pebble
// makes a manifest and then its marker, and syncs the directory once, after both.
// Where a loss of power may take the earlier of two names and leave the later,
// the database could not be opened any more. Most file systems keep the order;
// none promises to. A marker is made when a database is opened and about once
// for each 128 MiB of manifest.
type ordered struct{ vfs.FS }

// Create implements vfs.FS.
func (o ordered) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasPrefix(o.PathBase(name), markerPrefix) {
		if err := o.syncDir(o.PathDir(name)); err != nil {
			return nil, err
		}
	}
	return o.FS.Create(name, c)
}

func (o ordered) syncDir(dir string) error {
	d, err := o.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Unwrap implements vfs.FS.
func (o ordered) Unwrap() vfs.FS { return o.FS }
