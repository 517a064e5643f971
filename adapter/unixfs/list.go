package unixfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/ipfs/go-cid"
)

// listWindow keeps some 250 shards of a large directory under way.
const listWindow = 8 << 20

// List yields the entries of a directory as their blocks come, in the order of
// the DAG: by name, or by hash when the directory is sharded. An error ends the
// sequence. Names are as they are in the DAG and may hold anything: see
// ErrUnsafeName before making paths of them.
func List(ctx context.Context, get Getter, dir cid.Cid, o ListOptions) iter.Seq2[Link, error] {
	how := walkOptions{window: o.Window, shallow: true, types: o.Types}
	return entries(ctx, get, dir, how, o.MaxEntries, func(e *entry) (Link, bool) { return e.link(o.Types), true })
}

// entries yields those below a directory that a walk meets and link takes, of so many that
// there may be.
func entries(ctx context.Context, get Getter, dir cid.Cid, o walkOptions, most uint64, link func(*entry) (l Link, take bool)) iter.Seq2[Link, error] {
	if o.to = math.MaxUint64; o.window <= 0 {
		o.window = listWindow
	}
	if most == 0 {
		most = defaultMaxEntries
	}
	return func(yield func(Link, error) bool) {
		w := newWalker(ctx, get, dir, o)
		defer w.close()
		count := uint64(0)
		for {
			s, err := w.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil && s.entry.parent == nil && s.entry.typ != TypeDirectory {
				err = w.fail(s.entry, fmt.Errorf("%w but a %s", ErrNotDirectory, s.entry.typ))
			}
			if err != nil {
				yield(Link{}, err)
				return
			}
			if s.kind != cellBegin || s.entry.parent == nil {
				continue
			}
			if count++; count > most {
				yield(Link{}, w.fail(s.entry, fmt.Errorf("%w: more than %d entries; raise MaxEntries if they are wanted", ErrLimit, most)))
				return
			}
			if l, take := link(s.entry); take && !yield(l, nil) {
				return
			}
		}
	}
}

// Files yields every file and symbolic link below a directory, in the order of the
// DAG, as links whose names are paths: the names of the directories and its own with
// slashes in between. It fetches the directories and the first block of everything that
// may be one: a link says how much is below it, and only the block whether that is a
// directory or a file of several blocks. A raw block is a file. An error ends the sequence,
// as a name does that cannot be one in a path: see ErrUnsafeName.
func Files(ctx context.Context, get Getter, dir cid.Cid, o ListOptions) iter.Seq2[Link, error] {
	return entries(ctx, get, dir, walkOptions{window: o.Window, outline: true}, o.MaxEntries, func(e *entry) (Link, bool) {
		l := e.link(true)
		l.Name = e.path()
		return l, e.typ != TypeDirectory
	})
}

// link describes the entry by what is known of it.
func (e *entry) link(resolved bool) Link {
	l := Link{Name: e.name, CID: e.cid, Size: e.tsize, Type: e.typ}
	if resolved {
		l.Size = e.size
	}
	return l
}

// Stat describes one entry by its root block, the only one that it fetches: as
// a Link without a name, whose Size is as with ListOptions.Types.
func Stat(ctx context.Context, get Getter, c cid.Cid) (Link, error) {
	n, err := getNode(ctx, get, c)
	if err != nil {
		return Link{}, &Error{Root: c, Err: err}
	}
	return Link{CID: c, Size: n.size, Type: n.kind()}, nil
}
