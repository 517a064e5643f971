package unixfs

import (
	"context"
	"fmt"
	"math/bits"
	"strings"

	"github.com/ipfs/boxo/ipld/unixfs/pb"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/adapter/dag"
)

// Path is a place in a DAG: names to follow from a root.
type Path struct {
	Root     cid.Cid
	Segments []string
}

// ParsePath reads "<CID>/name/name", "/ipfs/<CID>/…" or "ipfs://<CID>/…". Empty
// segments are ignored; names are taken as they are, without unescaping.
func ParsePath(s string) (Path, error) {
	rest := s
	for _, prefix := range []string{"ipfs://", "/ipfs/"} {
		if after, ok := strings.CutPrefix(s, prefix); ok {
			rest = after
			break
		}
	}
	first, rest, _ := strings.Cut(rest, "/")
	root, err := cid.Decode(first)
	if err != nil {
		return Path{}, fmt.Errorf("unixfs: path %q: must begin with a CID or /ipfs/<CID>: %w", s, err)
	}
	p := Path{Root: root}
	for segment := range strings.SplitSeq(rest, "/") {
		if segment != "" {
			p.Segments = append(p.Segments, segment)
		}
	}
	return p, nil
}

// String returns the path as <CID>/name/name.
func (p Path) String() string {
	return strings.Join(append([]string{p.Root.String()}, p.Segments...), "/")
}

// Resolve parses a path and follows it: see ParsePath and Path.Resolve.
func Resolve(ctx context.Context, get Getter, path string) (cid.Cid, error) {
	p, err := ParsePath(path)
	if err != nil {
		return cid.Undef, err
	}
	return p.Resolve(ctx, get)
}

// Resolve returns the CID at the end of the path. It fetches one block a
// segment, and one more for each level of a sharded directory; a path without
// segments fetches nothing. Symbolic links are not followed. A name that its
// directory does not have is fs.ErrNotExist, and has NotFound() true.
func (p Path) Resolve(ctx context.Context, get Getter) (cid.Cid, error) {
	at := p.Root
	for i, name := range p.Segments {
		next, err := lookup(ctx, get, at, name)
		if err != nil {
			return cid.Undef, &Error{Root: p.Root, Path: strings.Join(p.Segments[:i+1], "/"), Err: err}
		}
		at = next
	}
	return at, nil
}

func lookup(ctx context.Context, get Getter, dir cid.Cid, name string) (cid.Cid, error) {
	n, err := getNode(ctx, get, dir)
	switch {
	case err != nil:
		return cid.Undef, err
	case n.typ == pb.Data_HAMTShard:
		return lookupShard(ctx, get, n, name)
	case n.kind() != TypeDirectory:
		return cid.Undef, fmt.Errorf("%w: %s is a %s", ErrNotDirectory, dir, n.kind())
	}
	for _, l := range n.links {
		if l.name == name {
			return l.cid, nil
		}
	}
	return cid.Undef, &noEntryError{name}
}

// lookupShard descends a HAMT by the hash of the name.
func lookupShard(ctx context.Context, get Getter, n *node, name string) (cid.Cid, error) {
	hash, fanout := hashName(name), n.fanout
	width := bits.Len64(fanout - 1)
	for used := 0; used+width <= hashBits; used += width {
		index := hash << used >> (hashBits - width)
		prefix := fmt.Sprintf("%0*X", hexDigits(fanout-1), index)
		below, found := cid.Undef, false
		for _, l := range n.links {
			if l.name == prefix+name {
				return l.cid, nil
			}
			if l.name == prefix {
				below, found = l.cid, true
			}
		}
		if !found {
			return cid.Undef, &noEntryError{name}
		}
		var err error
		if n, err = getNode(ctx, get, below); err != nil {
			return cid.Undef, err
		}
		if n.typ != pb.Data_HAMTShard || n.fanout != fanout {
			return cid.Undef, malformed("block %s is no shard of fanout %d", below, fanout)
		}
	}
	return cid.Undef, malformed("HAMT deeper than its hash")
}

// getNode fetches and decodes one block.
func getNode(ctx context.Context, get Getter, c cid.Cid) (*node, error) {
	b, ok := dag.Inline(c)
	if !ok {
		var err error
		if b, err = get.GetBlock(ctx, c); err != nil {
			return nil, fmt.Errorf("block %s: %w", c, err)
		}
	}
	if !b.Cid().Equals(c) {
		return nil, malformed("block %s came for %s", b.Cid(), c)
	}
	return decode(b)
}
