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
	const files, fileBytes = 8, 600_000
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
