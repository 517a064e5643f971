package unixfs

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/blockstore"
	splitter "github.com/ipfs/boxo/chunker"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	"github.com/ipfs/boxo/ipld/unixfs/importer/trickle"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	format "github.com/ipfs/go-ipld-format"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/dag"
)

// boxoStore is what boxo writes to and this package reads from.
type boxoStore struct {
	*mapStore
	blockstore blockstore.Blockstore
	dag        format.DAGService
}

func newBoxoStore() *boxoStore {
	bs := blockstore.NewBlockstore(dssync.MutexWrap(datastore.NewMapDatastore()))
	return &boxoStore{blockstore: bs, dag: merkledag.NewDAGService(blockservice.New(bs, nil))}
}

// export returns what boxo stored, under the CIDs by which it is linked.
func (s *boxoStore) export(t *testing.T, root cid.Cid) *mapStore {
	t.Helper()
	out := newMapStore()
	var walk func(c cid.Cid)
	walk = func(c cid.Cid) {
		b, err := s.blockstore.Get(t.Context(), c)
		require.NoError(t, err)
		out.put(t, b)
		links, err := dag.Links(b)
		require.NoError(t, err)
		for _, l := range links {
			walk(l)
		}
	}
	walk(root)
	return out
}

type boxoFile struct {
	chunk   int64
	raw     bool
	builder cid.Builder
	layout  func(*helpers.DagBuilderHelper) (format.Node, error)
}

func (f boxoFile) add(t *testing.T, s *boxoStore, data []byte) cid.Cid {
	t.Helper()
	params := helpers.DagBuilderParams{
		Maxlinks: helpers.DefaultLinksPerBlock, RawLeaves: f.raw, CidBuilder: f.builder, Dagserv: s.dag,
	}
	db, err := params.New(splitter.NewSizeSplitter(bytes.NewReader(data), f.chunk))
	require.NoError(t, err)
	nd, err := f.layout(db)
	require.NoError(t, err)
	return nd.Cid()
}

func kuboFile(chunk int64) boxoFile {
	return boxoFile{chunk: chunk, raw: true, builder: merkledag.V1CidPrefix(), layout: balanced.Layout}
}

func TestLayoutEqualsBoxosAtEveryBoundary(t *testing.T) {
	const size = 4
	for _, leaves := range []int{1, 2, 173, 174, 175, 348, 349, 174 * 174, 174*174 + 1, 174*174 + 174*3 + 5} {
		for _, n := range []int{leaves*size - 1, leaves * size} {
			data := pattern(n, leaves)
			root, err := AddReader(t.Context(), newMapStore(), bytes.NewReader(data), AddOptions{ChunkSize: size})
			require.NoError(t, err)
			s := newBoxoStore()
			want := kuboFile(size).add(t, s, data)
			require.Equal(t, want, root.CID, "%d bytes in chunks of %d", n, size)

			nd, err := s.dag.Get(t.Context(), want)
			require.NoError(t, err)
			total, err := nd.Size()
			require.NoError(t, err)
			require.Equal(t, total, root.DAGSize)
			require.Equal(t, uint64(n), root.Size)
		}
	}
}

// TestForeignFilesAreRead covers what other writers make: CIDv0, dag-pb leaves
// of both types, and a tree that is not balanced.
func TestForeignFilesAreRead(t *testing.T) {
	trickled := func(db *helpers.DagBuilderHelper) (format.Node, error) { return trickle.Layout(db) }
	kinds := map[string]boxoFile{
		"v0 balanced":          {chunk: 16, layout: balanced.Layout},
		"v0 trickle":           {chunk: 16, layout: trickled},
		"v1 dag-pb leaves":     {chunk: 16, builder: merkledag.V1CidPrefix(), layout: balanced.Layout},
		"v1 trickle and raw":   {chunk: 16, builder: merkledag.V1CidPrefix(), raw: true, layout: trickled},
		"v0 links, raw leaves": {chunk: 16, builder: merkledag.V0CidPrefix(), raw: true, layout: balanced.Layout},
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{0, 1, 16, 17, 16 * 174, 16*174 + 1, 50_000} {
				data := pattern(n, n)
				s := newBoxoStore()
				root := kind.add(t, s, data)
				var got bytes.Buffer
				require.NoError(t, Cat(t.Context(), s.export(t, root), root, &got, CatOptions{Window: 4096}))
				require.True(t, bytes.Equal(data, got.Bytes()), "%d bytes", n)
			}
		})
	}
}

// boxoDirectory makes a directory as Kubo does, one entry after the other.
func boxoDirectory(t *testing.T, s *boxoStore, names []string) cid.Cid {
	t.Helper()
	dir, err := uio.NewDirectory(s.dag, uio.WithCidBuilder(merkledag.V1CidPrefix()))
	require.NoError(t, err)
	leaf := merkledag.NewRawNode([]byte("x"))
	require.NoError(t, s.dag.Add(t.Context(), leaf))
	for _, name := range names {
		require.NoError(t, dir.AddChild(t.Context(), name, leaf))
	}
	nd, err := dir.GetNode()
	require.NoError(t, err)
	require.NoError(t, s.dag.Add(t.Context(), nd))
	return nd.Cid()
}

func readAll(t *testing.T, s Getter, c cid.Cid) []byte {
	t.Helper()
	r, w := io.Pipe()
	go func() { w.CloseWithError(Cat(context.Background(), s, c, w, CatOptions{})) }()
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	return data
}
