package unixfs

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/ipfs/go-cid"
)

// Reasons for which a DAG or an entry of it is refused. They come wrapped in an
// *Error that names the place; use errors.Is.
var (
	// ErrMalformed is a block that is no UnixFS node, or that contradicts
	// itself or the node that links to it: a lying size, a duplicate name, a
	// HAMT entry in the wrong place.
	ErrMalformed = errors.New("malformed UnixFS node")
	// ErrUnsafeName is an entry whose name is no plain file name, so that
	// writing it could leave the output.
	ErrUnsafeName = errors.New("unsafe name in directory")
	// ErrLimit is a DAG beyond a bound: too deep, too many links or entries,
	// or more bytes than GetOptions.MaxSize.
	ErrLimit = errors.New("beyond limit")
	// ErrNotFile is a directory or symbolic link where a file is needed.
	ErrNotFile = errors.New("not a file")
	// ErrNotDirectory is a file or symbolic link where a directory is needed.
	ErrNotDirectory = errors.New("not a directory")
	// ErrUnsupported is something that UnixFS cannot express or that this
	// package does not read: a device, a codec, a hash function.
	ErrUnsupported = errors.New("unsupported")
	// ErrNothingWanted is a directory in which GetOptions.Wanted wants no file. It has
	// NotFound() true.
	ErrNothingWanted error = nothingWanted{}
)

type nothingWanted struct{}

func (nothingWanted) Error() string  { return "no file in it is among those that are wanted" }
func (nothingWanted) NotFound() bool { return true }

// Error says what failed and where in the DAG.
type Error struct {
	// Root is the CID that the caller named.
	Root cid.Cid
	// Path is the slash-separated place below it, "" for the root itself.
	Path string
	// Err is the reason.
	Err error
}

// Error names the place first: <root>/<path>: <reason>.
func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("unixfs: %s: %s", e.Root, e.Err)
	}
	return fmt.Sprintf("unixfs: %s/%s: %s", e.Root, e.Path, e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// noEntryError is a path segment that its directory does not have.
type noEntryError struct{ name string }

func (e *noEntryError) Error() string { return fmt.Sprintf("no entry %q in this directory", e.name) }

// Is makes it fs.ErrNotExist.
func (e *noEntryError) Is(target error) bool { return target == fs.ErrNotExist }

// NotFound marks it as absence, as for every "not found" of the project.
func (e *noEntryError) NotFound() bool { return true }

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
