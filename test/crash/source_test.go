package crash

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/unixfs"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/test/internal/corpus"
)

// source is a directory of files, and the blocks that each of them is made of.
type source struct {
	dir   string
	root  cid.Cid // of the directory
	files []string
	made  map[string][]blocks.Block // by the CID of the file
	all   []blocks.Block            // of the directory
}

// newSource makes files of several blocks, which follow from the seed.
func newSource(t *testing.T, seed uint64) *source {
	t.Helper()
	return sourceOf(t, seed, 8, 600_000)
}

// sourceOf makes so many files of a size, which follow from the seed.
func sourceOf(t *testing.T, seed uint64, files, fileBytes int) *source {
	t.Helper()
	s := &source{dir: t.TempDir(), made: make(map[string][]blocks.Block)}
	for i, b := range corpus.Blocks(seed, files, fileBytes) {
		path := filepath.Join(s.dir, fmt.Sprintf("file %d", i))
		require.NoError(t, os.WriteFile(path, b.RawData(), 0o644))
		s.files = append(s.files, path)
		root, made := added(t, path)
		s.made[root.String()] = made
	}
	s.root, s.all = added(t, s.dir)
	return s
}

// added returns what adding a path gives.
func added(t *testing.T, path string) (cid.Cid, []blocks.Block) {
	t.Helper()
	var all gathered
	root, err := unixfs.Add(t.Context(), &all, path, unixfs.AddOptions{})
	require.NoError(t, err)
	return root.CID, all
}

// gathered is a store for those who want to see the blocks.
type gathered []blocks.Block

func (g *gathered) PutMany(_ context.Context, bs []blocks.Block) error {
	*g = append(*g, bs...)
	return nil
}

// putting notes that any of the files' blocks may come to be stored.
func (s *source) putting(t *testing.T, h *History) {
	t.Helper()
	for _, made := range s.made {
		require.NoError(t, h.Note(putting, made...))
	}
}

// acknowledged notes that the files with the CIDs printed are stored.
func (s *source) acknowledged(t *testing.T, h *History, printed []string) {
	t.Helper()
	for _, root := range printed {
		require.Contains(t, s.made, root)
		require.NoError(t, h.Note(acknowledged, s.made[root]...))
	}
}

// missing looks at a repository that holds nothing but parts of the source, and
// returns the blocks of it that are not there.
func (s *source) missing(t *testing.T, repo string) []blocks.Block {
	t.Helper()
	h := NewHistory(nil)
	require.NoError(t, h.Note(putting, append([]blocks.Block{probe}, s.all...)...)) // It may be looked at twice.
	dir := filepath.Join(repo, "blocks")
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		return s.all
	}
	d, err := stores["pebble"](dir)
	require.NoError(t, err)
	var missing []blocks.Block
	store := blockstore.New(d)
	for _, b := range s.all {
		has, err := store.Has(t.Context(), b.Cid())
		require.NoError(t, err)
		if !has {
			missing = append(missing, b)
		}
	}
	require.NoError(t, h.Check(t.Context(), d))
	require.NoError(t, d.Close())
	return missing
}
