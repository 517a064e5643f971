package unixfs

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/ipfs/boxo/ipld/unixfs/pb"
	"github.com/ipfs/go-cid"
)

const (
	// maxDepth bounds how deep directories nest. Every level keeps a directory
	// open while Get is in it.
	maxDepth = 256
	// maxLevels bounds the tree of one file or sharded directory. The balanced
	// layout reaches 174^7 leaves in 7 levels.
	maxLevels = 64
	// unknownSize is assumed where a link claims no size.
	unknownSize = 256 << 10
	// nodeSize is assumed for a block that is no leaf.
	nodeSize = 16 << 10
	// maxEmpty bounds the parts of files that hold nothing, of which a few
	// blocks can describe any number.
	maxEmpty = 1 << 16
	// maxName is the longest file name of the common file systems, in bytes.
	maxName = 255
)

// entry is a file, a directory or a symbolic link below the root.
type entry struct {
	parent *entry
	name   string
	depth  int
	cid    cid.Cid
	tsize  uint64
	// The rest is known from the root block on.
	typ    Type
	size   uint64
	target string
}

// path returns the slash-separated place below the root, "" for the root.
func (e *entry) path() string {
	if e.parent == nil {
		return ""
	}
	return join(e.parent.path(), e.name)
}

type cellKind uint8

const (
	// Cells that want a block: the root of an entry, a part of a file, a shard
	// of a directory.
	cellRoot cellKind = iota
	cellFile
	cellShard
	// Cells that are steps, and one that has been expanded.
	cellBegin
	cellData
	cellEnd
	cellNone
)

func (k cellKind) ready() bool { return k >= cellBegin }

// cell is one place of the frontier; see walker.
type cell struct {
	next  *cell
	entry *entry
	kind  cellKind
	// level counts nodes from the root of the entry.
	level uint8
	cid   cid.Cid
	want  *want
	// weight is the bytes of stream that the cell stands for.
	weight int64
	// size and offset are the claimed content range of a part of a file.
	size, offset uint64
	// place and fanout belong to shards.
	place  shardPlace
	fanout uint64
	data   []byte
}

// step is what a walk yields: an entry begins, some of its content, it ends.
// Files and directories end; symbolic links, and the entries of a shallow walk,
// only begin.
type step struct {
	kind  cellKind
	entry *entry
	// data belongs to the block and is content from offset on.
	data   []byte
	offset uint64
}

func (c *cell) step() step { return step{c.kind, c.entry, c.data, c.offset} }

// chain collects the cells that replace one.
type chain struct {
	first, last *cell
	// n counts the cells, wanting those that want a block.
	n, wanting int
}

func (ch *chain) add(c *cell) {
	if ch.first == nil {
		ch.first = c
	} else {
		ch.last.next = c
	}
	ch.last = c
	ch.n++
	if !c.kind.ready() {
		ch.wanting++
	}
}

// expand replaces a cell by what its block holds.
func (w *walker) expand(c *cell) error {
	n, err := decode(c.want.block)
	if err != nil {
		return w.fail(c.entry, err)
	}
	w.walked++
	var ch chain
	switch c.kind {
	case cellRoot:
		err = w.expandRoot(&ch, c, n)
	case cellFile:
		err = w.expandFile(&ch, c, n)
	case cellShard:
		err = w.expandShard(&ch, c, n)
	}
	if err != nil {
		return w.fail(c.entry, err)
	}
	return w.splice(c, &ch)
}

// splice leaves an empty cell in the place of c, and the chain behind it.
func (w *walker) splice(c *cell, ch *chain) error {
	if ch.n > 0 {
		ch.last.next = c.next
		c.next = ch.first
	}
	w.release(c)
	w.cells += ch.n
	w.unasked += ch.wanting
	w.changed += ch.n
	if w.cells > maxCells {
		return w.fail(c.entry, fmt.Errorf("%w: more than %d links open at once", ErrLimit, maxCells))
	}
	*c = cell{next: c.next, kind: cellNone}
	return nil
}

func (w *walker) expandRoot(ch *chain, c *cell, n *node) error {
	e := c.entry
	e.typ, e.size = n.kind(), n.size
	if e.parent == nil {
		e.tsize = total(c.want.block, n.links)
	} else if !w.selects(e, e.typ == TypeDirectory) {
		return nil
	}
	ch.add(&cell{kind: cellBegin, entry: e})
	switch {
	case e.typ == TypeSymlink:
		e.target = string(n.data)
		return nil
	case w.o.shallow && e.parent != nil, w.o.outline && e.typ == TypeFile:
		return nil
	}
	var err error
	if e.typ == TypeFile {
		c.size = n.size
		err = w.expandFile(ch, c, n)
	} else {
		c.fanout = n.fanout
		err = w.expandDirectory(ch, c, n)
	}
	ch.add(&cell{kind: cellEnd, entry: e})
	return err
}

// expandFile adds the content of a part of a file and the parts below it, as
// far as they are in the range.
func (w *walker) expandFile(ch *chain, c *cell, n *node) error {
	switch {
	case n.kind() != TypeFile:
		return malformed("a %s inside a file", n.kind())
	case n.size != c.size:
		return malformed("block %s has %d bytes of the file, not the %d that are claimed", c.cid, n.size, c.size)
	case c.level == maxLevels:
		return fmt.Errorf("%w: file tree deeper than %d", ErrLimit, maxLevels)
	case n.size == 0 && c.level > 0:
		if w.empty++; w.empty > maxEmpty {
			return fmt.Errorf("%w: more than %d empty parts of files", ErrLimit, maxEmpty)
		}
	}
	offset := c.offset
	if len(n.data) > 0 && w.inRange(offset, uint64(len(n.data))) {
		c.want.holders++
		ch.add(&cell{
			kind: cellData, entry: c.entry, cid: c.cid, want: c.want,
			weight: int64(len(n.data)), data: n.data, offset: offset,
		})
	}
	offset += uint64(len(n.data))
	for _, l := range n.links {
		if w.inRange(offset, l.size) {
			ch.add(&cell{
				kind: cellFile, entry: c.entry, level: c.level + 1, cid: l.cid,
				weight: w.weigh(l.cid, max(l.tsize, l.size)), size: l.size, offset: offset,
			})
		}
		offset += l.size
	}
	return nil
}

// inRange tells whether content matters; parts that claim no content do, so
// that a claim of nothing is checked too.
func (w *walker) inRange(offset, size uint64) bool {
	return size == 0 || offset < w.o.to && offset+size > w.o.from
}

func (w *walker) expandDirectory(ch *chain, c *cell, n *node) error {
	if c.entry.depth == maxDepth {
		return fmt.Errorf("%w: directories deeper than %d", ErrLimit, maxDepth)
	}
	if n.typ == pb.Data_HAMTShard {
		return w.expandShard(ch, c, n)
	}
	seen := make(map[string]struct{}, len(n.links))
	for _, l := range n.links {
		if _, twice := seen[l.name]; twice {
			return malformed("name %q occurs twice", l.name)
		}
		seen[l.name] = struct{}{}
		if err := w.addEntry(ch, c, l, l.name); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) expandShard(ch *chain, c *cell, n *node) error {
	if n.typ != pb.Data_HAMTShard || n.fanout != c.fanout {
		return malformed("block %s is no shard of fanout %d", c.cid, c.fanout)
	}
	if len(n.links) == 0 && c.level > 0 {
		return malformed("block %s is an empty shard", c.cid)
	}
	last := -1
	for _, l := range n.links {
		s, err := c.place.slot(n, l)
		if err != nil {
			return err
		}
		index := s.place.index(n.fanout)
		if index <= last {
			return malformed("HAMT slot %d occurs twice or out of order", index)
		}
		last = index
		if s.name != "" {
			err = w.addEntry(ch, c, l, s.name)
		} else {
			ch.add(&cell{
				kind: cellShard, entry: c.entry, level: c.level + 1, cid: l.cid,
				weight: w.weigh(l.cid, l.tsize), place: s.place, fanout: n.fanout,
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// selects reports whether an entry is to be walked, or what is below it.
func (w *walker) selects(e *entry, below bool) bool {
	return w.o.wanted == nil || w.o.wanted(e.path(), below)
}

// addEntry adds an entry of the directory that c is a part of. A shallow walk, or
// one for an outline, has nothing to look up for a raw block, which is a file of
// its own size.
func (w *walker) addEntry(ch *chain, c *cell, l link, name string) error {
	e := &entry{parent: c.entry, name: name, depth: c.entry.depth + 1, cid: l.cid, tsize: l.tsize}
	raw := l.cid.Type() == cid.Raw
	if !w.selects(e, false) && (raw || !w.selects(e, true)) {
		return nil
	}
	if !w.o.shallow && !safeName(name) {
		return fmt.Errorf("%w: %q", ErrUnsafeName, name)
	}
	if !w.o.shallow && !(w.o.outline && raw) || w.o.types && !raw {
		ch.add(&cell{kind: cellRoot, entry: e, cid: l.cid, weight: w.weigh(l.cid, l.tsize)})
		return nil
	}
	if raw {
		e.typ, e.size = TypeFile, l.tsize
	}
	ch.add(&cell{kind: cellBegin, entry: e})
	return nil
}

// weigh returns the weight of a cell from the claimed size of what it links to.
// Of a file, a shallow walk and one for an outline take one block.
func (w *walker) weigh(c cid.Cid, claim uint64) int64 {
	if claim == 0 {
		claim = unknownSize
	}
	if (w.o.shallow || w.o.outline) && c.Type() != cid.Raw {
		claim = min(claim, nodeSize)
	}
	return int64(min(claim, uint64(w.o.window)))
}

// blockSize returns what the block of a cell is expected to take on the wire.
func blockSize(c *cell) int64 {
	if c.cid.Type() == cid.Raw {
		return c.weight
	}
	return min(c.weight, nodeSize)
}

// safeName tells whether a name is that of one entry in its directory and
// nothing else on this operating system: reserved names and the other
// separator are refused where they mean something.
func safeName(name string) bool {
	return name != "." && len(name) <= maxName && filepath.IsLocal(name) &&
		!strings.ContainsAny(name, "/\x00"+string(filepath.Separator))
}
