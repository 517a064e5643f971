package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/adapter/dag/gc"
	"github.com/souk-p2p/souk/adapter/dag/pins"
	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/download"
	"github.com/souk-p2p/souk/download/document"
)

// Keeper is what a node does with what it stores.
type Keeper interface {
	// BlockSize returns the size of a block that is stored here, or [NotStoredError].
	BlockSize(ctx context.Context, c cid.Cid) (int, error)
	// RemoveBlocks removes single blocks. It removes none of them when one is a root, a
	// [RootError], unless it is forced to.
	RemoveBlocks(ctx context.Context, cs []cid.Cid, force bool) ([]RemovedBlock, error)
	// Hold keeps garbage collection from what is stored or found from now on until release
	// is called or ctx ends, so that it can be pinned when all of it is there.
	Hold(ctx context.Context) (release func() error, err error)
	// Pin makes something stay, and fetches what is missing of it. progress may be nil.
	Pin(ctx context.Context, r PinRequest, progress func(PinProgress)) (pins.Pin, error)
	// Pins yields every pin. With verify each comes with what is missing of it.
	Pins(ctx context.Context, verify bool) iter.Seq2[PinStatus, error]
	// Unpin removes pins and returns them: [NotPinnedError] when there is none.
	Unpin(ctx context.Context, which PinFilter) ([]pins.Pin, error)
	// CollectGarbage removes what no root leads to. progress may be nil.
	CollectGarbage(ctx context.Context, r GarbageRequest, progress func(gc.Progress)) (GarbageResult, error)
	// Verify hashes what is stored, and tells of what is broken. It goes on where one ended
	// that was interrupted. progress and broken may be nil.
	Verify(ctx context.Context, r VerifyRequest, progress func(VerifyProgress), broken func(BrokenBlock)) (VerifyResult, error)
	// Usage tells how much is stored. The first time it may have to count.
	Usage(ctx context.Context) (Usage, error)
}

// Storage is what a node stores, what of it is to stay, and how much it may be.
type Storage struct {
	Blocks *blockstore.Guarded
	// Roots are what is to stay. Whoever relies on stored blocks registers a source.
	Roots roots.Registry

	data datastore.Batching
	pins *pins.Set
	docs *document.Store
	// downloads are those that store here; nil when there are none.
	downloads atomic.Pointer[download.Downloads]
	// listed is the service under which an exchange tells of the actor of the documents, and
	// counts its panics; nil when none does.
	listed atomic.Pointer[souk.Service]
	disk   disk // nil when the datastore does not know it
}

// disk is a datastore that knows what it takes on the disk and can give it back.
type disk interface {
	DiskUsage(ctx context.Context) (uint64, error)
	Reclaim(ctx context.Context, prefix datastore.Key) error
}

// NewStorage returns the storage of a repository, which stays the caller's and is closed
// after it. The log is silent when nil.
func NewStorage(r *repo.Repo, log *zap.Logger) *Storage {
	return newStorage(blockstore.New(r.Blocks(), blockstore.WithTrustedReads()), r.Blocks(), log)
}

// newStorage keeps blocks in a store, and what belongs to them in a datastore.
func newStorage(store blockstore.Blockstore, data datastore.Batching, log *zap.Logger) *Storage {
	s := &Storage{Blocks: blockstore.NewGuarded(store), data: data, pins: pins.New(data)}
	s.docs = document.NewStore(data, document.WithFail(func(err error) {
		cmp.Or(log, zap.NewNop()).Error("documents can be neither read nor changed any more", zap.Error(err))
		if listed := s.listed.Load(); listed != nil {
			listed.Broke(err)
		}
	}))
	s.disk, _ = data.(disk)
	s.Blocks.BeforeDelete(s.docs.Deleting)
	for _, source := range []roots.Source{s.pins, documentRoots{s}, transferRoots{s}} {
		if err := s.Roots.Register(source); err != nil {
			panic(err) // they have names of their own
		}
	}
	return s
}

// list has an exchange tell of the actor of the documents among its own.
func (s *Storage) list(ctx context.Context, x *souk.Exchange) error {
	const name = "documents"
	service, err := x.Service(ctx, name)
	if err == nil {
		// The actor outlasts the exchange.
		err = service.Run(s.docs, func(context.Context) error { return nil }, map[string]souk.Actor{name: s.docs})
		s.listed.Store(service)
	}
	if err != nil {
		return fmt.Errorf("list the actor of the documents: %w", err)
	}
	return nil
}

// storagePatience is for who is just writing about a document: as long as closing an exchange
// may take.
const storagePatience = 2 * time.Second

// Close ends what works on the storage by itself, after the nodes that use it. What is stored
// stays.
func (s *Storage) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), storagePatience)
	defer cancel()
	return s.docs.Close(ctx)
}

// Usage is how much is stored.
type Usage struct {
	Blocks int64 `json:"blocks"`
	Bytes  int64 `json:"bytes"` // of blocks
	// DiskBytes is what the repository's database takes, with what it has not given back
	// yet; 0 when that is not known.
	DiskBytes uint64 `json:"disk_bytes,omitempty"`
	// MaxBytes is --storage-max, 0 for no limit. Garbage is collected at HighBytes.
	MaxBytes  int64 `json:"max_bytes,omitempty"`
	HighBytes int64 `json:"high_bytes,omitempty"`
}

// Usage implements [Keeper].
func (s *Storage) Usage(ctx context.Context) (Usage, error) {
	u, err := s.Blocks.Usage(ctx)
	if err != nil {
		return Usage{}, err
	}
	on, err := s.diskUsage(ctx)
	return Usage{Blocks: u.Blocks, Bytes: u.Bytes, DiskBytes: on, MaxBytes: u.Max, HighBytes: u.High}, err
}

func (s *Storage) diskUsage(ctx context.Context) (uint64, error) {
	if s.disk == nil {
		return 0, nil
	}
	on, err := s.disk.DiskUsage(ctx)
	if err != nil {
		return 0, fmt.Errorf("disk usage: %w", err)
	}
	return on, nil
}

// Hold implements [Keeper].
func (s *Storage) Hold(ctx context.Context) (release func() error, err error) {
	let := s.Blocks.Hold()
	stop := context.AfterFunc(ctx, let)
	return func() error {
		stop()
		let()
		return nil
	}, nil
}

// FullError says that blocks were not stored because of the storage quota.
type FullError struct{ Err *blockstore.QuotaError }

func (e *FullError) Error() string {
	return fmt.Sprintf("the store holds %s of the %s that it may hold (--storage-max), and %s more do not fit: unpin what is not needed (souk pin ls, souk pin rm) and run souk gc, or run the node with a higher --storage-max",
		mebibytes(e.Err.Used), mebibytes(e.Err.Max), mebibytes(e.Err.Size))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// Unwrap returns the error of the store.
func (e *FullError) Unwrap() error { return e.Err }

// orFull says what to do about a store that is full.
func orFull(err error) error {
	var full *blockstore.QuotaError
	if errors.As(err, &full) {
		return &FullError{Err: full}
	}
	return err
}
