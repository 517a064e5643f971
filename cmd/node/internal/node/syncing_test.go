package node

import (
	"testing"

	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/download"
	"github.com/souk-p2p/souk/test/eventually"
)

func TestWhatIsBeingDownloadedIsARoot(t *testing.T) {
	key, _, err := crypto.GenerateEd25519Key(nil)
	require.NoError(t, err)
	data := dssync.MutexWrap(datastore.NewMapDatastore())
	s := newStorage(blockstore.New(data), data, nil)
	defer func() { require.NoError(t, s.Close()) }()
	n, err := Start(t.Context(), key, s.Blocks, Config{Storage: s, SyncDocuments: true})
	require.NoError(t, err)
	wanted := numberedBlocks(1)[0].Cid()
	of := func() (all []roots.Root) {
		for r, err := range s.Roots.All(t.Context()) {
			require.NoError(t, err)
			all = append(all, r)
		}
		return all
	}
	require.Empty(t, of())
	ended := make(chan error, 1)
	go func() { ended <- n.downloads.Download(t.Context(), wanted, download.Request{Retries: -1}) }()
	eventually.True(t, func() bool { return len(of()) == 1 })
	require.Equal(t, roots.Root{CID: wanted, Kind: roots.Partial, Source: "download"}, of()[0])
	require.NoError(t, n.Close())
	require.ErrorIs(t, <-ended, download.ErrClosed)
	require.Empty(t, of(), "nothing comes any more")
}
