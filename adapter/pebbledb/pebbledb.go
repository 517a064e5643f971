// Package pebbledb opens Pebble databases that are made for blocks.
package pebbledb

import (
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	pebbleds "github.com/ipfs/go-ds-pebble"
)

// Blocks are written once, under keys that are hashes, and are up to 2 MiB: a
// log-structured tree that moves them about writes each many times. Kept apart
// from their keys they are written twice, once to the log and once to a file of
// values. For 960 MiB in blocks of 256 KiB that is 1.9 GB on the disk where
// Pebble's defaults write 5.2 GB, and reading is twice as fast.
const (
	// memTableSize is how much is collected in memory before it becomes a file;
	// Pebble's own 4 MiB would make a file out of a few blocks.
	memTableSize = 64 << 20
	// fileSize is how much a file of values and the table that goes with it hold: what
	// was collected becomes one of each. Pebble's own 2 MiB would make 32 out of it,
	// each with its own syncs, and half a million out of a terabyte.
	fileSize = memTableSize
	// apartFrom is the size from which a value is kept apart. Directories and the
	// inner nodes of files are below it, mostly, and are read together.
	apartFrom = 1 << 10
	// maxValueFiles is how many files of values a table may refer to before they
	// are rewritten in the order of the keys, which nobody reads blocks in.
	maxValueFiles = 100
	// A file of which a fifth was deleted is rewritten after a while.
	garbageRatio = 0.2
	garbageAge   = 5 * time.Minute
)

// compression is Snappy, which is Pebble's default, where it takes away an eighth,
// as Pebble demands, too. Whether it does is tried on samples: most blocks are parts of
// what has been compressed already, and trying each of them takes as much memory
// again as the blocks themselves.
var compression = pebble.UniformDBCompressionSettings(&sstable.CompressionProfile{
	Name:                           sstable.SnappyCompression.Name, // by which Pebble's tools know how to read it
	DataBlocks:                     sstable.SnappyCompression.DataBlocks,
	ValueBlocks:                    sstable.SnappyCompression.ValueBlocks,
	OtherBlocks:                    sstable.NoCompression.OtherBlocks,
	MinReductionPercent:            sstable.SnappyCompression.MinReductionPercent,
	AdaptiveReductionCutoffPercent: sstable.SnappyCompression.MinReductionPercent,
})

// Open opens the database in dir and makes it when there is none. It has
// checksums over everything that it reads from the disk, so that a store over it
// needs none: see blockstore.WithTrustedReads.
func Open(dir string) (*Datastore, error) { return OpenWith(dir, Options(vfs.Default)) }

// OpenWith is [Open] with other options, which are made of those of [Options].
func OpenWith(dir string, o *pebble.Options) (*Datastore, error) {
	var failures <-chan error
	if o.DisableWAL {
		failures = watchFailures(o)
	}
	d, err := pebbleds.NewDatastore(dir, pebbleds.WithPebbleOpts(o))
	if err != nil {
		return nil, err
	}
	return &Datastore{Datastore: d, fs: o.FS, dir: dir, failures: failures}, nil
}

// Options returns the options that [Open] uses, but on the given file system, for
// callers that change some.
func Options(fs vfs.FS) *pebble.Options {
	options := &pebble.Options{
		FS: ordered{fs},
		// Pinned, so that what one release of this layout writes the others read.
		FormatMajorVersion: pebble.FormatValueSeparation,
		MemTableSize:       memTableSize,
	}
	for level := range options.TargetFileSizes {
		options.TargetFileSizes[level] = fileSize
	}
	options.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return compression })
	options.Experimental.ValueSeparationPolicy = func() pebble.ValueSeparationPolicy {
		return pebble.ValueSeparationPolicy{
			Enabled:               true,
			MinimumSize:           apartFrom,
			MaxBlobReferenceDepth: maxValueFiles,
			RewriteMinimumAge:     garbageAge,
			TargetGarbageRatio:    garbageRatio,
		}
	}
	// Without a listener Pebble ends the process when it reads bytes that have
	// changed: one bad sector under one block, for which any peer can ask, would
	// keep a node down. The error goes to who has read.
	options.EventListener = &pebble.EventListener{DataCorruption: func(pebble.DataCorruptionInfo) {}}
	return options
}
