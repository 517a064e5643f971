package demo

import (
	"context"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// spread stores blocks at a node that gets everything, and each block also at
// one of two others, so that these have halves without a block in common.
type spread struct {
	everything *Node
	halves     []*Node
	seen       map[cid.Cid]struct{}
}

// PutMany implements unixfs.Putter.
func (s *spread) PutMany(ctx context.Context, bs []blocks.Block) error {
	parts := make(map[*Node][]blocks.Block)
	for _, b := range bs {
		if _, again := s.seen[b.Cid()]; again {
			continue
		}
		s.seen[b.Cid()] = struct{}{}
		for _, n := range []*Node{s.everything, s.smaller()} {
			n.Blocks++
			n.Bytes += uint64(len(b.RawData()))
			parts[n] = append(parts[n], b)
		}
	}
	for n, part := range parts {
		if err := n.PutMany(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// smaller is the half that has fewer bytes so far.
func (s *spread) smaller() *Node {
	if s.halves[1].Bytes < s.halves[0].Bytes {
		return s.halves[1]
	}
	return s.halves[0]
}
