package blockstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	boxo "github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/failstore"
	dssync "github.com/ipfs/go-datastore/sync"
	flatfs "github.com/ipfs/go-ds-flatfs"
	pebbleds "github.com/ipfs/go-ds-pebble"
	ipld "github.com/ipfs/go-ipld-format"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryDatastoreKeepsBlocks(t *testing.T) {
	for name, open := range datastores {
		t.Run(name, func(t *testing.T) {
			data := open(t)
			s := blockstore.New(data)
			ctx := t.Context()
			bs := someBlocks(20)
			bs = append(bs, blocks.NewBlock(nil), blocks.NewBlock(make([]byte, blockstore.MaxBlock)))

			require.NoError(t, s.Put(ctx, bs[0]))
			require.NoError(t, s.PutMany(ctx, bs[1:10]))
			require.NoError(t, s.PutFetched(ctx, bs[10:]))
			requireStored(t, s, bs)

			require.NoError(t, s.Delete(ctx, bs[3].Cid()))
			requireMissing(t, s, bs[3].Cid())
			require.NoError(t, s.Delete(ctx, bs[3].Cid()), "deleting twice is no error")
			requireStored(t, s, append(bs[:3:3], bs[4:]...))
		})
	}
}

func TestBlocksAreFoundUnderEveryVersionAndCodec(t *testing.T) {
	s := blockstore.New(newMap())
	b := blocks.NewBlock([]byte("one multihash, many CIDs"))
	require.NoError(t, s.Put(t.Context(), b))
	for _, c := range []cid.Cid{
		b.Cid(),
		cid.NewCidV1(cid.DagProtobuf, b.Cid().Hash()),
		cid.NewCidV1(cid.Raw, b.Cid().Hash()),
		cid.NewCidV1(0x300001, b.Cid().Hash()),
	} {
		got, err := s.Get(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, c, got.Cid(), "re-wrapped with the CID asked")
		require.Equal(t, b.RawData(), got.RawData())
	}
}

func TestLayoutIsThatOfBoxo(t *testing.T) {
	data := newMap()
	ours, theirs := blockstore.New(data), boxo.NewBlockstore(data)
	bs := someBlocks(32)
	for _, b := range bs[:16] {
		require.NoError(t, ours.Put(t.Context(), b))
		got, err := theirs.Get(t.Context(), b.Cid())
		require.NoError(t, err)
		require.Equal(t, b.RawData(), got.RawData())
	}
	require.NoError(t, theirs.PutMany(t.Context(), bs[16:]))
	requireStored(t, ours, bs)

	keys, err := theirs.AllKeysChan(t.Context())
	require.NoError(t, err)
	var listed []cid.Cid
	for c := range keys {
		listed = append(listed, c)
	}
	require.ElementsMatch(t, listed, allKeys(t, ours))
}

func TestMissingBlockIsNotFoundForEverybody(t *testing.T) {
	s := blockstore.New(newMap())
	for _, c := range []cid.Cid{cid.Undef, blocks.NewBlock([]byte("absent")).Cid()} {
		requireMissing(t, s, c)
	}
}

func TestAllKeysPassesOverForeignKeys(t *testing.T) {
	data := newMap()
	s := blockstore.New(data)
	bs := someBlocks(5)
	require.NoError(t, s.PutMany(t.Context(), bs))
	for _, key := range []string{"/blocks/lower", "/blocks/ABC", "/blocks/A/B", "/blocksAAAA", "/pins/X"} {
		require.NoError(t, data.Put(t.Context(), datastore.NewKey(key), []byte("foreign")))
	}
	require.ElementsMatch(t, rawCIDs(bs), allKeys(t, s))
}

func TestAllKeysEndsWithItsCaller(t *testing.T) {
	for name, open := range datastores {
		t.Run(name, func(t *testing.T) {
			s := blockstore.New(open(t))
			require.NoError(t, s.PutMany(t.Context(), someBlocks(300)))
			n := 0
			for _, err := range s.AllKeys(t.Context()) {
				require.NoError(t, err)
				if n++; n == 3 {
					break
				}
			}
			require.Equal(t, 3, n)

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var last error
			n = 0
			for _, err := range s.AllKeys(ctx) {
				cancel()
				n++
				last = err
			}
			require.ErrorIs(t, last, context.Canceled)
			require.Less(t, n, 300)
		})
	}
}

func TestErrorsOfTheDatastoreAreReported(t *testing.T) {
	broken := errors.New("disk on fire")
	b := blocks.NewBlock([]byte("x"))
	c := b.Cid()
	calls := map[string]func(context.Context, blockstore.Blockstore) error{
		"has":   func(ctx context.Context, s blockstore.Blockstore) error { _, err := s.Has(ctx, c); return err },
		"get":   func(ctx context.Context, s blockstore.Blockstore) error { _, err := s.Get(ctx, c); return err },
		"size":  func(ctx context.Context, s blockstore.Blockstore) error { _, err := s.GetSize(ctx, c); return err },
		"view":  func(ctx context.Context, s blockstore.Blockstore) error { return s.View(ctx, c, readNothing) },
		"put":   func(ctx context.Context, s blockstore.Blockstore) error { return s.Put(ctx, b) },
		"batch": func(ctx context.Context, s blockstore.Blockstore) error { return s.PutMany(ctx, someBlocks(2)) },
		"fetched": func(ctx context.Context, s blockstore.Blockstore) error {
			return s.PutFetched(ctx, []blocks.Block{b})
		},
		"delete": func(ctx context.Context, s blockstore.Blockstore) error { return s.Delete(ctx, c) },
		"list": func(ctx context.Context, s blockstore.Blockstore) error {
			for _, err := range s.AllKeys(ctx) {
				return err
			}
			return nil
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			data := failstore.NewFailstore(newMap(), func(string) error { return broken })
			err := call(t.Context(), blockstore.New(data))
			require.ErrorIs(t, err, broken)
			require.False(t, ipld.IsNotFound(err), "cannot say is not the same as not there")
		})
	}
}

func TestFailedSyncFailsThePutButNotWhatNeedsNone(t *testing.T) {
	broken := errors.New("no sync")
	data := failstore.NewFailstore(newMap(), func(op string) error {
		if op == "sync" {
			return broken
		}
		return nil
	})
	bs := someBlocks(3)
	s := blockstore.New(data)
	require.ErrorIs(t, s.Put(t.Context(), bs[0]), broken)
	require.ErrorIs(t, s.PutMany(t.Context(), bs), broken)
	require.NoError(t, s.PutFetched(t.Context(), bs))
	require.NoError(t, s.PutMany(t.Context(), nil))

	relaxed := blockstore.New(data, blockstore.WithoutSync())
	require.NoError(t, relaxed.Put(t.Context(), bs[0]))
	require.NoError(t, relaxed.PutMany(t.Context(), bs))
}

func TestWrongBytesAreServedOnlyWhenReadsAreTrusted(t *testing.T) {
	for name, data := range map[string]datastore.Batching{"copying": newMap(), "lending": lender{newMap()}} {
		t.Run(name, func(t *testing.T) {
			trusting := blockstore.New(data, blockstore.WithTrustedReads())
			checking := blockstore.New(data)
			good, bad := blocks.NewBlock([]byte("good")), mislabelled("damaged", "intact")
			require.NoError(t, trusting.PutMany(t.Context(), []blocks.Block{good, bad}))
			requireStored(t, trusting, []blocks.Block{good, bad})
			requireStored(t, checking, []blocks.Block{good})

			var corrupt *blockstore.CorruptError
			_, err := checking.Get(t.Context(), bad.Cid())
			require.ErrorAs(t, err, &corrupt)
			require.Equal(t, blockstore.CorruptError{CID: bad.Cid(), Size: len("damaged")}, *corrupt)
			err = checking.View(t.Context(), bad.Cid(), func([]byte) error { panic("served") })
			require.ErrorAs(t, err, &corrupt)

			intact := blocks.NewBlock([]byte("intact"))
			require.NoError(t, checking.Put(t.Context(), intact), "a put repairs")
			requireStored(t, checking, []blocks.Block{intact})
		})
	}
}

func TestViewLendsWithoutCopyingWhereTheDatastoreCan(t *testing.T) {
	b := blocks.NewBlock([]byte("lent"))
	s := blockstore.New(lender{newMap()})
	require.NoError(t, s.Put(t.Context(), b))
	requireStored(t, s, []blocks.Block{b})
	requireMissing(t, s, blocks.NewBlock([]byte("absent")).Cid())

	own := errors.New("reader's own")
	for name, s := range map[string]blockstore.Blockstore{"lending": s, "copying": storeWith(t, b)} {
		err := s.View(t.Context(), b.Cid(), func([]byte) error { return own })
		require.Equal(t, own, err, name)
	}
}

func TestIdentityBlocksAreAnsweredFromTheirCID(t *testing.T) {
	data := newMap()
	s := blockstore.New(data)
	for _, size := range []int{0, 1, blockstore.MaxIdentity} {
		b := identityBlock(size)
		require.NoError(t, s.Put(t.Context(), b))
		require.NoError(t, s.PutMany(t.Context(), []blocks.Block{b, b}))
		requireStored(t, s, []blocks.Block{b})
	}
	require.Empty(t, allKeys(t, s), "nothing is stored")

	long := identityBlock(blockstore.MaxIdentity + 1)
	requireRefused(t, s, long)
}

func TestHashesThatProveNothingAreRefused(t *testing.T) {
	s := blockstore.New(newMap())
	for name, hash := range map[string]struct {
		code   uint64
		length int
	}{"md5": {multihash.MD5, -1}, "one byte of sha2-256": {multihash.SHA2_256, 1}} {
		t.Run(name, func(t *testing.T) {
			sum := make([]byte, 16)
			if hash.length > 0 {
				sum = sum[:hash.length]
			}
			mh, err := multihash.Encode(sum, hash.code)
			require.NoError(t, err)
			b, err := blocks.NewBlockWithCid([]byte("x"), cid.NewCidV1(cid.Raw, mh))
			require.NoError(t, err)
			requireRefused(t, s, b)
		})
	}
}

func TestTooLargeBlocksAreRefusedAndNothingOfTheirBatchIsStored(t *testing.T) {
	s := blockstore.New(newMap())
	large := blocks.NewBlock(make([]byte, blockstore.MaxBlock+1))
	bs := append(someBlocks(2), large)
	for _, err := range []error{
		s.Put(t.Context(), large),
		s.PutMany(t.Context(), bs),
		s.PutFetched(t.Context(), bs),
	} {
		var tooLarge *blockstore.TooLargeError
		require.ErrorAs(t, err, &tooLarge)
		require.Equal(t, large.Cid(), tooLarge.CID)
		require.Equal(t, blockstore.MaxBlock+1, tooLarge.Size)
	}
	require.Empty(t, allKeys(t, s))
}

// requireStored says that every reading method agrees that bs are there.
func requireStored(t *testing.T, s blockstore.Blockstore, bs []blocks.Block) {
	t.Helper()
	for _, b := range bs {
		c := b.Cid()
		has, err := s.Has(t.Context(), c)
		require.NoError(t, err)
		require.True(t, has)
		size, err := s.GetSize(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, len(b.RawData()), size)
		got, err := s.Get(t.Context(), c)
		require.NoError(t, err)
		require.True(t, bytes.Equal(b.RawData(), got.RawData()))
		require.Equal(t, c, got.Cid())
		calls := 0
		require.NoError(t, s.View(t.Context(), c, func(data []byte) error {
			calls++
			require.True(t, bytes.Equal(b.RawData(), data))
			return nil
		}))
		require.Equal(t, 1, calls)
	}
}

// requireMissing says that every reading method agrees that c is not there.
func requireMissing(t *testing.T, s blockstore.Blockstore, c cid.Cid) {
	t.Helper()
	has, err := s.Has(t.Context(), c)
	require.NoError(t, err)
	require.False(t, has)
	_, getErr := s.Get(t.Context(), c)
	_, sizeErr := s.GetSize(t.Context(), c)
	viewErr := s.View(t.Context(), c, func([]byte) error { panic("called") })
	for _, err := range []error{getErr, sizeErr, viewErr} {
		var missing *blockstore.NotFoundError
		require.ErrorAs(t, err, &missing)
		require.Equal(t, c, missing.CID)
		require.True(t, missing.NotFound())
		require.True(t, ipld.IsNotFound(fmt.Errorf("wrapped: %w", err)), "as IPLD libraries ask")
	}
}

// requireRefused says that every method refuses b for its CID.
func requireRefused(t *testing.T, s blockstore.Blockstore, b blocks.Block) {
	t.Helper()
	_, hasErr := s.Has(t.Context(), b.Cid())
	_, getErr := s.Get(t.Context(), b.Cid())
	_, sizeErr := s.GetSize(t.Context(), b.Cid())
	for _, err := range []error{
		hasErr, getErr, sizeErr,
		s.View(t.Context(), b.Cid(), readNothing),
		s.Put(t.Context(), b),
		s.PutMany(t.Context(), []blocks.Block{blocks.NewBlock([]byte("fine")), b}),
	} {
		var refused *message.CIDError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, b.Cid(), refused.CID)
	}
	require.Empty(t, allKeys(t, s))
}

var datastores = map[string]func(t *testing.T) datastore.Batching{
	"map": func(*testing.T) datastore.Batching { return newMap() },
	"pebble": func(t *testing.T) datastore.Batching {
		d, err := pebbleds.NewDatastore(t.TempDir())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		return d
	},
	"flatfs": func(t *testing.T) datastore.Batching {
		d, err := flatfs.CreateOrOpen(t.TempDir(), flatfs.NextToLast(2), false)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		return mountAtBlocks(d)
	},
}

func newMap() *dssync.MutexDatastore { return dssync.MutexWrap(datastore.NewMapDatastore()) }

// lender is a datastore that lends its values.
type lender struct{ datastore.Batching }

func (l lender) View(ctx context.Context, key datastore.Key, read func([]byte) error) error {
	value, err := l.Get(ctx, key)
	if err != nil {
		return err
	}
	lent := bytes.Clone(value)
	defer clear(lent) // Who keeps it sees it change.
	return read(lent)
}

func readNothing([]byte) error { return nil }

func someBlocks(n int) []blocks.Block {
	bs := make([]blocks.Block, n)
	for i := range bs {
		bs[i] = blocks.NewBlock(fmt.Appendf(nil, "block %d", i))
	}
	return bs
}

// mislabelled returns data under the CID of other data.
func mislabelled(data, of string) blocks.Block {
	b, err := blocks.NewBlockWithCid([]byte(data), blocks.NewBlock([]byte(of)).Cid())
	if err != nil {
		panic(err)
	}
	return b
}

func identityBlock(size int) blocks.Block {
	data := bytes.Repeat([]byte{7}, size)
	hash, err := multihash.Sum(data, multihash.IDENTITY, -1)
	if err != nil {
		panic(err)
	}
	b, err := blocks.NewBlockWithCid(data, cid.NewCidV1(cid.Raw, hash))
	if err != nil {
		panic(err)
	}
	return b
}

func storeWith(t *testing.T, bs ...blocks.Block) blockstore.Blockstore {
	s := blockstore.New(newMap())
	require.NoError(t, s.PutMany(t.Context(), bs))
	return s
}

func rawCIDs(bs []blocks.Block) []cid.Cid {
	cs := make([]cid.Cid, len(bs))
	for i, b := range bs {
		cs[i] = cid.NewCidV1(cid.Raw, b.Cid().Hash())
	}
	return cs
}

func allKeys(t *testing.T, s blockstore.Blockstore) []cid.Cid {
	t.Helper()
	listed := map[cid.Cid]bool{}
	for c, err := range s.AllKeys(t.Context()) {
		require.NoError(t, err)
		require.False(t, listed[c], "listed twice")
		listed[c] = true
	}
	return slices.Collect(maps.Keys(listed))
}
