package node

import (
	"context"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/blockstore"
)

func numberedBlocks(n int) []blocks.Block {
	all := make([]blocks.Block, n)
	for i := range all {
		all[i] = blocks.NewBlock(fmt.Appendf(nil, "block %04d", i)) // 10 bytes
	}
	return all
}

func TestAnInterruptedVerifyGoesOnWhereItEnded(t *testing.T) {
	n := newOffline(t)
	require.NoError(t, n.PutMany(t.Context(), numberedBlocks(100)))
	ctx, cancel := context.WithCancel(t.Context())
	first, err := n.Verify(ctx, VerifyRequest{}, func(p VerifyProgress) {
		if p.Blocks == 30 {
			cancel()
		}
	}, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 30, first.Blocks)

	rest, err := n.Verify(t.Context(), VerifyRequest{}, nil, nil)
	require.NoError(t, err)
	require.True(t, rest.Resumed)
	require.EqualValues(t, 70, rest.Blocks)
	whole, err := n.Verify(t.Context(), VerifyRequest{}, nil, nil)
	require.NoError(t, err)
	require.False(t, whole.Resumed)
	require.EqualValues(t, 100, whole.Blocks)
}

func TestAVerifyThatCannotGoOnBeginsAgain(t *testing.T) {
	n := newOffline(t)
	require.NoError(t, n.PutMany(t.Context(), numberedBlocks(10)))
	gone := blocks.NewBlock([]byte("gone")).Cid()
	require.NoError(t, n.data.Put(t.Context(), verifyCursor, gone.Hash()))
	done, err := n.Verify(t.Context(), VerifyRequest{}, nil, nil)
	require.NoError(t, err)
	require.False(t, done.Resumed)
	require.EqualValues(t, 10, done.Blocks)
}

// unreadable is a store whose blocks cannot be read, for a reason.
type unreadable struct {
	blockstore.Blockstore
	why error
}

func (s unreadable) View(context.Context, cid.Cid, func([]byte) error) error { return s.why }

// It would put all of them aside.
func TestAVerifyThatMayNotReadBlamesNoBlock(t *testing.T) {
	data := dssync.MutexWrap(datastore.NewMapDatastore())
	store := blockstore.New(data)
	require.NoError(t, store.PutMany(t.Context(), numberedBlocks(3)))
	verify := func(why error) (VerifyResult, error) {
		failing := unreadable{store, &fs.PathError{Op: "open", Path: "000005.blob", Err: why}}
		s := newStorage(failing, data, nil)
		defer func() { require.NoError(t, s.Close()) }()
		return s.Verify(t.Context(), VerifyRequest{Quarantine: true}, nil, nil)
	}
	for _, why := range []error{syscall.EACCES, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		done, err := verify(why)
		require.ErrorIs(t, err, why)
		require.Zero(t, done.Broken)
		has, err := store.Has(t.Context(), numberedBlocks(1)[0].Cid())
		require.NoError(t, err)
		require.True(t, has)
	}
	done, err := verify(syscall.EIO)
	require.NoError(t, err)
	require.EqualValues(t, 3, done.Broken, "a bad sector is another matter")
}

// TestWhatAPeerWasPromisedIsNotThereAfterACollection: a running node that collected what a
// peer may have been told of answers that it is not there, and does not leave the peer
// waiting.
func TestWhatAPeerWasPromisedIsNotThereAfterACollection(t *testing.T) {
	holder, b := startNode(t, loopback...), blocks.NewBlock([]byte("held"))
	require.NoError(t, holder.PutMany(t.Context(), []blocks.Block{b}))
	n := startNode(t)
	got, err := get(t, n, b.Cid(), addressOf(holder))
	require.NoError(t, err)
	require.Equal(t, b.RawData(), got.RawData())
	_, err = holder.CollectGarbage(t.Context(), GarbageRequest{All: true}, nil)
	require.NoError(t, err)
	_, err = get(t, startNode(t), b.Cid(), addressOf(holder))
	var missing interface{ NotFound() bool }
	require.ErrorAs(t, err, &missing)
	require.True(t, missing.NotFound())
}

func TestWhatIsAddedWhileGarbageIsCollectedStays(t *testing.T) {
	n := startNode(t)
	require.NoError(t, n.PutMany(t.Context(), numberedBlocks(2_000)))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int64)
	go func() {
		removed := int64(0)
		for ctx.Err() == nil {
			done, err := n.CollectGarbage(context.Background(), GarbageRequest{All: true}, nil)
			if err != nil {
				t.Error(err)
			}
			removed += done.RemovedBlocks
		}
		ended <- removed
	}()
	var kept []blocks.Block
	for i := range 300 {
		release, err := n.Hold(t.Context())
		require.NoError(t, err)
		b := blocks.NewBlock(fmt.Appendf(nil, "kept %d", i))
		require.NoError(t, n.PutMany(t.Context(), []blocks.Block{b}))
		_, err = n.Pin(t.Context(), PinRequest{CID: b.Cid(), Kind: roots.Direct, Complete: true}, nil)
		require.NoError(t, err)
		require.NoError(t, release())
		kept = append(kept, b)
	}
	cancel()
	require.Positive(t, <-ended)
	for _, b := range kept {
		_, err := n.BlockSize(t.Context(), b.Cid())
		require.NoError(t, err)
	}
}

func TestAFullStoreNamesItsLimit(t *testing.T) {
	n := startNode(t)
	require.NoError(t, n.Blocks.SetQuota(t.Context(), blockstore.Quota{Max: 15}))
	require.NoError(t, n.PutMany(t.Context(), numberedBlocks(1)))
	var full *FullError
	require.ErrorAs(t, n.PutMany(t.Context(), numberedBlocks(2)), &full)
	require.ErrorContains(t, full, "--storage-max")
	u, err := n.Usage(t.Context())
	require.NoError(t, err)
	require.Equal(t, Usage{Blocks: 1, Bytes: 10, MaxBytes: 15}, u)
}

func TestPinsThatAreAgainstTheRulesAreRefused(t *testing.T) {
	n := startNode(t)
	_, err := n.Pin(t.Context(), PinRequest{CID: cid.Undef, Kind: roots.Direct}, nil)
	var invalid *InvalidError
	require.ErrorAs(t, err, &invalid)
}
