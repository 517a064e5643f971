package unixfs

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// tree is a directory tree in memory: slash-separated paths to what is there.
type tree map[string]treeEntry

// treeEntry is a directory, a symbolic link if target is set, or a file.
type treeEntry struct {
	dir    bool
	target string
	data   string
}

func (tr tree) write(t require.TestingT, root string) {
	require.NoError(t, os.MkdirAll(root, 0o777))
	for name, e := range tr {
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		switch {
		case e.dir:
			require.NoError(t, os.MkdirAll(path, 0o777))
		case e.target != "":
			require.NoError(t, os.Symlink(e.target, path))
		default:
			require.NoError(t, os.WriteFile(path, []byte(e.data), 0o666))
		}
	}
}

// readTree reads what is below root, every directory included.
func readTree(t require.TestingT, root string) tree {
	out := make(tree)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		e := treeEntry{dir: d.IsDir()}
		switch {
		case d.Type() == fs.ModeSymlink:
			e.target, err = os.Readlink(path)
		case !d.IsDir():
			var data []byte
			data, err = os.ReadFile(path)
			e.data = string(data)
		}
		out[filepath.ToSlash(name)] = e
		return err
	})
	require.NoError(t, err)
	return out
}

// drawTree makes a tree with names that sort, fold and print in odd ways.
func drawTree(t *rapid.T) tree {
	names := rapid.SampledFrom([]string{
		"a", "b", "A", "a.txt", "a b", "ä", "日本", ".hidden", "-", "10", "9", "\xff\xfe", "a\nb", "~", "...", `b\c`, "00", "FFx",
	})
	out := make(tree)
	var fill func(dir string, depth int)
	fill = func(dir string, depth int) {
		for range rapid.IntRange(0, 5).Draw(t, "entries") {
			name := join(dir, names.Draw(t, "name"))
			if _, taken := out[name]; taken {
				continue
			}
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				out[name] = treeEntry{dir: true}
				if depth < 4 {
					fill(name, depth+1)
				}
			case 1:
				out[name] = treeEntry{target: rapid.SampledFrom([]string{"a", "../b", "/nowhere", "."}).Draw(t, "target")}
			default:
				size := rapid.SampledFrom([]int{0, 1, 15, 16, 17, 700}).Draw(t, "size")
				out[name] = treeEntry{data: string(pattern(size, len(out)))}
			}
		}
	}
	fill("", 0)
	return out
}

// pattern makes n bytes that depend on a seed.
func pattern(n, seed int) []byte {
	out := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range out {
		x = x*1664525 + 1013904223
		out[i] = byte(x >> 24)
	}
	return out
}

// addTree stores a tree and returns its root.
func addTree(t require.TestingT, s *mapStore, dir string, tr tree) Root {
	tr.write(t, dir)
	root, err := Add(context.Background(), s, dir, AddOptions{Hidden: true, ChunkSize: 16})
	require.NoError(t, err)
	return root
}

func TestRandomTreesComeBackByteForByte(t *testing.T) {
	ctx := context.Background()
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "tree")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		want, s := drawTree(t), newMapStore()
		root := addTree(t, s, filepath.Join(dir, "in"), want)

		o := GetOptions{Window: rapid.SampledFrom([]int64{1, 64, 0}).Draw(t, "window")}
		sum, err := Get(ctx, s, root.CID, filepath.Join(dir, "out"), o)
		require.NoError(t, err)
		require.Equal(t, want, readTree(t, filepath.Join(dir, "out")))
		require.Equal(t, root, Root{
			CID: root.CID, DAGSize: root.DAGSize,
			Size: sum.Bytes, Files: sum.Files, Dirs: sum.Dirs, Symlinks: sum.Symlinks,
		})
	})
}
