package node

import (
	"context"
	"errors"
	"time"

	"github.com/ipfs/go-datastore"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/adapter/dag/gc"
)

// GarbageRequest says how garbage is collected.
type GarbageRequest struct {
	DryRun bool `json:"dry_run,omitempty"` // removes nothing
	All    bool `json:"all,omitempty"`     // also when nothing is to stay
}

// GarbageResult is what a collection did.
type GarbageResult struct {
	gc.Result
	DryRun  bool    `json:"dry_run"`
	Seconds float64 `json:"seconds"`
	// DiskBefore and DiskAfter are what the database took and takes; 0 when that is not
	// known.
	DiskBefore uint64 `json:"disk_before,omitempty"`
	DiskAfter  uint64 `json:"disk_after,omitempty"`
}

// NothingPinnedError says that garbage was not collected because it would be everything.
type NothingPinnedError struct{}

func (e *NothingPinnedError) Error() string {
	return "nothing is pinned and no document keeps anything, so every block would be removed: pin what is to stay (souk pin add), or give --all"
}

// CollectGarbage implements [Keeper].
func (s *Storage) CollectGarbage(ctx context.Context, r GarbageRequest, progress func(gc.Progress)) (done GarbageResult, err error) {
	begin := time.Now()
	done.DryRun = r.DryRun
	if done.DiskBefore, err = s.diskUsage(ctx); err != nil {
		return done, err
	}
	done.Result, err = gc.Collect(ctx, s.Blocks, &s.Roots, gc.Options{DryRun: r.DryRun, All: r.All, Progress: progress, Marked: s.docs.Keep})
	if errors.Is(err, gc.ErrNoRoots) {
		return done, &NothingPinnedError{}
	}
	if err == nil && done.RemovedBlocks > 0 && !r.DryRun {
		err = s.reclaim(ctx)
	}
	if err != nil {
		return done, err
	}
	done.DiskAfter, err = s.diskUsage(ctx)
	done.Seconds = time.Since(begin).Seconds()
	return done, err
}

// The database removes files in the background once nothing needs them.
const (
	reclaimPatience = 2 * time.Second
	reclaimPause    = 100 * time.Millisecond
)

// reclaim gives the disk back what was removed, and waits for a moment until it has it.
func (s *Storage) reclaim(ctx context.Context) error {
	if s.disk == nil {
		return nil
	}
	if err := s.disk.Reclaim(ctx, datastore.NewKey("/blocks")); err != nil {
		return err
	}
	last, err := s.diskUsage(ctx)
	for end := time.Now().Add(reclaimPatience); err == nil && time.Now().Before(end); {
		before := last
		select {
		case <-time.After(reclaimPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if last, err = s.diskUsage(ctx); last == before {
			break
		}
	}
	return err
}

// collectPause is the least time between two collections of which the first could not get
// below the threshold, unless much was stored in between.
const collectPause = time.Minute

// collector collects garbage when much is stored.
type collector struct {
	s     *Storage
	log   *zap.Logger
	last  time.Time // when it has collected and much was left
	floor int64     // bytes from which on it tries again before the pause is over
}

// collectWhenHigh collects garbage whenever much is stored, until ctx ends.
func (s *Storage) collectWhenHigh(ctx context.Context, log *zap.Logger) {
	c := collector{s: s, log: log}
	for high := s.Blocks.High(); ; {
		select {
		case <-high:
			c.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// look collects garbage if much is stored.
func (c *collector) look(ctx context.Context) {
	u, err := c.s.Blocks.Usage(ctx)
	if err != nil || u.High == 0 || u.Bytes < u.High || u.Bytes < c.floor && time.Since(c.last) < collectPause {
		return
	}
	done, err := c.s.CollectGarbage(ctx, GarbageRequest{}, nil)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		c.log.Warn("garbage was not collected", zap.Error(err))
	default:
		c.log.Info("garbage collected", zap.Int64("blocks", done.RemovedBlocks), zap.Int64("bytes", done.RemovedBytes),
			zap.Uint64("disk_before", done.DiskBefore), zap.Uint64("disk_after", done.DiskAfter))
	}
	c.rest(ctx)
}

// rest finds out when to try again.
func (c *collector) rest(ctx context.Context) {
	u, err := c.s.Blocks.Usage(ctx)
	if err != nil || u.Bytes < u.High {
		c.floor = 0
		return
	}
	c.last, c.floor = time.Now(), u.Bytes+(u.Max-u.High)/4
	c.log.Warn("the store stays above its threshold: unpin what is not needed, or run the node with a higher --storage-max",
		zap.Int64("bytes", u.Bytes), zap.Int64("high", u.High), zap.Int64("max", u.Max))
}
