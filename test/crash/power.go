package crash

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ipfs/go-datastore"

	"github.com/souk-p2p/souk/blockstore"
)

// A PowerLoss is a workload on a disk that loses power before and after each of
// its syncs, and after each operation. Every time the store is opened on what
// is left, and looked at, and the workload goes on as if nothing had been.
type PowerLoss struct {
	Workload
	Spared   int  // percent of what was not synced that is there all the same
	Again    int  // of so many recoveries one is itself cut short, at each of its syncs
	Unlogged bool // the database has no log

	// Wrap takes something from the datastore that is written to, if not nil.
	Wrap func(datastore.Batching) datastore.Batching

	mu     sync.Mutex
	points int
	found  []error
}

// Run returns how often the power was lost, and what was found to be wrong. The
// second error is that of the workload itself.
func (p *PowerLoss) Run(ctx context.Context) (points int, found, failed error) {
	disk, history := NewDisk(p.Seed), NewHistory(nil)
	crash := func() { p.crash(ctx, disk, history) }
	disk.AtSync, disk.Unlogged, p.After = crash, p.Unlogged, crash
	d, err := disk.OpenBlocks()
	if err != nil {
		return 0, nil, err
	}
	var data datastore.Batching = d
	if p.Wrap != nil {
		data = p.Wrap(d)
	}
	err = p.Workload.Run(ctx, blockstore.New(data), history)
	err = errors.Join(err, d.Close())
	crash()
	return p.points, errors.Join(p.found...), err
}

// crash takes the power from the disk and looks at what is left of it.
func (p *PowerLoss) crash(ctx context.Context, disk *Disk, history *History) {
	left, then, n := p.losePower(disk, history)
	if p.Again > 0 && n%p.Again == 0 {
		left.AtSync = func() {
			left, then, n := p.losePower(left, then)
			p.note(n, recovers(ctx, left, then))
		}
	}
	p.note(n, recovers(ctx, left, then))
}

// losePower returns what is left of a disk, the history up to then, and how often
// this has happened.
func (p *PowerLoss) losePower(disk *Disk, h *History) (left *Disk, then *History, n int) {
	then = h.At(func() { left = disk.LosePower(p.Spared) })
	p.mu.Lock()
	defer p.mu.Unlock()
	p.points++
	return left, then, p.points
}

func (p *PowerLoss) note(n int, err error) {
	if err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found = append(p.found, fmt.Errorf("power lost for the %d. time: %w", n, err))
}

// recovers opens the database on what is left of a disk and looks at it.
func recovers(ctx context.Context, disk *Disk, h *History) error {
	d, err := disk.OpenBlocks()
	if err != nil {
		return err
	}
	return errors.Join(h.Check(ctx, d), d.DB.Close()) // Its own Close would write everything out first.
}
