package engine

import (
	"context"
	"errors"
	"fmt"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/internal/actor"
)

// job is one of the two things that workers do, and its own result.
type job struct {
	lookup *lookupJob
	read   *readJob
}

// worker does jobs with the store. It owns nothing: any number of them run.
type worker struct {
	store  Store
	access func(p peer.ID, c cid.Cid) bool // may be nil

	panicked func(error) // may be nil
}

// run does jobs until ctx ends. The place for each result is reserved.
func (w worker) run(ctx context.Context, jobs <-chan job, results chan<- job) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-jobs:
			w.do(ctx, j)
			results <- j
		}
	}
}

func (w worker) do(ctx context.Context, j job) {
	if j.lookup != nil {
		for i := range j.lookup.Items {
			w.lookup(ctx, j.lookup.Peer, &j.lookup.Items[i])
		}
		return
	}
	data := make([]byte, 0, j.read.Bytes) // for all blocks, each of which is copied into it once
	for i := range j.read.Items {
		data = w.read(ctx, j.read.Peer, &j.read.Items[i], data)
	}
}

func (w worker) lookup(ctx context.Context, p peer.ID, it *lookup) {
	it.Verdict, it.Err = w.judge(func() error {
		if err := w.allow(p, it.CID); err != nil || it.Known {
			return err
		}
		size, err := w.store.GetSize(ctx, it.CID)
		if err == nil && size < 0 {
			return fmt.Errorf("engine: the store gave %s %d bytes", it.CID, size)
		}
		it.Size = size
		return err
	})
}

// read appends the block to data, and lets the item have that part of it.
func (w worker) read(ctx context.Context, p peer.ID, it *readItem, data []byte) []byte {
	before := len(data)
	it.Verdict, it.Err = w.judge(func() error {
		if err := w.allow(p, it.CID); err != nil {
			return err
		}
		err := w.store.View(ctx, it.CID, func(stored []byte) error {
			data = append(data, stored...)
			return nil
		})
		if err != nil {
			return err
		}
		it.Block, err = blocks.NewBlockWithCid(data[before:len(data):len(data)], it.CID)
		return err
	})
	if it.Verdict != found {
		return data[:before]
	}
	return data
}

// errDenied is a refusal by Config.Access.
var errDenied = errors.New("access denied")

func (w worker) allow(p peer.ID, c cid.Cid) error {
	if w.access == nil {
		return nil
	}
	return actor.Guard("access", w.panicked, func() error {
		if !w.access(p, c) {
			return errDenied
		}
		return nil
	})
}

// judge turns the outcome of asking a store into a verdict. A store or a hook
// that panics has failed; it must not take the node with it.
func (w worker) judge(ask func() error) (verdict, error) {
	err := actor.Guard("store", w.panicked, ask)
	var missing interface{ NotFound() bool }
	switch {
	case err == nil:
		return found, nil
	case errors.Is(err, errDenied):
		return denied, nil
	case errors.As(err, &missing) && missing.NotFound():
		return absent, nil
	}
	return failed, err
}
