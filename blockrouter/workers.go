package blockrouter

import (
	"context"
	"errors"
	"fmt"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/internal/actor"
)

// workers are the goroutines that use the store. The actor never gives them
// more jobs than there are workers, and the places for their results are
// reserved, so neither side waits for the other.
type workers struct {
	lookups chan lookup
	looked  chan looked
	writes  chan []stored
	wrote   chan error

	stopReading context.CancelFunc
	running     sync.WaitGroup
}

// startWorkers starts the readers and one writer, whose calls of the store get
// the given context.
func startWorkers(writing context.Context, cfg *Config) *workers {
	reading, stop := context.WithCancel(context.Background())
	w := &workers{
		lookups: make(chan lookup, cfg.Readers),
		looked:  make(chan looked, cfg.Readers),
		writes:  make(chan []stored, 1),
		wrote:   make(chan error, 1),

		stopReading: stop,
	}
	for range cfg.Readers {
		w.running.Go(func() {
			for j := range w.lookups {
				w.looked <- look(reading, cfg, j)
			}
		})
	}
	w.running.Go(func() {
		for job := range w.writes {
			w.wrote <- write(writing, cfg, job)
		}
	})
	return w
}

// stop ends the workers and waits for the calls of the store under way. Results
// that were not received are lost.
func (w *workers) stop() {
	w.stopReading()
	close(w.lookups)
	close(w.writes)
	w.running.Wait()
}

// look does a job. A panic of the store, which is somebody else's code, is an
// error for the CID that it was asked for.
func look(ctx context.Context, cfg *Config, j lookup) looked {
	r := looked{lookup: j}
	for _, c := range j.cids {
		err := actor.Guard("store", cfg.Panicked, func() error { return r.look(ctx, cfg.Store, c) })
		if err != nil {
			r.fail(c, err)
		}
	}
	return r
}

// look looks one CID up. An error says that the store gave no answer.
func (r *looked) look(ctx context.Context, store Store, c cid.Cid) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.load {
		return r.read(ctx, store, c)
	}
	has, err := store.Has(ctx, c)
	switch {
	case err != nil:
		return err
	case has:
		r.here = append(r.here, c)
	default:
		r.gone = append(r.gone, c)
	}
	return nil
}

func (r *looked) read(ctx context.Context, store Store, c cid.Cid) error {
	b, err := store.Get(ctx, c)
	switch {
	case notFound(err):
		r.gone = append(r.gone, c)
	case err != nil:
		return err
	case !b.Cid().Equals(c):
		return fmt.Errorf("the store gave %s for %s", b.Cid(), c)
	default:
		r.blocks = append(r.blocks, b)
	}
	return nil
}

// fail notes that the store gave no answer for a CID, which peers are asked for
// then.
func (r *looked) fail(c cid.Cid, err error) {
	if r.failed == nil {
		r.failed = make(map[cid.Cid]error)
	}
	r.failed[c] = err
}

func notFound(err error) bool {
	var missing interface{ NotFound() bool }
	return errors.As(err, &missing) && missing.NotFound()
}

func write(ctx context.Context, cfg *Config, job []stored) error {
	bs := make([]blocks.Block, len(job))
	for i := range job {
		bs[i] = job[i].block
	}
	return actor.Guard("store", cfg.Panicked, func() error { return cfg.Store.PutFetched(ctx, bs) })
}
