package blockstore

import (
	"context"
	"iter"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
)

const (
	// MaxBlock is the size in bytes of the largest block that is stored: what
	// every Bitswap implementation must accept (Bitswap specification, "block sizes").
	MaxBlock = 2 << 20

	// MaxIdentity is the length in bytes of the longest block that may be
	// carried inside an identity CID. It is the limit of Kubo.
	MaxIdentity = 128
)

// Blockstore keeps blocks. It is safe for concurrent use. All methods block on
// the datastore.
//
// A block that is not there is reported as *[NotFoundError], a CID that is not
// accepted as *[message.CIDError], everything else is an error of the
// datastore, wrapped with the operation and the CID.
type Blockstore interface {
	// Has reports whether the block of c is stored.
	Has(ctx context.Context, c cid.Cid) (bool, error)

	// Get returns the block of c. Its Cid is c itself, also when it was stored
	// under another version or codec. The bytes must not be changed. Bytes that do
	// not hash to the CID are never handed out, nor by View: *[CorruptError].
	Get(ctx context.Context, c cid.Cid) (blocks.Block, error)

	// GetSize returns the number of bytes in the block of c.
	GetSize(ctx context.Context, c cid.Cid) (int, error)

	// View calls read with the bytes of c's block, without copying them when
	// the datastore is a [Viewer]. The bytes must not be changed and not be
	// used after read has returned. An error of read is returned as it is.
	View(ctx context.Context, c cid.Cid, read func(data []byte) error) error

	// Put stores a block and returns when it would survive a crash. An existing
	// block is overwritten, which repairs a damaged one.
	Put(ctx context.Context, b blocks.Block) error

	// PutMany is Put for many blocks with one write and one sync. When one of
	// them is refused none is stored; when the datastore fails some may be.
	PutMany(ctx context.Context, bs []blocks.Block) error

	// PutFetched is PutMany without the sync: after a crash the blocks may be
	// gone. It is for blocks that can be fetched again.
	PutFetched(ctx context.Context, bs []blocks.Block) error

	// Delete removes the block of c, and with it that of every CID of the same
	// multihash. It is no error when there was none. After a crash a deleted
	// block may be back.
	Delete(ctx context.Context, c cid.Cid) error

	// AllKeys yields a CID (version 1, codec raw) for every stored multihash,
	// in the order of the datastore. An error, which may be that of ctx, is
	// yielded last. Keys that are not multihashes are passed over.
	AllKeys(ctx context.Context) iter.Seq2[cid.Cid, error]
}

// Viewer is a datastore that can lend a value instead of copying it. The bytes
// are valid until read returns; an error of read is returned as it is; a key
// without a value is reported as [datastore.ErrNotFound] and read is not called.
type Viewer interface {
	View(ctx context.Context, key datastore.Key, read func(value []byte) error) error
}

// Option changes how a [Blockstore] works.
type Option func(*store)

// WithTrustedReads makes Get and View hand out what the datastore gives them,
// unhashed. It is for datastores that notice by themselves when bytes have
// changed, as Pebble does with its checksums, or that are memory. It saves about
// 0.5 ms a MiB where the processor has instructions for SHA-256.
func WithTrustedReads() Option {
	return func(s *store) { s.trusted = true }
}

// WithoutSync makes Put and PutMany return without waiting for the disk, like
// PutFetched: what was put just before a crash of the machine may be lost.
func WithoutSync() Option {
	return func(s *store) { s.sync = nil }
}

// New returns a blockstore that keeps its blocks in d, under /blocks. The
// caller keeps d and closes it after the last call has returned.
func New(d datastore.Batching, opts ...Option) Blockstore {
	s := &store{data: d}
	s.viewer, _ = d.(Viewer)
	s.sync = newGroupSync(func(ctx context.Context) error { return d.Sync(ctx, prefix) })
	for _, o := range opts {
		o(s)
	}
	return s
}
