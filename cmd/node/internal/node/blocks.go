package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/adapter/dag/roots"
)

// RemovedBlock is what became of a block that was to be removed.
type RemovedBlock struct {
	CID     cid.Cid `json:"cid"`
	Size    int     `json:"size"`
	Removed bool    `json:"removed"` // false when it was not stored
}

// NotStoredError says that a block is not stored here.
type NotStoredError struct{ CID cid.Cid }

func (e *NotStoredError) Error() string { return fmt.Sprintf("block %s is not stored here", e.CID) }

// NotFound marks the error as one that means "not found".
func (e *NotStoredError) NotFound() bool { return true }

// RootError says that a block was not removed because it is a root.
type RootError struct {
	CID  cid.Cid
	Root roots.Root
}

func (e *RootError) Error() string {
	first := "unpin it"
	if e.Root.Source == (documentRoots{}).Name() {
		first = "remove the document or change its policy (souk doc)"
	}
	return fmt.Sprintf("block %s is not removed, because it is the root of %s: %s first, or give --force", e.CID, e.Root, first)
}

// BlockSize implements [Keeper].
func (s *Storage) BlockSize(ctx context.Context, c cid.Cid) (int, error) {
	size, err := s.Blocks.GetSize(ctx, c)
	var missing interface{ NotFound() bool }
	if errors.As(err, &missing) && missing.NotFound() {
		return 0, &NotStoredError{CID: c}
	}
	return size, err
}

// RemoveBlocks implements [Keeper].
func (s *Storage) RemoveBlocks(ctx context.Context, cs []cid.Cid, force bool) ([]RemovedBlock, error) {
	if !force {
		if err := s.requireNoRoots(ctx, cs); err != nil {
			return nil, err
		}
	}
	all := make([]RemovedBlock, 0, len(cs))
	for _, c := range cs {
		one, err := s.removeBlock(ctx, c)
		if err != nil {
			return all, err
		}
		all = append(all, one)
	}
	return all, nil
}

func (s *Storage) requireNoRoots(ctx context.Context, cs []cid.Cid) error {
	hashes := make(map[string]cid.Cid, len(cs))
	for _, c := range cs {
		hashes[string(c.Hash())] = c
	}
	for root, err := range s.Roots.All(ctx) {
		if err != nil {
			return err
		}
		if c, is := hashes[string(root.CID.Hash())]; is {
			return &RootError{CID: c, Root: root}
		}
	}
	return nil
}

func (s *Storage) removeBlock(ctx context.Context, c cid.Cid) (RemovedBlock, error) {
	size, err := s.BlockSize(ctx, c)
	var missing *NotStoredError
	switch {
	case errors.As(err, &missing):
		return RemovedBlock{CID: c}, nil
	case err != nil:
		return RemovedBlock{}, err
	}
	return RemovedBlock{CID: c, Size: size, Removed: true}, s.Blocks.Delete(ctx, c)
}
