package blockstore

import (
	"context"
	"fmt"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// Quota says how much a [Guarded] store may hold, in bytes of blocks. What the datastore
// takes beside them, and what it has not given back to the disk yet, does not count.
type Quota struct {
	// Max is the most that is stored; 0 is no limit.
	Max int64
	// High is where [Guarded.High] tells that garbage should be collected; 0 is nowhere.
	High int64
}

// Usage is what a [Guarded] store holds.
type Usage struct {
	Blocks int64
	Bytes  int64 // of blocks
	Quota
}

// QuotaError says that blocks were not stored because the store would hold more than it
// may.
type QuotaError struct {
	Max  int64 // bytes that the store may hold
	Used int64 // bytes that it holds
	Size int64 // bytes that were to be stored and are not there yet
}

// Error implements error.
func (e *QuotaError) Error() string {
	return fmt.Sprintf("blockstore: %d bytes do not fit: the store holds %d and may hold %d", e.Size, e.Used, e.Max)
}

// account is how much a store holds. Without a quota it is counted when somebody asks
// for it first, and what is stored once more from then on is counted once more.
type account struct {
	counting sync.Mutex // one count at a time

	mu      sync.Mutex
	counted bool
	blocks  int64
	bytes   int64
	quota   Quota
	high    chan struct{}

	storing struct{ blocks, bytes int64 } // of these, what is being stored
}

// SetQuota changes the quota. With one, the blocks that are there are counted before it
// returns, which takes about a second for each million over a [Sizer]. What is above it
// stays.
func (g *Guarded) SetQuota(ctx context.Context, q Quota) error {
	if q != (Quota{}) {
		g.account.doubt()
		if err := g.count(ctx); err != nil {
			return err
		}
	}
	g.account.mu.Lock()
	defer g.account.mu.Unlock()
	g.account.quota = q
	g.account.look()
	return nil
}

// Usage tells what is stored. It counts when nothing has been counted yet, and otherwise
// it is cheap: what was stored since is added, and what was removed taken away.
func (g *Guarded) Usage(ctx context.Context) (Usage, error) {
	if err := g.count(ctx); err != nil {
		return Usage{}, err
	}
	a := &g.account
	a.mu.Lock()
	defer a.mu.Unlock()
	return Usage{Blocks: a.blocks, Bytes: a.bytes, Quota: a.quota}, nil
}

// High is ready when the store holds as much as the quota's High, and again when something
// is stored or refused then.
func (g *Guarded) High() <-chan struct{} {
	a := &g.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.high == nil {
		a.high = make(chan struct{}, 1)
		a.look()
	}
	return a.high
}

// count counts what is stored, unless that was done, and adds what is being stored when it
// begins and is stored while it does. What reaches the datastore at the very begin may be
// counted twice.
func (g *Guarded) count(ctx context.Context) error {
	a := &g.account
	a.counting.Lock()
	defer a.counting.Unlock()
	if a.isCounted() {
		return nil
	}
	a.restart()
	var blocks, bytes int64
	for b, err := range AllSizes(ctx, g.store) {
		if err != nil {
			return err
		}
		blocks++
		bytes += int64(b.Size)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counted, a.blocks, a.bytes = true, max(0, a.blocks+blocks), max(0, a.bytes+bytes)
	return nil
}

// restart begins anew with what is being stored.
func (a *account) restart() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.blocks, a.bytes = a.storing.blocks, a.storing.bytes
}

// settle ends what reserve began.
func (a *account) settle(blocks, bytes int64, stored bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.storing.blocks -= blocks
	a.storing.bytes -= bytes
	if !stored {
		a.blocks, a.bytes = max(0, a.blocks-blocks), max(0, a.bytes-bytes)
	}
}

func (a *account) isCounted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.counted
}

// doubt has the blocks counted again when somebody asks, unless that was exact.
func (a *account) doubt() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counted = a.counted && a.quota != (Quota{})
}

// look tells when there is much. It is called with the lock.
func (a *account) look() {
	if a.high == nil || a.quota.High <= 0 || a.bytes < a.quota.High {
		return
	}
	select {
	case a.high <- struct{}{}:
	default:
	}
}

func (a *account) add(blocks, bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.blocks, a.bytes = max(0, a.blocks+blocks), max(0, a.bytes+bytes)
	a.look()
}

// reserve makes room for blocks or refuses them, all or none.
func (g *Guarded) reserve(ctx context.Context, bs []blocks.Block) (blocks, bytes int64, err error) {
	a := &g.account
	limited := a.limited()
	for _, b := range bs {
		if limited && g.there(ctx, b.Cid()) {
			continue
		}
		blocks++
		bytes += int64(len(b.RawData()))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if limited && a.quota.Max > 0 && bytes > 0 && a.bytes+bytes > a.quota.Max {
		a.look()
		return 0, 0, &QuotaError{Max: a.quota.Max, Used: a.bytes, Size: bytes}
	}
	a.blocks, a.bytes = a.blocks+blocks, a.bytes+bytes
	a.storing.blocks += blocks
	a.storing.bytes += bytes
	a.look()
	return blocks, bytes, nil
}

// there reports whether a block is stored, or carried in its CID.
func (g *Guarded) there(ctx context.Context, c cid.Cid) bool {
	_, err := g.store.GetSize(ctx, c)
	return err == nil
}

func (a *account) limited() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.quota != (Quota{})
}
