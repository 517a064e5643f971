package crash

import (
	"bytes"
	"context"
	"sync"
	"syscall"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	dssync "github.com/ipfs/go-datastore/sync"
)

// Faulty is a datastore in memory that can be made to fail as disks do.
type Faulty struct {
	datastore.Batching

	mu     sync.Mutex
	faults Faults
}

// Faults is what is wrong with a disk at the moment.
type Faults struct {
	Full       bool                     // nothing can be written
	Slow       time.Duration            // each operation takes this long
	Unreadable func(datastore.Key) bool // reading fails; nil for nothing
}

// NewFaulty returns an empty datastore with which nothing is wrong.
func NewFaulty() *Faulty {
	return &Faulty{Batching: dssync.MutexWrap(datastore.NewMapDatastore())}
}

// Set makes these the faults, in place of those before.
func (f *Faulty) Set(now Faults) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = now
}

// begin takes the time of one operation and returns what is wrong.
func (f *Faulty) begin() Faults {
	f.mu.Lock()
	now := f.faults
	f.mu.Unlock()
	time.Sleep(now.Slow)
	return now
}

func (f *Faulty) reading(key datastore.Key) error {
	if bad := f.begin().Unreadable; bad != nil && bad(key) {
		return syscall.EIO
	}
	return nil
}

func (f *Faulty) writing() error {
	if f.begin().Full {
		return syscall.ENOSPC
	}
	return nil
}

// Rot changes a bit of what is stored under those keys, until it is written again.
func (f *Faulty) Rot(ctx context.Context, which func(datastore.Key) bool) error {
	for entry, err := range datastore.QueryIter(ctx, f.Batching, query.Query{}) {
		if err != nil {
			return err
		}
		key := datastore.RawKey(entry.Key)
		if !which(key) {
			continue
		}
		value := bytes.Clone(entry.Value)
		value[len(value)/2] ^= 1
		if err := f.Batching.Put(ctx, key, value); err != nil {
			return err
		}
	}
	return nil
}

// Get implements [datastore.Datastore].
func (f *Faulty) Get(ctx context.Context, key datastore.Key) ([]byte, error) {
	if err := f.reading(key); err != nil {
		return nil, err
	}
	return f.Batching.Get(ctx, key)
}

// Has implements [datastore.Datastore].
func (f *Faulty) Has(ctx context.Context, key datastore.Key) (bool, error) {
	if err := f.reading(key); err != nil {
		return false, err
	}
	return f.Batching.Has(ctx, key)
}

// GetSize implements [datastore.Datastore].
func (f *Faulty) GetSize(ctx context.Context, key datastore.Key) (int, error) {
	if err := f.reading(key); err != nil {
		return -1, err
	}
	return f.Batching.GetSize(ctx, key)
}

// Put implements [datastore.Datastore].
func (f *Faulty) Put(ctx context.Context, key datastore.Key, value []byte) error {
	if err := f.writing(); err != nil {
		return err
	}
	return f.Batching.Put(ctx, key, value)
}

// Batch implements [datastore.Batching].
func (f *Faulty) Batch(ctx context.Context) (datastore.Batch, error) {
	if err := f.writing(); err != nil {
		return nil, err
	}
	return f.Batching.Batch(ctx)
}
