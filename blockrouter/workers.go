package blockrouter

import (
	"context"
	"errors"
	"fmt"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// workers are the goroutines that use the store. The actor never gives them
// more jobs than there are workers, and the places for their results are
// reserved, so neither side waits for the other.
type workers struct {
	lookups chan lookup
	looked  chan looked
	writes  chan []stored
	wrote   chan error
	cancel  context.CancelFunc
}

func startWorkers(store Store, readers int) workers {
	ctx, cancel := context.WithCancel(context.Background())
	w := workers{
		lookups: make(chan lookup, readers),
		looked:  make(chan looked, readers),
		writes:  make(chan []stored, 1),
		wrote:   make(chan error, 1),
		cancel:  cancel,
	}
	for range readers {
		go func() {
			for j := range w.lookups {
				w.looked <- look(ctx, store, j)
			}
		}()
	}
	go func() {
		for job := range w.writes {
			w.wrote <- write(ctx, store, job)
		}
	}()
	return w
}

// stop ends the workers. looking is the number of look-ups under way.
func (w workers) stop(looking int) {
	w.cancel()
	for range looking {
		<-w.looked
	}
	close(w.lookups)
	close(w.writes)
}

func look(ctx context.Context, store Store, j lookup) (r looked) {
	r = looked{lookup: j}
	defer func() {
		if p := recover(); p != nil {
			r.fail(j.cids, fmt.Errorf("the store panicked: %v", p))
		}
	}()
	for _, c := range j.cids {
		if j.load {
			r.read(ctx, store, c)
		} else {
			r.find(ctx, store, c)
		}
	}
	return r
}

func (r *looked) find(ctx context.Context, store Store, c cid.Cid) {
	has, err := store.Has(ctx, c)
	switch {
	case err != nil:
		r.fail([]cid.Cid{c}, err)
	case has:
		r.here = append(r.here, c)
	default:
		r.gone = append(r.gone, c)
	}
}

func (r *looked) read(ctx context.Context, store Store, c cid.Cid) {
	b, err := store.Get(ctx, c)
	switch {
	case err == nil:
		r.blocks = append(r.blocks, b)
	case notFound(err):
		r.gone = append(r.gone, c)
	default:
		r.fail([]cid.Cid{c}, err)
	}
}

// fail notes that the store gave no answer for the CIDs. They count as missing,
// so that peers are asked for them.
func (r *looked) fail(cids []cid.Cid, err error) {
	if r.failed == nil {
		r.failed = make(map[cid.Cid]error)
	}
	for _, c := range cids {
		r.failed[c] = err
	}
}

func notFound(err error) bool {
	var missing interface{ NotFound() bool }
	return errors.As(err, &missing) && missing.NotFound()
}

func write(ctx context.Context, store Store, job []stored) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the store panicked: %v", p)
		}
	}()
	bs := make([]blocks.Block, len(job))
	for i := range job {
		bs[i] = job[i].block
	}
	return store.PutFetched(ctx, bs)
}
