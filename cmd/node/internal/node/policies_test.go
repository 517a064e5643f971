package node

import (
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/pebbledb"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
)

// syncer starts a node with documents in a datastore.
func syncer(t *testing.T, data datastore.Batching) *Online {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(nil)
	require.NoError(t, err)
	s := newStorage(blockstore.New(data), data, nil)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	loopback := multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")
	n, err := Start(t.Context(), key, s.Blocks, Config{Storage: s, SyncDocuments: true, Listen: []multiaddr.Multiaddr{loopback}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

// made makes a document of entries with these keys, the first of them with the first block.
func (n *Online) made(t *testing.T, p policy.Policy, bs []blocks.Block, keys ...string) document.Info {
	t.Helper()
	one, err := n.docs.Create(t.Context(), document.Draft{Name: "list", Root: bs[0].Cid(), Policy: p}, func(yield func(document.Entry, error) bool) {
		for i, key := range keys {
			if !yield(document.Entry{Key: []byte(key), CID: bs[i].Cid()}, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	return one
}

// fetched is how many files come of a document from another node, which are as many blocks.
func (n *Online) fetched(t *testing.T, id document.ID, from *Online) int {
	t.Helper()
	at := peer.AddrInfo{ID: from.Host.ID(), Addrs: from.Host.Addrs()}
	done, err := n.SyncDocument(t.Context(), SyncRequest{ID: id, From: []peer.AddrInfo{at}, Wait: true}, nil)
	require.NoError(t, err)
	require.Equal(t, done.Done, n.Exchange.Stat().BlocksReceived)
	for l, err := range n.Missing(t.Context(), id) {
		require.NoError(t, err)
		require.Fail(t, "missing", "%s", l.Key)
	}
	return int(done.Done)
}

// leaves are blocks without links.
func leaves(t *testing.T, count int) (all []blocks.Block) {
	t.Helper()
	for _, b := range numberedBlocks(count) {
		leaf, err := blocks.NewBlockWithCid(b.RawData(), cid.NewCidV1(cid.Raw, b.Cid().Hash()))
		require.NoError(t, err)
		all = append(all, leaf)
	}
	return all
}

func inMemory(*testing.T) datastore.Batching { return dssync.MutexWrap(datastore.NewMapDatastore()) }

func onDisk(t *testing.T) datastore.Batching {
	d, err := pebbledb.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// Of six entries under two prefixes everything except one prefix is three; of three
// entries nothing except one key is one. The lists have all of them.
func TestAPolicySaysHowMuchOfAListIsFetched(t *testing.T) {
	except, err := policy.EverythingExcept(policy.Prefix([]byte("b/")))
	require.NoError(t, err)
	only, err := policy.NothingExcept(policy.Exact([]byte("a/2")))
	require.NoError(t, err)
	for where, open := range map[string]func(*testing.T) datastore.Batching{"in memory": inMemory, "on disk": onDisk} {
		t.Run(where, func(t *testing.T) {
			author, bs := syncer(t, open(t)), leaves(t, 6)
			require.NoError(t, author.PutMany(t.Context(), bs))
			reader := syncer(t, open(t))
			one := reader.made(t, except, bs, "a/1", "a/2", "a/3", "b/1", "b/2", "b/3")
			require.EqualValues(t, 6, one.Entries)
			require.Equal(t, 3, reader.fetched(t, one.ID, author))
			reader = syncer(t, open(t))
			one = reader.made(t, only, bs, "a/1", "a/2", "a/3")
			require.EqualValues(t, 3, one.Entries)
			require.Equal(t, 1, reader.fetched(t, one.ID, author))
		})
	}
}

// What an author calls a file and is none is fetched as it is: there is nothing else to
// fetch, now or with another try.
func TestABlockThatIsNoNodeIsComplete(t *testing.T) {
	author, reader, bs := syncer(t, inMemory(t)), syncer(t, inMemory(t)), numberedBlocks(2)
	require.NoError(t, author.PutMany(t.Context(), bs))
	require.Equal(t, 2, reader.fetched(t, reader.made(t, policy.Everything(), bs, "a", "b").ID, author))
}
