package interop

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/corpus"
)

// writeTree writes a directory tree with what usually goes wrong: empty files
// and directories, files of many blocks, many small files, links, names outside
// of ASCII.
func writeTree(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "tree")
	file := func(name string, size int) {
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		data := corpus.Blocks(uint64(len(name)), 1, size)[0].RawData()
		require.NoError(t, os.WriteFile(path, data, 0o644))
	}
	file("empty", 0)
	file("one", 1)
	file("exactly one chunk", 256<<10)
	file("more than one chunk", 256<<10+1)
	file("films/långfilm.mkv", 9<<20)
	file("a/b/c/d/e/deep", 1000)
	for i := range 60 {
		file(fmt.Sprintf("many/%03d", i), i*10)
	}
	require.NoError(t, os.Mkdir(filepath.Join(root, "nothing"), 0o755))
	require.NoError(t, os.Symlink("../one", filepath.Join(root, "films", "link")))
	return root
}

// requireSameTree compares two trees entry by entry and byte by byte.
func requireSameTree(t *testing.T, want, got string) {
	t.Helper()
	expected := readTree(t, want)
	actual := readTree(t, got)
	require.Equal(t, len(expected), len(actual), "number of entries")
	for name, content := range expected {
		require.Contains(t, actual, name)
		require.True(t, content == actual[name], "%s differs", name)
	}
}

// readTree maps the path of every entry to its type and content.
func readTree(t *testing.T, root string) map[string]string {
	t.Helper()
	entries := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		entries[name], err = readEntry(path, d)
		return err
	})
	require.NoError(t, err)
	return entries
}

func readEntry(path string, d fs.DirEntry) (string, error) {
	switch {
	case d.IsDir():
		return "directory", nil
	case d.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return "link " + target, err
	default:
		data, err := os.ReadFile(path)
		return "file " + string(data), err
	}
}
