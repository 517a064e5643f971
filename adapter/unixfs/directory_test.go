package unixfs

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
)

// addNames stores a directory of one-byte files, without a file system.
func addNames(t *testing.T, s *mapStore, names []string) Root {
	t.Helper()
	root, err := add(t.Context(), s, AddOptions{}, func(ctx context.Context, a *adder) (link, error) {
		leaf, err := encodeLeaf([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, a.out.put(ctx, leaf))
		links := make([]link, len(names))
		for i, name := range names {
			links[i] = link{name: name, cid: leaf.Cid(), tsize: 1, size: 1}
		}
		return a.putDirectory(ctx, links)
	})
	require.NoError(t, err)
	return root
}

func numbered(n int, format string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return out
}

// listNames returns the names of a listing, sorted.
func listNames(t *testing.T, s Getter, dir cid.Cid) []string {
	t.Helper()
	var out []string
	for l, err := range List(t.Context(), s, dir, ListOptions{}) {
		require.NoError(t, err)
		out = append(out, l.Name)
	}
	slices.Sort(out)
	return out
}

// TestDirectoriesEqualBoxos pins the threshold at which Kubo shards: 256 KiB of
// names and CIDs still fit one block, one byte more does not.
func TestDirectoriesEqualBoxos(t *testing.T) {
	const entry = 36 + 220 // a CID and a name: 1,024 of them are 256 KiB
	full := numbered(1024, "%0220d")
	over := append(slices.Clone(full[:1023]), full[1023]+"x")
	cases := map[string]struct {
		names   []string
		sharded bool
	}{
		"sorted by bytes":   {[]string{"b", "a", "A", "ä", "a.", "a/"[:1] + "0", "日本", "\xff", "-"}, false},
		"at the threshold":  {full, false},
		"past by one byte":  {over, true},
		"20,000 entries":    {numbered(20_000, "%d"), true},
		"unicode, sharded":  {numbered(9_000, "файл %d 文件"), true},
		"hidden and spaces": {[]string{".a", " ", "..."}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newMapStore()
			root := addNames(t, s, c.names)
			theirs := newBoxoStore()
			want := boxoDirectory(t, theirs, c.names)
			require.Equal(t, want, root.CID)
			require.Equal(t, c.sharded, len(s.blocks) > 2)

			nd, err := theirs.dag.Get(t.Context(), want)
			require.NoError(t, err)
			size, err := nd.Size()
			require.NoError(t, err)
			require.Equal(t, size, root.DAGSize)
			require.Equal(t, slices.Sorted(slices.Values(c.names)), listNames(t, s, root.CID))
		})
	}
	require.Equal(t, 256<<10, 1024*entry)
}

func TestShardedDirectoryResolvesListsAndComesBack(t *testing.T) {
	names := numbered(2_000, "entry %0200d")
	s := newMapStore()
	root := addNames(t, s, names)
	for _, i := range []int{0, 1, 77, 1_999} {
		c, err := Resolve(t.Context(), s, root.CID.String()+"/"+names[i])
		require.NoError(t, err)
		require.Equal(t, "x", string(readAll(t, s, c)))
	}
	_, err := Resolve(t.Context(), s, "/ipfs/"+root.CID.String()+"/entry 2000")
	require.ErrorIs(t, err, fs.ErrNotExist)

	out := filepath.Join(t.TempDir(), "out")
	sum, err := Get(t.Context(), s, root.CID, out, GetOptions{})
	require.NoError(t, err)
	require.Equal(t, uint64(2_000), sum.Files)
	found, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Len(t, found, 2_000)
}

func TestListKnowsTypesWhenAsked(t *testing.T) {
	s := newMapStore()
	root := addTree(t, s, filepath.Join(t.TempDir(), "in"), tree{
		"big":       {data: strings.Repeat("x", 100)},
		"dir/inner": {data: "y"},
		"link":      {target: "big"},
		"small":     {data: "z"},
	})
	list := func(types bool) (out []string) {
		for l, err := range List(t.Context(), s, root.CID, ListOptions{Types: types}) {
			require.NoError(t, err)
			out = append(out, fmt.Sprintf("%s %s %d", l.Name, l.Type, l.Size))
		}
		return out
	}
	require.Equal(t, []string{"big file 100", "dir directory 0", "link symlink 3", "small file 1"}, list(true))
	untyped := list(false)
	require.Equal(t, "small file 1", untyped[3])
	require.Contains(t, untyped[0], "big unknown")

	first := 0
	for range List(t.Context(), s, root.CID, ListOptions{}) {
		first++
		break
	}
	require.Equal(t, 1, first)
}

func TestListAndCatRefuseTheWrongType(t *testing.T) {
	s := newMapStore()
	root := addTree(t, s, filepath.Join(t.TempDir(), "in"), tree{"f": {data: "x"}, "l": {target: "f"}})
	for name, want := range map[string]error{"f": ErrNotDirectory, "l": ErrNotDirectory} {
		c, err := Resolve(t.Context(), s, root.CID.String()+"/"+name)
		require.NoError(t, err)
		for _, err := range List(t.Context(), s, c, ListOptions{}) {
			require.ErrorIs(t, err, want)
		}
		_, err = Resolve(t.Context(), s, root.CID.String()+"/"+name+"/deeper")
		require.ErrorIs(t, err, ErrNotDirectory)
	}
	for _, name := range []string{"", "/l"} {
		c, err := Resolve(t.Context(), s, root.CID.String()+name)
		require.NoError(t, err)
		require.ErrorIs(t, Cat(t.Context(), s, c, &strings.Builder{}, CatOptions{}), ErrNotFile)
	}
}

func TestParsePath(t *testing.T) {
	const c = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
	for in, want := range map[string]string{
		c:                       c,
		c + "/":                 c,
		"/ipfs/" + c:            c,
		"ipfs://" + c + "/a//b": c + "/a/b",
		c + "/a b/%20/日本":       c + "/a b/%20/日本",
		"QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn/x": "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn/x",
	} {
		p, err := ParsePath(in)
		require.NoError(t, err, in)
		require.Equal(t, want, p.String())
	}
	for _, in := range []string{"", "/", "/ipfs/", "/ipns/example.org", "x/" + c} {
		_, err := ParsePath(in)
		require.Error(t, err, in)
	}
}
