package blockstore_test

import (
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockstore"
)

func TestABlockOnTheStageIsReadLikeAnyOther(t *testing.T) {
	behind := blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore()))
	s := blockstore.NewStaged(behind)
	b := blocks.NewBlock([]byte("on its way"))
	raw := cid.NewCidV1(cid.Raw, b.Cid().Hash())
	s.Stage([]blocks.Block{b})

	for _, c := range []cid.Cid{b.Cid(), raw} {
		has, err := s.Has(t.Context(), c)
		require.NoError(t, err)
		require.True(t, has)
		got, err := s.Get(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, c, got.Cid())
		require.Equal(t, b.RawData(), got.RawData())
		size, err := s.GetSize(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, len(b.RawData()), size)
		require.NoError(t, s.View(t.Context(), c, func(data []byte) error {
			require.Equal(t, b.RawData(), data)
			return nil
		}))
	}
	has, err := behind.Has(t.Context(), b.Cid())
	require.NoError(t, err)
	require.False(t, has, "staging stored the block")
}

func TestABlockStaysOnTheStageUntilTheLastUnstage(t *testing.T) {
	s := blockstore.NewStaged(blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())))
	b := blocks.NewBlock([]byte("twice"))
	s.Stage([]blocks.Block{b, b})
	s.Unstage([]blocks.Block{b})
	has, err := s.Has(t.Context(), b.Cid())
	require.NoError(t, err)
	require.True(t, has)
	s.Unstage([]blocks.Block{b, b})
	_, err = s.Get(t.Context(), b.Cid())
	var missing *blockstore.NotFoundError
	require.ErrorAs(t, err, &missing)
}

func TestTheStorePassesTheStage(t *testing.T) {
	s := blockstore.NewStaged(blockstore.New(dssync.MutexWrap(datastore.NewMapDatastore())))
	b := blocks.NewBlock([]byte("stored"))
	require.NoError(t, s.Put(t.Context(), b))
	got, err := s.Get(t.Context(), b.Cid())
	require.NoError(t, err)
	require.Equal(t, b.RawData(), got.RawData())
	size, err := s.GetSize(t.Context(), b.Cid())
	require.NoError(t, err)
	require.Equal(t, 6, size)
	require.NoError(t, s.View(t.Context(), b.Cid(), func([]byte) error { return nil }))
}
