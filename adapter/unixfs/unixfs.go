package unixfs

import (
	"context"
	"fmt"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// Putter stores blocks. PutMany returns when the batch is stored; it must not
// keep the slice afterwards, the blocks it may keep.
type Putter interface {
	PutMany(ctx context.Context, bs []blocks.Block) error
}

// Getter fetches blocks, those that are stored here before those that are not.
// Blocks are trusted to match their CIDs: whoever fetches verifies.
type Getter interface {
	// GetBlock returns one block or the reason why there is none.
	GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error)
	// GetBlocks delivers each block once, in any order, and closes the channel
	// after the last one, when ctx ends, or when the rest cannot be had.
	GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error)
}

// Type says what a UnixFS entry is.
type Type uint8

const (
	// TypeUnknown is an entry whose block was not looked at; see List.
	TypeUnknown Type = iota
	// TypeFile is a regular file.
	TypeFile
	// TypeDirectory is a directory, whether in one block or sharded.
	TypeDirectory
	// TypeSymlink is a symbolic link.
	TypeSymlink
)

var typeNames = [...]string{"unknown", "file", "directory", "symlink"}

// String returns the type in one lower-case word.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type(%d)", t)
}

// Event tells how far an Add or a Get has come. Events arrive in order, from
// one goroutine at a time, once a block at most; the function that receives
// them should return at once.
type Event struct {
	// Name is the slash-separated path of the current entry below the root, or
	// "" for the root itself.
	Name string
	// Done counts content bytes read by Add, or written by Get.
	Done uint64
	// Total is what Done will reach: exact for Add and for a single file,
	// otherwise what the root claims for all its blocks, which is slightly
	// more than their content. It is 0 when unknown.
	Total uint64
	// Files counts the files that are complete.
	Files uint64
}

// AddOptions tunes Add and AddReader. The zero value is ready to use.
type AddOptions struct {
	// ChunkSize is the size of a leaf in bytes: 256 KiB when zero, at most
	// MaxChunkSize. Other sizes give other CIDs.
	ChunkSize int
	// Hidden includes entries whose names begin with a dot. They are left out
	// by default, as by `ipfs add -r`; a full copy of a tree needs them. The
	// path that Add was given is never left out.
	Hidden bool
	// Progress, if set, receives events.
	Progress func(Event)
}

// Root describes what was added.
type Root struct {
	// CID is the address of the whole.
	CID cid.Cid
	// Size counts content bytes of all files.
	Size uint64
	// DAGSize counts the bytes of all blocks, each as often as it is linked:
	// the Tsize that a link to the root carries.
	DAGSize uint64
	// Files, Dirs and Symlinks count the entries, the root among them.
	Files, Dirs, Symlinks uint64
}

// GetOptions tunes Get. The zero value is ready to use.
type GetOptions struct {
	// Overwrite replaces files and symbolic links that exist. Without it they
	// are an error. A directory that exists is always merged with, and a
	// directory never replaces a file nor a file a directory.
	Overwrite bool
	// Window bounds the bytes of blocks asked for ahead of the one that is
	// written: 16 MiB when zero. Larger keeps a longer pipe full.
	Window int64
	// MaxSize bounds the content bytes that are written: without a bound when
	// zero. A DAG of a few blocks can describe any amount of data.
	MaxSize uint64
	// MaxEntries bounds files, directories and symbolic links together:
	// 16,777,216 when zero.
	MaxEntries uint64
	// Wanted, if set, says which part of a directory is wanted: it is asked whether the
	// file or link at a path is, and, with below, whether anything below the path may be.
	// What is not wanted is not fetched. Paths have slashes and begin below the root. It is
	// an ErrNothingWanted when that is nothing.
	Wanted func(path string, below bool) bool
	// Progress, if set, receives events.
	Progress func(Event)
}

// Summary counts what Get wrote. Blocks are counted as often as they are linked.
type Summary struct {
	Files, Dirs, Symlinks, Bytes, Blocks uint64
}

// CatOptions selects a range of a file. The zero value selects all of it.
type CatOptions struct {
	// Offset is the first byte. Beyond the end of the file nothing is written.
	Offset uint64
	// Length is the most bytes to write: up to the end of the file when zero.
	Length uint64
	// Window is as in GetOptions.
	Window int64
	// MaxEntries bounds files, directories and symbolic links together: 16,777,216 by
	// default. A few blocks can link to each other so that there are more than anybody
	// can count.
	MaxEntries uint64
}

// ListOptions tunes List.
type ListOptions struct {
	// Types looks into the root block of every entry, many at a time, so that
	// Type is never TypeUnknown and Size is the size of a file's content.
	Types bool
	// Window is as in GetOptions.
	Window int64
	// MaxEntries bounds files, directories and symbolic links together: 16,777,216 by
	// default. A few blocks can link to each other so that there are more than anybody
	// can count.
	MaxEntries uint64
}

// Link is one entry of a directory.
type Link struct {
	Name string
	CID  cid.Cid
	// Size is what the directory claims for all blocks of the entry; of Files, and with
	// ListOptions.Types, a file's or symbolic link's content bytes and 0 for a
	// directory.
	Size uint64
	// Type is TypeFile for raw blocks and TypeUnknown for others, unless
	// ListOptions.Types is set.
	Type Type
}
