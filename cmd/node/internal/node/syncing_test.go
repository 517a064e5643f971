package node

import (
	"fmt"
	"slices"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/download"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/test/eventually"
)

// startSyncer starts a node that syncs documents, with a storage of its own.
func startSyncer(t *testing.T, listen ...ma.Multiaddr) *Online {
	data := dssync.MutexWrap(datastore.NewMapDatastore())
	s := newStorage(blockstore.New(data), data, nil)
	n, err := Start(t.Context(), newKey(t), s.Blocks, Config{Storage: s, SyncDocuments: true, Listen: listen})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, n.Close())
		require.NoError(t, s.Close())
	})
	return n
}

// createDocument makes a document of files of a block each.
func (n *Online) createDocument(t *testing.T, files []blocks.Block) document.ID {
	one, err := n.docs.Create(t.Context(), document.Draft{Name: "some", Root: files[0].Cid()}, func(yield func(document.Entry, error) bool) {
		for i, b := range files {
			if !yield(document.Entry{Key: fmt.Append(nil, i), CID: cid.NewCidV1(cid.Raw, b.Cid().Hash())}, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	return one.ID
}

func TestABlockOfASyncedDocumentThatIsRemovedComesAgain(t *testing.T) {
	n, author := startSyncer(t), startSyncer(t, loopback...)
	files := numberedBlocks(3)
	require.NoError(t, author.Storage.Blocks.PutMany(t.Context(), files))
	id := n.createDocument(t, files)
	done, err := n.SyncDocument(t.Context(), SyncRequest{ID: id, From: []peer.AddrInfo{addressOf(author)}, Wait: true}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, done.Done)

	require.NoError(t, n.Storage.Blocks.Delete(t.Context(), files[1].Cid()))
	require.NoError(t, n.mirror.Wait(t.Context(), id))
	_, err = n.Storage.Blocks.Get(t.Context(), files[1].Cid())
	require.NoError(t, err)
	for _, name := range []string{"mirror", "documents"} {
		listed := slices.ContainsFunc(n.Exchange.Actors(), func(a souk.ActorStat) bool { return a.Name == name })
		require.True(t, listed, "%s is among the actors of the exchange", name)
	}
}

func TestSyncingSaysThatWhatIsMissingCannotBeFound(t *testing.T) {
	n := startSyncer(t)
	id := n.createDocument(t, numberedBlocks(3))
	pages := query.Query{Prefix: "/documents/entries", KeysOnly: true}
	for page, err := range datastore.QueryIter(t.Context(), n.Storage.data, pages) {
		require.NoError(t, err)
		require.NoError(t, n.Storage.data.Delete(t.Context(), datastore.RawKey(page.Key)))
	}
	_, err := n.SyncDocument(t.Context(), SyncRequest{ID: id, Wait: true}, nil)
	var failed *SyncError
	require.ErrorAs(t, err, &failed)
	require.ErrorAs(t, failed.Looking, new(*document.DamagedError))
	require.ErrorContains(t, err, "what is missing cannot be found: ")
}

func TestWhatIsBeingDownloadedIsARoot(t *testing.T) {
	n := startSyncer(t)
	s := n.Storage
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
