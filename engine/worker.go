package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/message"
)

// job is one of the two things that workers do, and its own result.
type job struct {
	lookup *lookupJob
	read   *readJob
}

const (
	// storePatience is for how long a call of the store may take: longer than a
	// disk takes to wake up.
	storePatience = 10 * time.Second
	// mostStuck is how many calls may be stuck before no other is made. Each has a
	// goroutine, and maybe memory for a block.
	mostStuck = 16
)

// worker does jobs with the store. It owns nothing: any number of them run.
type worker struct {
	store  Store
	access func(p peer.ID, c cid.Cid) bool // may be nil
	crew   *actor.Crew

	panicked func(error) // may be nil
}

// run does one job, unless ctx has ended. The place for the result is reserved.
func (w worker) run(ctx context.Context, jobs <-chan job, results chan<- job) {
	j := <-jobs
	if ctx.Err() == nil {
		w.do(ctx, j)
		results <- j
	}
}

func (w worker) do(ctx context.Context, j job) {
	if j.lookup != nil {
		w.lookUp(ctx, j.lookup)
	} else {
		w.read(ctx, j.read)
	}
}

func (w worker) lookUp(ctx context.Context, j *lookupJob) {
	actor.Run(w.crew, actor.Calls[int]{
		N: len(j.Items), Patience: storePatience, MostStuck: mostStuck,
		Key: func(i int) string { return message.Multihash(j.Items[i].CID) },
		Call: func(i, _ int) (int, error) {
			it := &j.Items[i]
			return w.size(ctx, j.Peer, it.CID, it.Known)
		},
		Take: func(i, size int, err error) {
			it := &j.Items[i]
			if !it.Known {
				it.Size = size
			}
			it.Verdict, it.Err = judge(err)
		},
	})
}

// size asks whether p may have a block, and how large it is if that is not known.
func (w worker) size(ctx context.Context, p peer.ID, c cid.Cid, known bool) (int, error) {
	if err := w.allow(p, c); err != nil {
		return 0, w.conceal(ctx, c, err)
	}
	if known {
		return 0, nil
	}
	size, err := w.store.GetSize(ctx, c)
	if err == nil && size < 0 {
		return 0, fmt.Errorf("engine: the store gave %s %d bytes", c, size)
	}
	return size, err
}

// read reads the blocks of a message.
func (w worker) read(ctx context.Context, j *readJob) {
	actor.Run(w.crew, actor.Calls[blocks.Block]{
		N: len(j.Items), Patience: storePatience, MostStuck: mostStuck,
		Key:  func(i int) string { return message.Multihash(j.Items[i].CID) },
		Call: func(i int, _ blocks.Block) (blocks.Block, error) { return w.get(ctx, j.Peer, j.Items[i].CID) },
		Take: func(i int, b blocks.Block, err error) {
			it := &j.Items[i]
			it.Block = b
			it.Verdict, it.Err = judge(err)
		},
	})
}

// get reads a block for p, under the CID that was asked for.
func (w worker) get(ctx context.Context, p peer.ID, c cid.Cid) (blocks.Block, error) {
	if err := w.allow(p, c); err != nil {
		return nil, err
	}
	b, err := w.store.Get(ctx, c)
	if err != nil || b.Cid() == c {
		return b, err
	}
	return blocks.NewBlockWithCid(b.RawData(), c)
}

// conceal asks the store for something that nobody has, so that a refusal takes as
// long as an absence, and fails where one would not have been found out. It returns
// what the look-up ended with.
func (w worker) conceal(ctx context.Context, c cid.Cid, refusal error) error {
	if !errors.Is(refusal, errDenied) {
		return refusal
	}
	if _, err := w.store.GetSize(ctx, nowhere(c)); err != nil && !isMissing(err) {
		return err
	}
	return refusal
}

// nowhere is a name that follows from c and that no block has: its digest is not one
// of bytes that anybody knows.
func nowhere(c cid.Cid) cid.Cid {
	digest := sha256.Sum256([]byte("not to be found: " + message.Multihash(c)))
	digest = sha256.Sum256(digest[:])
	digest[0] ^= 1
	sum, err := multihash.Encode(digest[:], multihash.SHA2_256)
	if err != nil {
		panic(fmt.Sprintf("engine: a digest of SHA-256 has no multihash: %v", err)) // It has, whatever c is.
	}
	return cid.NewCidV1(cid.Raw, sum)
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
func judge(err error) (verdict, error) {
	switch {
	case err == nil:
		return found, nil
	case errors.Is(err, errDenied):
		return denied, nil
	case isMissing(err):
		return absent, nil
	}
	return failed, err
}

func isMissing(err error) bool {
	var missing interface{ NotFound() bool }
	return errors.As(err, &missing) && missing.NotFound()
}
