package unixfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	// DefaultChunkSize is that of `ipfs add`: size-262144.
	DefaultChunkSize = 256 << 10
	// MaxChunkSize is the largest that Kubo takes: the 2 MiB that every
	// Bitswap peer must accept, less 256 bytes for framing.
	MaxChunkSize = 2<<20 - 256
)

// Add stores the file, the directory tree or the symbolic link at path and
// returns its root. Symbolic links are stored, never followed. Memory does not
// grow with the size of files, only with the number of entries of one
// directory. On error some blocks may be stored already; to add again is cheap
// and gives the same CIDs. A tree that changes meanwhile is stored as it was
// when each part was read.
func Add(ctx context.Context, put Putter, path string, o AddOptions) (Root, error) {
	return add(ctx, put, o, func(ctx context.Context, a *adder) (link, error) {
		info, err := os.Lstat(path)
		if err != nil {
			return link{}, fmt.Errorf("unixfs: add: %w", err)
		}
		if o.Progress != nil {
			if a.event.Total, err = a.measure(ctx, path); err != nil {
				return link{}, err
			}
		}
		return a.add(ctx, path, "", info.Mode())
	})
}

// AddReader stores what r delivers as one file. It is as Add; when ctx ends it
// returns as soon as the Read in progress has.
func AddReader(ctx context.Context, put Putter, r io.Reader, o AddOptions) (Root, error) {
	return add(ctx, put, o, func(ctx context.Context, a *adder) (link, error) {
		return a.file(ctx, r, "")
	})
}

// add runs one addition: build stores everything and returns the link to the root.
func add(ctx context.Context, put Putter, o AddOptions, build func(context.Context, *adder) (link, error)) (Root, error) {
	if o.ChunkSize == 0 {
		o.ChunkSize = DefaultChunkSize
	}
	if o.ChunkSize < 0 || o.ChunkSize > MaxChunkSize {
		return Root{}, fmt.Errorf("unixfs: AddOptions.ChunkSize %d: must be from 1 to %d", o.ChunkSize, MaxChunkSize)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := &adder{o: o, out: newBatcher(ctx, put)}
	l, err := build(ctx, a)
	if err != nil {
		cancel()
	}
	if err := a.out.finish(ctx, err); err != nil {
		return Root{}, err
	}
	a.root.CID, a.root.Size, a.root.DAGSize = l.cid, l.size, l.tsize
	return a.root, nil
}

// adder is one addition under way.
type adder struct {
	o     AddOptions
	out   *batcher
	root  Root
	event Event
	// spare is a chunk buffer that one file left for the next.
	spare []byte
}

// measure sums the sizes of the files that will be read.
func (a *adder) measure(ctx context.Context, root string) (uint64, error) {
	var sum uint64
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case path != root && a.skips(d.Name()) && d.IsDir():
			return filepath.SkipDir
		case path != root && a.skips(d.Name()) || !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		if err == nil {
			sum += uint64(info.Size())
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("unixfs: add: %w", err)
	}
	return sum, nil
}

func (a *adder) skips(name string) bool { return !a.o.Hidden && strings.HasPrefix(name, ".") }

// add stores whatever is at path; name is its place below the root.
func (a *adder) add(ctx context.Context, path, name string, mode fs.FileMode) (link, error) {
	switch mode.Type() {
	case 0:
		f, err := os.Open(path)
		if err != nil {
			return link{}, fmt.Errorf("unixfs: add: %w", err)
		}
		defer f.Close()
		return a.file(ctx, f, name)
	case fs.ModeDir:
		return a.directory(ctx, path, name)
	case fs.ModeSymlink:
		return a.symlink(ctx, path)
	default:
		return link{}, fmt.Errorf("unixfs: add %s: %w: UnixFS has files, directories and symbolic links, not %s; leave it out",
			path, ErrUnsupported, mode.Type())
	}
}

// directory stores the entries, then the directory. The size of the link that
// it returns is the content of all files below.
func (a *adder) directory(ctx context.Context, path, name string) (link, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return link{}, fmt.Errorf("unixfs: add: %w", err)
	}
	var size uint64
	links := make([]link, 0, len(entries))
	for _, e := range entries {
		if a.skips(e.Name()) {
			continue
		}
		l, err := a.add(ctx, filepath.Join(path, e.Name()), join(name, e.Name()), e.Type())
		if err != nil {
			return link{}, err
		}
		l.name = e.Name()
		links = append(links, l)
		size += l.size
	}
	l, err := a.putDirectory(ctx, links)
	if err != nil {
		return link{}, fmt.Errorf("unixfs: add %s: %w", path, err)
	}
	l.size = size
	a.root.Dirs++
	return l, nil
}

func (a *adder) putDirectory(ctx context.Context, links []link) (link, error) {
	if sharded(links) {
		return putShards(ctx, a.out, links)
	}
	b, err := encodeDirectory(links)
	if err != nil {
		return link{}, err
	}
	return link{cid: b.Cid(), tsize: total(b, links)}, a.out.put(ctx, b)
}

func (a *adder) symlink(ctx context.Context, path string) (link, error) {
	target, err := os.Readlink(path)
	if err != nil {
		return link{}, fmt.Errorf("unixfs: add: %w", err)
	}
	b, err := encodeSymlink(filepath.ToSlash(target))
	if err != nil {
		return link{}, err
	}
	a.root.Symlinks++
	return link{cid: b.Cid(), tsize: total(b, nil)}, a.out.put(ctx, b)
}

// file stores one file. An empty file is one empty leaf.
func (a *adder) file(ctx context.Context, r io.Reader, name string) (link, error) {
	a.event.Name = name
	chunks := &chunker{r: r, size: a.o.ChunkSize, spare: a.spare}
	defer func() { a.spare = chunks.stop() }()
	tree := layout{out: a.out}
	for leaves := 0; ; leaves++ {
		data, err := chunks.next(ctx)
		if errors.Is(err, io.EOF) && leaves > 0 {
			break
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return link{}, fmt.Errorf("unixfs: add: %w", err)
		}
		if err := a.leaf(ctx, &tree, data); err != nil {
			return link{}, err
		}
	}
	l, err := tree.root(ctx)
	if err != nil {
		return link{}, err
	}
	a.root.Files++
	a.event.Files++
	a.report()
	return l, nil
}

func (a *adder) leaf(ctx context.Context, tree *layout, data []byte) error {
	b, err := encodeLeaf(data)
	if err != nil {
		return err
	}
	if err := a.out.put(ctx, b); err != nil {
		return err
	}
	a.event.Done += uint64(len(data))
	a.report()
	size := uint64(len(data))
	return tree.add(ctx, link{cid: b.Cid(), tsize: size, size: size})
}

func (a *adder) report() {
	if a.o.Progress != nil {
		a.o.Progress(a.event)
	}
}

// join extends a slash-separated path.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
