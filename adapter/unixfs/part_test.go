package unixfs

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/table"
)

var album = tree{
	"2023/a.jpg":       {data: strings.Repeat("a", 100)},
	"2024/b.jpg":       {data: strings.Repeat("b", 100)},
	"2024/may/c.jpg":   {data: "c"},
	"2024/may/link":    {target: "c.jpg"},
	"2024-notes":       {data: "notes"},
	"empty":            {dir: true},
	"other/deep/d.jpg": {data: strings.Repeat("d", 100)},
}

// asked is a store that notes what it is asked for.
type asked struct {
	*mapStore
	mu  sync.Mutex
	all []cid.Cid
}

func (s *asked) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	s.note(c)
	return s.mapStore.GetBlock(ctx, c)
}

func (s *asked) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	s.note(cs...)
	return s.mapStore.GetBlocks(ctx, cs)
}

func (s *asked) note(cs ...cid.Cid) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, cs...)
}

// below wants what is below a path.
func below(prefix string) func(string, bool) bool {
	return func(path string, dir bool) bool {
		return strings.HasPrefix(path, prefix) || dir && strings.HasPrefix(prefix, path+"/")
	}
}

func TestGetWritesAndFetchesThePartThatIsWanted(t *testing.T) {
	s := &asked{mapStore: newMapStore()}
	root := addTree(t, s.mapStore, filepath.Join(t.TempDir(), "in"), album)
	for _, c := range []struct {
		prefix string
		want   []string
	}{
		{"2024/", []string{"2024", "2024/b.jpg", "2024/may", "2024/may/c.jpg", "2024/may/link"}},
		{"2024/may/c", []string{"2024", "2024/may", "2024/may/c.jpg"}},
		{"2024", []string{"2024", "2024-notes", "2024/b.jpg", "2024/may", "2024/may/c.jpg", "2024/may/link"}},
		{"other", []string{"other", "other/deep", "other/deep/d.jpg"}},
	} {
		s.all = nil
		out := filepath.Join(t.TempDir(), "out")
		_, err := Get(t.Context(), s, root.CID, out, GetOptions{Wanted: below(c.prefix)})
		require.NoError(t, err)
		var got []string
		for path := range readTree(t, out) {
			got = append(got, path)
		}
		slices.Sort(got)
		require.Equal(t, c.want, got)
		for _, name := range []string{"2023", "2023/a.jpg"} {
			require.NotContains(t, s.all, mustResolve(t, s.mapStore, root.CID, name), "what is not wanted is not fetched")
		}
	}
}

func TestAPartOfNothingIsAnError(t *testing.T) {
	s := newMapStore()
	dir := t.TempDir()
	root := addTree(t, s, filepath.Join(dir, "in"), album)
	_, err := Get(t.Context(), s, root.CID, filepath.Join(dir, "out"), GetOptions{Wanted: below("2025/")})
	require.ErrorIs(t, err, ErrNothingWanted)
	require.NoDirExists(t, filepath.Join(dir, "out"))
	_, err = Get(t.Context(), s, mustResolve(t, s, root.CID, "2024-notes"), filepath.Join(dir, "out"), GetOptions{Wanted: below("2024")})
	require.ErrorIs(t, err, ErrNotDirectory)
}

func TestFilesAreListedByTheirPathsWithoutTheirContent(t *testing.T) {
	s := &asked{mapStore: newMapStore()}
	dir := filepath.Join(t.TempDir(), "in")
	album.write(t, dir)
	root, err := Add(t.Context(), s, dir, AddOptions{ChunkSize: 30})
	require.NoError(t, err)
	var got []string
	for l, err := range Files(t.Context(), s, root.CID, ListOptions{}) {
		require.NoError(t, err)
		got = append(got, fmt.Sprintf("%s %s %d", l.Name, l.Type, l.Size))
	}
	slices.Sort(got)
	require.Equal(t, []string{
		"2023/a.jpg file 100", "2024-notes file 5", "2024/b.jpg file 100", "2024/may/c.jpg file 1", "2024/may/link symlink 5", "other/deep/d.jpg file 100",
	}, got)
	// The root, five directories, three files of several blocks, a link; one is empty.
	require.Len(t, slices.Compact(sorted(s.all)), 1+6+3+1)
	for _, err := range Files(t.Context(), s, mustResolve(t, s, root.CID, "2024-notes"), ListOptions{}) {
		require.ErrorIs(t, err, ErrNotDirectory)
	}
}

func mustResolve(t *testing.T, s Getter, root cid.Cid, path string) cid.Cid {
	t.Helper()
	c, err := Resolve(t.Context(), s, root.String()+"/"+path)
	require.NoError(t, err)
	return c
}

func sorted(cs []cid.Cid) []cid.Cid {
	slices.SortFunc(cs, table.Compare)
	return cs
}

// A link to a raw block says that it is a file: of such files none is read, however many.
func TestFilesOfAShardedDirectoryAreListedByItsBlocksAlone(t *testing.T) {
	s := &asked{mapStore: newMapStore()}
	root := addNames(t, s.mapStore, numbered(10_000, "file-with-a-rather-long-name-so-that-it-is-sharded-%06d"))
	n := 0
	for l, err := range Files(t.Context(), s, root.CID, ListOptions{}) {
		require.NoError(t, err)
		require.Equal(t, TypeFile, l.Type)
		n++
	}
	require.Equal(t, 10_000, n)
	require.NotEmpty(t, s.all)
	for _, c := range s.all {
		require.EqualValues(t, cid.DagProtobuf, c.Prefix().Codec, "a block of the directory")
	}
}
