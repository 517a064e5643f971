package unixfs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs/pb"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	format "github.com/ipfs/go-ipld-format"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
)

// forge stores a node with whatever UnixFS data and links it is given, in the
// given order.
func forge(t testing.TB, s *mapStore, data *pb.Data, links ...link) link {
	t.Helper()
	raw, err := proto.Marshal(data)
	require.NoError(t, err)
	return forgeRaw(t, s, raw, links...)
}

func forgeRaw(t testing.TB, s *mapStore, data []byte, links ...link) link {
	t.Helper()
	pn := merkledag.NodeWithData(data)
	require.NoError(t, pn.SetCidBuilder(pbPrefix))
	for _, l := range links {
		require.NoError(t, pn.AddRawLink(l.name, &format.Link{Size: l.tsize, Cid: l.cid}))
	}
	b, err := blocks.NewBlockWithCid(pn.RawData(), pn.Cid())
	require.NoError(t, err)
	s.put(t, b)
	return link{cid: b.Cid(), tsize: total(b, links)}
}

func forgeLeaf(t testing.TB, s *mapStore, data string) link {
	t.Helper()
	b, err := encodeLeaf([]byte(data))
	require.NoError(t, err)
	s.put(t, b)
	return link{cid: b.Cid(), tsize: uint64(len(data)), size: uint64(len(data))}
}

func forgeDirectory(t testing.TB, s *mapStore, links ...link) link {
	t.Helper()
	return forge(t, s, &pb.Data{Type: pb.Data_Directory.Enum()}, links...)
}

// forgeFile claims a size and sizes of parts.
func forgeFile(t testing.TB, s *mapStore, size *uint64, parts []uint64, links ...link) link {
	t.Helper()
	return forge(t, s, &pb.Data{Type: pb.Data_File.Enum(), Filesize: size, Blocksizes: parts}, links...)
}

func (l link) named(name string) link {
	l.name = name
	return l
}

// refuse gets a DAG and checks that it fails so, at that path, and that there
// is nothing outside or inside the output afterwards.
func refuse(t *testing.T, s *mapStore, root cid.Cid, o GetOptions, want error, path string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "in"), 0o777))
	_, err := Get(t.Context(), s, root, filepath.Join(dir, "in", "out"), o)
	require.ErrorIs(t, err, want)
	var place *Error
	require.ErrorAs(t, err, &place)
	require.Equal(t, path, place.Path)
	requireOnly(t, filepath.Join(dir, "in"))
	requireOnly(t, dir, "in")
}

func TestNamesThatLeaveTheirDirectoryAreRefused(t *testing.T) {
	for _, name := range []string{
		"", ".", "..", "/", "a/b", "../x", "/etc/passwd", "a\x00b", "\x00", "./x", "x/", "a/../../b", strings.Repeat("n", 256),
	} {
		t.Run(fmt.Sprintf("%.20q", name), func(t *testing.T) {
			s := newMapStore()
			leaf := forgeLeaf(t, s, "evil")
			inner := forgeDirectory(t, s, leaf.named(name))
			root := forgeDirectory(t, s, leaf.named("fine"), inner.named("sub"))
			refuse(t, s, root.cid, GetOptions{}, ErrUnsafeName, "sub")
		})
	}
}

// TestABackslashIsAnOrdinaryCharacterWhereItSeparatesNothing pins the other
// side: a tree that the file system holds comes back.
func TestABackslashIsAnOrdinaryCharacterWhereItSeparatesNothing(t *testing.T) {
	s := newMapStore()
	root := forgeDirectory(t, s, forgeLeaf(t, s, "x").named(`..\..\x`))
	if filepath.Separator == '\\' {
		refuse(t, s, root.cid, GetOptions{}, ErrUnsafeName, "")
		return
	}
	dir := t.TempDir()
	_, err := Get(t.Context(), s, root.cid, filepath.Join(dir, "out"), GetOptions{})
	require.NoError(t, err)
	require.Equal(t, tree{"out": {dir: true}, `out/..\..\x`: {data: "x"}}, readTree(t, dir))
}

func TestASymbolicLinkIsNeverWrittenThrough(t *testing.T) {
	s := newMapStore()
	outside := t.TempDir()
	target, err := encodeSymlink(outside)
	require.NoError(t, err)
	s.put(t, target)
	evil := forgeDirectory(t, s, forgeLeaf(t, s, "evil").named("x"))
	symlink := link{cid: target.Cid(), tsize: total(target, nil)}

	twice := forgeDirectory(t, s, symlink.named("d"), evil.named("d"))
	refuse(t, s, twice.cid, GetOptions{}, ErrMalformed, "")

	// One get leaves the link, the next has a directory of its name.
	out := filepath.Join(t.TempDir(), "out")
	_, err = Get(t.Context(), s, forgeDirectory(t, s, symlink.named("d")).cid, out, GetOptions{})
	require.NoError(t, err)
	_, err = Get(t.Context(), s, forgeDirectory(t, s, evil.named("d")).cid, out, GetOptions{Overwrite: true})
	require.Error(t, err)
	requireOnly(t, outside)
}

func TestContradictionsAreRefused(t *testing.T) {
	s := newMapStore()
	ten := forgeLeaf(t, s, "0123456789")
	dir := forgeDirectory(t, s)
	cases := map[string]link{
		"size above the parts":      forgeFile(t, s, new(uint64(11)), []uint64{10}, ten),
		"size below the parts":      forgeFile(t, s, new(uint64(9)), []uint64{10}, ten),
		"part larger than claimed":  forgeFile(t, s, new(uint64(9)), []uint64{9}, ten),
		"part smaller than claimed": forgeFile(t, s, new(uint64(11)), []uint64{11}, ten),
		"part claims nothing":       forgeFile(t, s, new(uint64(0)), []uint64{0}, ten),
		"sizes overflow":            forgeFile(t, s, nil, []uint64{1 << 63, 1 << 63}, ten, ten),
		"sizes missing":             forgeFile(t, s, nil, nil, ten),
		"sizes without links":       forgeFile(t, s, nil, []uint64{1}),
		"directory inside a file":   forgeFile(t, s, nil, []uint64{0}, dir),
		"symbolic link with links":  forge(t, s, &pb.Data{Type: pb.Data_Symlink.Enum(), Data: []byte("x")}, ten),
		"symbolic link to nothing":  forge(t, s, &pb.Data{Type: pb.Data_Symlink.Enum()}),
		"no UnixFS data":            forgeRaw(t, s, nil, ten),
		"data that is no UnixFS":    forgeRaw(t, s, []byte("\xff\xff\xff"), ten),
	}
	for name, bad := range cases {
		t.Run(name, func(t *testing.T) {
			root := forgeDirectory(t, s, bad.named("bad"))
			refuse(t, s, root.cid, GetOptions{}, ErrMalformed, "bad")
		})
	}
	unsupported := map[string]link{
		"metadata": forge(t, s, &pb.Data{Type: pb.Data_Metadata.Enum()}),
		"dag-cbor": forgeCodec(t, s, cid.DagCBOR, []byte{0xa0}),
	}
	for name, bad := range unsupported {
		t.Run(name, func(t *testing.T) {
			root := forgeDirectory(t, s, bad.named("bad"))
			refuse(t, s, root.cid, GetOptions{}, ErrUnsupported, "bad")
		})
	}
	t.Run("no dag-pb at all", func(t *testing.T) {
		root := forgeDirectory(t, s, forgeCodec(t, s, cid.DagProtobuf, []byte("\x0a\xff")).named("bad"))
		refuse(t, s, root.cid, GetOptions{}, ErrMalformed, "bad")
	})
}

func forgeCodec(t testing.TB, s *mapStore, codec uint64, data []byte) link {
	t.Helper()
	c, err := cid.NewPrefixV1(codec, multihash.SHA2_256).Sum(data)
	require.NoError(t, err)
	b, err := blocks.NewBlockWithCid(data, c)
	require.NoError(t, err)
	s.put(t, b)
	return link{cid: c, tsize: uint64(len(data))}
}

func TestShardsThatLieAreRefused(t *testing.T) {
	s := newMapStore()
	leaf := forgeLeaf(t, s, "x")
	shard := func(fanout, hash uint64, links ...link) link {
		return forge(t, s, &pb.Data{Type: pb.Data_HAMTShard.Enum(), Fanout: &fanout, HashType: &hash}, links...)
	}
	place := func(name string, level int) string { return fmt.Sprintf("%02X", hashByte(hashName(name), level)) }
	good := leaf.named(place("a", 0) + "a")
	deep := shard(256, hashMurmur3, leaf.named(place("a", 1)+"a"))
	for name, c := range map[string]struct {
		root link
		want error
	}{
		"entry in another's slot": {shard(256, hashMurmur3, leaf.named(place("b", 0)+"a")), ErrMalformed},
		"one slot twice":          {shard(256, hashMurmur3, good, good), ErrMalformed},
		"in two shards":           {shard(256, hashMurmur3, good, deep.named(place("a", 0))), ErrMalformed},
		"no number":               {shard(256, hashMurmur3, leaf.named("XYa")), ErrMalformed},
		"short name":              {shard(256, hashMurmur3, leaf.named("A")), ErrMalformed},
		"fanout of 7":             {shard(7, hashMurmur3), ErrMalformed},
		"fanout of 2^40":          {shard(1<<40, hashMurmur3), ErrMalformed},
		"empty shard below":       {shard(256, hashMurmur3, shard(256, hashMurmur3).named("00")), ErrMalformed},
		"other fanout below":      {shard(256, hashMurmur3, shard(512, hashMurmur3, good).named("00")), ErrMalformed},
		"file below":              {shard(256, hashMurmur3, leaf.named("00")), ErrMalformed},
		"other hash function":     {shard(256, 0x12, good), ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			root := forgeDirectory(t, s, c.root.named("bad"))
			refuse(t, s, root.cid, GetOptions{}, c.want, "bad")
		})
	}
	endless := shard(256, hashMurmur3, good)
	for range 9 {
		endless = shard(256, hashMurmur3, endless.named("00"))
	}
	refuse(t, s, endless.cid, GetOptions{}, ErrMalformed, "")
	_, err := Resolve(t.Context(), s, endless.cid.String()+"/a")
	require.Error(t, err)
}

// TestBombsEnd: a few blocks that describe more than anybody has room for.
func TestBombsEnd(t *testing.T) {
	s := newMapStore()
	wide := func(l link, size uint64) link {
		links, sizes := make([]link, 100), make([]uint64, 100)
		for i := range links {
			links[i], sizes[i] = l, size
		}
		out := forgeFile(t, s, nil, sizes, links...)
		out.size = 100 * size
		return out
	}
	huge := forgeLeaf(t, s, strings.Repeat("x", 1000))
	nothing := forgeLeaf(t, s, "")
	chain := forgeLeaf(t, s, "x")
	for range 6 {
		huge, nothing = wide(huge, huge.size), wide(nothing, 0)
	}
	for range maxLevels + 1 {
		chain = forgeFile(t, s, nil, []uint64{1}, chain)
	}
	refuse(t, s, forgeDirectory(t, s, huge.named("f")).cid, GetOptions{MaxSize: 1 << 20}, ErrLimit, "f")
	refuse(t, s, forgeDirectory(t, s, nothing.named("f")).cid, GetOptions{}, ErrLimit, "f")
	refuse(t, s, forgeDirectory(t, s, chain.named("f")).cid, GetOptions{}, ErrLimit, "f")

	deep, dirs := forgeDirectory(t, s), forgeDirectory(t, s)
	for range maxDepth {
		deep = forgeDirectory(t, s, deep.named("d"))
	}
	for range 6 {
		dirs = forgeDirectory(t, s, dirs.named("a"), dirs.named("b"), dirs.named("c"))
	}
	refuse(t, s, deep.cid, GetOptions{}, ErrLimit, strings.Repeat("d/", maxDepth-1)+"d")
	dir := t.TempDir()
	_, err := Get(t.Context(), s, dirs.cid, filepath.Join(dir, "out"), GetOptions{MaxEntries: 100})
	require.ErrorIs(t, err, ErrLimit)
	requireOnly(t, dir)
}

// The list of what is below a directory ends, too, whatever that is.
func TestListsOfHostileDirectoriesEnd(t *testing.T) {
	s := newMapStore()
	leaf := forgeLeaf(t, s, "x")
	deep, dirs, files := forgeDirectory(t, s), forgeDirectory(t, s), forgeDirectory(t, s, leaf.named("x"))
	for range maxDepth {
		deep = forgeDirectory(t, s, deep.named("d"))
	}
	for range 40 { // which would be 2^40 directories, and as many files
		dirs = forgeDirectory(t, s, dirs.named("a"), dirs.named("b"))
		files = forgeDirectory(t, s, files.named("a"), files.named("b"))
	}
	unlike := forgeRaw(t, s, []byte("no UnixFS"))
	for name, c := range map[string]struct {
		root link
		want error
	}{
		"too deep":                {deep, ErrLimit},
		"directories without end": {dirs, ErrLimit},
		"files without end":       {files, ErrLimit},
		"a name that leads out":   {forgeDirectory(t, s, leaf.named("..")), ErrUnsafeName},
		"a name of 1 MiB":         {forgeDirectory(t, s, leaf.named(strings.Repeat("n", 1<<20))), ErrUnsafeName},
		"a zero byte":             {forgeDirectory(t, s, leaf.named("a\x00b")), ErrUnsafeName},
		"a node that is no file":  {forgeDirectory(t, s, unlike.named("x")), ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			var last error
			count := 0
			for _, last = range Files(t.Context(), s, c.root.cid, ListOptions{MaxEntries: 1000}) {
				count++
			}
			require.ErrorIs(t, last, c.want)
			require.LessOrEqual(t, count, 1001)
		})
	}
}

func TestDeepestAllowedDirectoryComesBack(t *testing.T) {
	s := newMapStore()
	deep := forgeDirectory(t, s)
	for range maxDepth - 1 {
		deep = forgeDirectory(t, s, deep.named("d"))
	}
	sum, err := Get(t.Context(), s, deep.cid, filepath.Join(t.TempDir(), "out"), GetOptions{})
	require.NoError(t, err)
	require.Equal(t, uint64(maxDepth), sum.Dirs)
}

// TestBlocksFarLargerThanClaimedEndTheWalk: links that claim a byte and lead to
// a mebibyte must not make the window hold gigabytes.
func TestBlocksFarLargerThanClaimedEndTheWalk(t *testing.T) {
	s := newMapStore()
	links := make([]link, 60)
	for i := range links {
		leaf := forgeLeaf(t, s, fmt.Sprint(i, strings.Repeat("x", 1<<20)))
		leaf.tsize, leaf.name = 1, fmt.Sprintf("%03d", i)
		links[i] = leaf
	}
	slow := forgeFile(t, s, nil, []uint64{1}, link{cid: forgeLeaf(t, newMapStore(), "!").cid, tsize: 1})
	root := forgeDirectory(t, s, append([]link{slow.named("!")}, links...)...)
	dir := t.TempDir()
	_, err := Get(t.Context(), patientStore{s}, root.cid, filepath.Join(dir, "out"), GetOptions{Window: 1 << 20})
	require.ErrorIs(t, err, ErrMalformed)
	require.ErrorContains(t, err, "far larger")
	requireOnly(t, dir)
}

func TestLooseClaimsAreForgiven(t *testing.T) {
	s := newMapStore()
	leaf := forgeLeaf(t, s, "0123456789")
	noTsize := leaf
	noTsize.tsize = 0
	noSize := forge(t, s, &pb.Data{Type: pb.Data_Raw.Enum(), Data: []byte("ab")})
	mixed := forge(t, s, &pb.Data{Type: pb.Data_File.Enum(), Data: []byte("head"), Blocksizes: []uint64{10, 2, 0}},
		noTsize, noSize, forgeLeaf(t, s, ""))
	identity, err := cid.NewPrefixV1(cid.Raw, multihash.IDENTITY).Sum([]byte("inline"))
	require.NoError(t, err)
	inline := forge(t, s, &pb.Data{Type: pb.Data_File.Enum(), Blocksizes: []uint64{6}}, link{cid: identity})
	unsorted := forgeDirectory(t, s, mixed.named("z"), inline.named("a"), link{cid: identity}.named("m"))
	out := filepath.Join(t.TempDir(), "out")
	_, err = Get(t.Context(), s, unsorted.cid, out, GetOptions{})
	require.NoError(t, err)
	require.Equal(t, tree{"a": {data: "inline"}, "m": {data: "inline"}, "z": {data: "head0123456789ab"}}, readTree(t, out))
}

func TestCatOfAHostileFileFailsBeforeItIsWrong(t *testing.T) {
	s := newMapStore()
	bad := forgeFile(t, s, nil, []uint64{10, 9}, forgeLeaf(t, s, "0123456789"), forgeLeaf(t, s, "abcdefghij"))
	var got bytes.Buffer
	require.ErrorIs(t, Cat(t.Context(), s, bad.cid, &got, CatOptions{}), ErrMalformed)
	require.True(t, strings.HasPrefix("0123456789", got.String()))
}

func TestManyLinksInOneNodeStayCheap(t *testing.T) {
	s := newMapStore()
	leaf := forgeLeaf(t, s, "x")
	links := make([]link, 40_000)
	for i := range links {
		links[i] = leaf.named(fmt.Sprintf("%06d", i))
	}
	root := forgeDirectory(t, s, links...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.Len(t, listNames(t, s, root.cid), len(links))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(len(links)*2_000))
	require.ErrorIs(t, Cat(t.Context(), s, root.cid, io.Discard, CatOptions{}), ErrNotFile)
}
