package interop

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/ipfs/boxo/blockservice"
	chunk "github.com/ipfs/boxo/chunker"
	"github.com/ipfs/boxo/files"
	"github.com/ipfs/boxo/ipld/merkledag"
	boxofs "github.com/ipfs/boxo/ipld/unixfs"
	boxofile "github.com/ipfs/boxo/ipld/unixfs/file"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/test/internal/exchanges"
)

// Files and a directory tree, each side with its own UnixFS.
func TestTreePasses(t *testing.T) {
	tree := writeTree(t)
	each(t, func(t *testing.T, server, client *node) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		connect(t, client, server)
		output := filepath.Join(t.TempDir(), "copy")
		root := addTree(t, ctx, server, tree)
		getTree(t, ctx, client, server, root, output)
		requireSameTree(t, tree, output)
	})
}

// The two importers agree on the CID of a tree.
func TestTreeHasOneCID(t *testing.T) {
	tree := writeTree(t)
	ours := addTree(t, t.Context(), start(t, quic, exchanges.MakeSouk), tree)
	theirs := addTree(t, t.Context(), start(t, quic, exchanges.MakeBoxo), tree)
	require.Equal(t, theirs.String(), ours.String())
}

// addTree imports a tree with the UnixFS that belongs to the node's make.
func addTree(t *testing.T, ctx context.Context, n *node, tree string) cid.Cid {
	t.Helper()
	if boxo, ok := n.Exchange.(*exchanges.Boxo); ok {
		imported := importer{ctx: ctx, dag: dagService(boxo)}.entry(t, tree)
		return imported.Cid()
	}
	root, err := unixfs.Add(ctx, putter{n}, tree, unixfs.AddOptions{})
	require.NoError(t, err)
	return root.CID
}

// getTree fetches a tree with the UnixFS that belongs to the node's make.
func getTree(t *testing.T, ctx context.Context, client, server *node, root cid.Cid, output string) {
	t.Helper()
	if boxo, ok := client.Exchange.(*exchanges.Boxo); ok {
		getBoxoTree(t, ctx, dagService(boxo), root, output)
		return
	}
	_, err := unixfs.Get(ctx, client.Fetcher(ctx, server.ID()), root, output, unixfs.GetOptions{})
	require.NoError(t, err)
}

func getBoxoTree(t *testing.T, ctx context.Context, dag ipld.DAGService, root cid.Cid, output string) {
	t.Helper()
	top, err := dag.Get(ctx, root)
	require.NoError(t, err)
	file, err := boxofile.NewUnixfsFile(ctx, dag, top)
	require.NoError(t, err)
	require.NoError(t, files.WriteTo(file, output))
}

func dagService(boxo *exchanges.Boxo) ipld.DAGService {
	return merkledag.NewDAGService(blockservice.New(boxo.Store, boxo.Bitswap))
}

// putter stores blocks through an exchange, so that it serves them.
type putter struct{ exchanges.Exchange }

func (p putter) PutMany(ctx context.Context, bs []blocks.Block) error { return p.Put(ctx, bs...) }

// importer adds a tree to boxo as Kubo does with --cid-version=1.
type importer struct {
	ctx context.Context
	dag ipld.DAGService
}

func (i importer) entry(t *testing.T, path string) ipld.Node {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	switch {
	case info.IsDir():
		return i.directory(t, path)
	case info.Mode()&os.ModeSymlink != 0:
		return i.link(t, path)
	default:
		return i.file(t, path)
	}
}

func (i importer) directory(t *testing.T, path string) ipld.Node {
	t.Helper()
	dir, err := uio.NewDirectory(i.dag, uio.WithCidBuilder(merkledag.V1CidPrefix()))
	require.NoError(t, err)
	entries, err := os.ReadDir(path)
	require.NoError(t, err)
	for _, e := range entries {
		child := i.entry(t, filepath.Join(path, e.Name()))
		require.NoError(t, dir.AddChild(i.ctx, e.Name(), child))
	}
	top, err := dir.GetNode()
	require.NoError(t, err)
	require.NoError(t, i.dag.Add(i.ctx, top))
	return top
}

func (i importer) link(t *testing.T, path string) ipld.Node {
	t.Helper()
	target, err := os.Readlink(path)
	require.NoError(t, err)
	data, err := boxofs.SymlinkData(target)
	require.NoError(t, err)
	link := merkledag.NodeWithData(data)
	require.NoError(t, link.SetCidBuilder(merkledag.V1CidPrefix()))
	require.NoError(t, i.dag.Add(i.ctx, link))
	return link
}

func (i importer) file(t *testing.T, path string) ipld.Node {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	params := helpers.DagBuilderParams{
		Dagserv: i.dag, Maxlinks: 174, RawLeaves: true, CidBuilder: merkledag.V1CidPrefix(),
	}
	builder, err := params.New(chunk.NewSizeSplitter(f, 256<<10))
	require.NoError(t, err)
	top, err := balanced.Layout(builder)
	require.NoError(t, err)
	return top
}
