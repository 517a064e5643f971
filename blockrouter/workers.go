package blockrouter

import (
	"context"
	"errors"
	"fmt"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/internal/actor"
	"github.com/souk-p2p/souk/message"
)

const (
	// readPatience is for how long a call that reads may take: longer than a disk
	// takes to wake up. What is given up is looked for at peers.
	readPatience = 10 * time.Second
	// writePatience is for how long a batch may take to be written: at a few
	// hundred KiB/s. What is given up was delivered all the same.
	writePatience = 30 * time.Second

	// mostStuckReads and mostStuckWrites are how many calls may be stuck before no
	// other is made: a write holds a batch in memory, a read little.
	mostStuckReads  = 16
	mostStuckWrites = 4
)

// workers are the goroutines that use the store. The actor never gives them
// more jobs than there are workers, and the places for their results are
// reserved, so neither side waits for the other.
type workers struct {
	cfg    *Config
	reads  *actor.Crew
	writer *actor.Crew

	lookups chan lookup
	looked  chan looked
	writes  chan []stored
	wrote   chan error

	reading     context.Context
	stopReading context.CancelFunc
	writing     context.Context // ends with giveUp
	giveUp      context.CancelFunc
}

func newWorkers(cfg *Config) *workers {
	w := &workers{
		cfg:     cfg,
		reads:   actor.NewCrew("store", cfg.Panicked),
		writer:  actor.NewCrew("store", cfg.Panicked),
		lookups: make(chan lookup, cfg.Readers),
		looked:  make(chan looked, cfg.Readers),
		writes:  make(chan []stored, 1),
		wrote:   make(chan error, 1),
	}
	w.reading, w.stopReading = context.WithCancel(context.Background())
	w.writing, w.giveUp = context.WithCancel(context.Background())
	return w
}

// start starts the readers and one writer.
func (w *workers) start() {
	for range w.cfg.Readers {
		w.work(w.reads, func() {
			for j := range w.lookups {
				w.looked <- w.look(j)
			}
		})
	}
	w.work(w.writer, func() {
		for job := range w.writes {
			w.wrote <- w.write(job)
		}
	})
}

// work runs a worker. One that breaks has lost a job, for which the actor would
// wait for ever.
func (w *workers) work(crew *actor.Crew, body func()) {
	crew.Go(func() {
		err := actor.Guard("blockrouter", nil, func() error { body(); return nil })
		if err != nil && w.cfg.Fail != nil {
			w.cfg.Fail(err)
		}
	})
}

// end lets the workers end. Results that were not received are lost.
func (w *workers) end() {
	w.stopReading()
	w.giveUp()
	close(w.lookups)
	close(w.writes)
}

// wait waits for the calls of the store under way, or until ctx ends.
func (w *workers) wait(ctx context.Context) error {
	return errors.Join(w.reads.Wait(ctx), w.writer.Wait(ctx))
}

// found is what the store said about one CID.
type found struct {
	has   bool
	block blocks.Block
}

// look does a job. An error, also a panic of the store, means that the store
// gave no answer for the CID that it was asked for.
func (w *workers) look(j lookup) looked {
	r := looked{lookup: j}
	actor.Run(w.reads, actor.Calls[found]{
		N: len(j.cids), Patience: readPatience, MostStuck: mostStuckReads,
		Key:  func(i int) string { return message.Multihash(j.cids[i]) },
		Call: func(i int, _ found) (found, error) { return w.ask(j.cids[i], j.load) },
		Take: func(i int, f found, err error) { r.take(j.cids[i], f, err) },
	})
	return r
}

func (w *workers) ask(c cid.Cid, load bool) (f found, err error) {
	if err := w.reading.Err(); err != nil {
		return f, err
	}
	if !load {
		f.has, err = w.cfg.Store.Has(w.reading, c)
		return f, err
	}
	f.block, err = w.cfg.Store.Get(w.reading, c)
	switch {
	case notFound(err):
		return f, nil
	case err != nil:
		return f, err
	case !f.block.Cid().Equals(c):
		return f, fmt.Errorf("the store gave %s for %s", f.block.Cid(), c)
	}
	f.has = true
	return f, nil
}

func (r *looked) take(c cid.Cid, f found, err error) {
	switch {
	case err != nil:
		r.fail(c, err)
	case !f.has:
		r.gone = append(r.gone, c)
	case r.load:
		r.blocks = append(r.blocks, f.block)
	default:
		r.here = append(r.here, c)
	}
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

// write stores a batch, which is one call.
func (w *workers) write(job []stored) (err error) {
	bs := make([]blocks.Block, len(job))
	for i := range job {
		bs[i] = job[i].block
	}
	actor.Run(w.writer, actor.Calls[struct{}]{
		N: 1, Patience: writePatience, MostStuck: mostStuckWrites,
		Key:  func(int) string { return message.Multihash(bs[0].Cid()) },
		Call: func(int, struct{}) (struct{}, error) { return struct{}{}, w.cfg.Store.PutFetched(w.writing, bs) },
		Take: func(_ int, _ struct{}, failed error) { err = failed },
	})
	return err
}
