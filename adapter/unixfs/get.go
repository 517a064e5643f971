package unixfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"

	"github.com/ipfs/go-cid"
)

const defaultMaxEntries = 1 << 24

// Get writes the file, the directory tree or the symbolic link at root to
// output, whose directory must exist. Everything is written below a temporary
// name next to output and renamed when it is complete and every claimed size
// has been checked, so that output holds either nothing or all; only where a
// directory exists already are entries moved into it one by one. When Get fails
// it leaves nothing but the blocks that its Getter stored, with which the next
// Get goes on; temporaries that a crash left of the same root are removed. Files
// are not synced, as those that cp and tar write are not: after a loss of power
// within the first half minute they may have to be got again, from the blocks.
//
// A symbolic link is created with whatever target it has, as tar, git and Kubo
// do, and never followed: a tree that holds one that points elsewhere is as
// safe to get as any, but whoever walks it afterwards must take care. Existing
// symbolic links below output are not followed either, unlike output itself
// when it is one to a directory. Modes and times in the DAG are ignored.
//
// Errors are an *Error that names the path in the DAG, unless they concern the
// output as a whole.
func Get(ctx context.Context, get Getter, root cid.Cid, output string, o GetOptions) (Summary, error) {
	if o.MaxSize == 0 {
		o.MaxSize = math.MaxUint64
	}
	if o.MaxEntries == 0 {
		o.MaxEntries = defaultMaxEntries
	}
	tmp, err := newStaging(output, root)
	if err != nil {
		return Summary{}, err
	}
	defer tmp.remove()
	w := newWalker(ctx, get, root, walkOptions{window: o.Window, to: math.MaxUint64, wanted: o.Wanted})
	defer w.close()
	t := &treeWriter{o: o, w: w, top: tmp}
	defer t.close()
	if err := t.write(); err != nil {
		return Summary{}, err
	}
	t.close()
	if err := tmp.install(o.Overwrite); err != nil {
		return Summary{}, err
	}
	t.finish()
	return t.sum, nil
}

// treeWriter turns the steps of a walk into files.
//
// It keeps every directory between the root and the current entry open and
// creates entries in them by their single names, exclusively: no path is ever
// resolved, so there is nothing in which "..", a separator or a symbolic link
// could lead elsewhere.
type treeWriter struct {
	o     GetOptions
	w     *walker
	top   *staging
	dirs  []directory
	file  *os.File
	left  uint64
	sum   Summary
	event Event
}

// directory is a directory that is being written, and the one that it will be
// merged into, nil if there is none.
type directory struct {
	out, existing *os.Root
}

func (t *treeWriter) write() error {
	for {
		s, err := t.w.next()
		if errors.Is(err, io.EOF) {
			return t.requireSome()
		}
		if err != nil {
			return err
		}
		if err := t.step(s); err != nil {
			return t.w.fail(s.entry, err)
		}
	}
}

// requireSome returns an error when a part was wanted and there is nothing of it.
func (t *treeWriter) requireSome() error {
	if t.o.Wanted != nil && t.sum.Files+t.sum.Symlinks == 0 {
		return &Error{Root: t.w.root, Err: ErrNothingWanted}
	}
	return nil
}

func (t *treeWriter) step(s step) error {
	switch s.kind {
	case cellBegin:
		return t.begin(s.entry)
	case cellData:
		return t.content(s)
	case cellEnd:
		return t.end(s.entry)
	}
	return nil
}

// begin creates an entry.
func (t *treeWriter) begin(e *entry) error {
	if t.sum.Files+t.sum.Dirs+t.sum.Symlinks == t.o.MaxEntries {
		return fmt.Errorf("%w: more than %d entries; raise MaxEntries if they are wanted", ErrLimit, t.o.MaxEntries)
	}
	if e.parent == nil {
		t.event.Total = e.size
		if e.typ == TypeDirectory {
			t.event.Total = e.tsize
		}
		if t.o.Wanted != nil {
			t.event.Total = 0 // not known
			if e.typ != TypeDirectory {
				return fmt.Errorf("%w but a %s, which has no parts", ErrNotDirectory, e.typ)
			}
		}
	}
	dir, name, target := t.place(e)
	if err := t.checkFree(dir.existing, target, e); err != nil {
		return err
	}
	t.event.Name = e.path()
	switch e.typ {
	case TypeDirectory:
		return t.enter(dir, name, target)
	case TypeSymlink:
		t.sum.Symlinks++
		return dir.out.Symlink(e.target, name)
	default:
		return t.open(dir.out, name, e.size)
	}
}

// place returns the directory of an entry, its name while it is written, and
// its name in the directory that exists.
func (t *treeWriter) place(e *entry) (dir directory, name, target string) {
	if e.parent == nil {
		return directory{t.top.dir, t.top.parent}, stagedName, t.top.base
	}
	return t.dirs[len(t.dirs)-1], e.name, e.name
}

// checkFree fails early where install would fail at the end.
func (t *treeWriter) checkFree(existing *os.Root, name string, e *entry) error {
	if existing == nil {
		return nil
	}
	info, err := existing.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return checkReplace(info, e.typ == TypeDirectory, t.o.Overwrite)
}

// checkReplace tells whether an entry may take the place of what exists.
func checkReplace(existing fs.FileInfo, dir, overwrite bool) error {
	switch {
	case existing.IsDir() && dir:
		return nil
	case existing.IsDir():
		return fmt.Errorf("%w: a directory is in its place; name another output", fs.ErrExist)
	case dir:
		return fmt.Errorf("%w: what is in its place is no directory; name another output", fs.ErrExist)
	case !overwrite:
		return fmt.Errorf("%w: remove it, name another output, or overwrite", fs.ErrExist)
	default:
		return nil
	}
}

// enter creates a directory and makes it the current one.
func (t *treeWriter) enter(in directory, name, target string) error {
	if err := in.out.Mkdir(name, 0o777); err != nil {
		return err
	}
	out, err := in.out.OpenRoot(name)
	if err != nil {
		return err
	}
	next := directory{out: out}
	if in.existing != nil {
		if next.existing, err = in.existing.OpenRoot(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, out.Close())
		}
	}
	t.dirs = append(t.dirs, next)
	t.sum.Dirs++
	return nil
}

func (t *treeWriter) open(in *os.Root, name string, size uint64) error {
	if size > t.o.MaxSize-t.sum.Bytes {
		return fmt.Errorf("%w: more than %d bytes; raise MaxSize if they are wanted", ErrLimit, t.o.MaxSize)
	}
	f, err := in.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	t.file, t.left = f, size
	return nil
}

func (t *treeWriter) content(s step) error {
	if _, err := t.file.Write(s.data); err != nil {
		return err
	}
	n := uint64(len(s.data))
	t.left -= n
	t.sum.Bytes += n
	t.event.Done += n
	t.report()
	return nil
}

// end completes a file, whose blocks must have come to the size of its root, or
// leaves a directory.
func (t *treeWriter) end(e *entry) error {
	if e.typ == TypeDirectory {
		last := len(t.dirs) - 1
		dir := t.dirs[last]
		t.dirs = t.dirs[:last]
		return dir.close()
	}
	f := t.file
	t.file = nil
	if err := f.Close(); err != nil {
		return err
	}
	if t.left != 0 {
		return malformed("content ends %d bytes before the size %d that is claimed", t.left, e.size)
	}
	t.sum.Files++
	t.event.Files++
	t.report()
	return nil
}

// finish reports the end.
func (t *treeWriter) finish() {
	t.sum.Blocks = t.w.walked
	t.event.Name, t.event.Total = "", t.event.Done
	t.report()
}

func (t *treeWriter) report() {
	if t.o.Progress != nil {
		t.o.Progress(t.event)
	}
}

// close closes what an error left open. It may be called again.
func (t *treeWriter) close() {
	if t.file != nil {
		t.file.Close()
		t.file = nil
	}
	for _, dir := range t.dirs {
		dir.close()
	}
	t.dirs = nil
}

func (d directory) close() error {
	err := d.out.Close()
	if d.existing != nil {
		err = errors.Join(err, d.existing.Close())
	}
	return err
}
