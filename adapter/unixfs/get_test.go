package unixfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/dag"
)

// requireOnly checks that a directory has these entries and no temporary.
func requireOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	found, err := os.ReadDir(dir)
	require.NoError(t, err)
	got := []string{}
	for _, e := range found {
		got = append(got, e.Name())
	}
	require.ElementsMatch(t, names, got)
}

func TestGetMergesIntoADirectoryAndReplacesOnlyWhenTold(t *testing.T) {
	s := newMapStore()
	want := tree{"a": {data: "new"}, "d/b": {data: "b"}, "d/l": {target: "b"}, "e": {dir: true}}
	root := addTree(t, s, filepath.Join(t.TempDir(), "in"), want)
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	tree{"a": {data: "old"}, "d/keep": {data: "k"}, "d/l": {target: "nowhere"}}.write(t, out)
	before := readTree(t, out)

	_, err := Get(t.Context(), s, root.CID, out, GetOptions{})
	require.ErrorIs(t, err, fs.ErrExist)
	require.ErrorContains(t, err, "/a:")
	require.Equal(t, before, readTree(t, out), "nothing may have been moved")

	sum, err := Get(t.Context(), s, root.CID, out, GetOptions{Overwrite: true})
	require.NoError(t, err)
	require.Equal(t, Summary{Files: 2, Dirs: 3, Symlinks: 1, Bytes: 4, Blocks: 6}, sum)
	want["d"] = treeEntry{dir: true}
	want["d/keep"] = treeEntry{data: "k"}
	require.Equal(t, want, readTree(t, out))
	requireOnly(t, dir, "out")
}

func TestGetRefusesToReplaceOneTypeByAnother(t *testing.T) {
	s := newMapStore()
	root := addTree(t, s, filepath.Join(t.TempDir(), "in"), tree{"x/f": {data: "f"}, "y": {data: "y"}})
	for name, existing := range map[string]tree{
		"a file for a directory":          {"x": {data: "file"}},
		"a symbolic link for a directory": {"x": {target: "elsewhere"}, "elsewhere/k": {data: "k"}},
		"a directory for a file":          {"y": {dir: true}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			existing.write(t, filepath.Join(dir, "out"))
			before := readTree(t, dir)
			_, err := Get(t.Context(), s, root.CID, filepath.Join(dir, "out"), GetOptions{Overwrite: true})
			require.ErrorIs(t, err, fs.ErrExist)
			require.Equal(t, before, readTree(t, dir))
		})
	}
}

func TestGetOfASingleEntry(t *testing.T) {
	s := newMapStore()
	root := addTree(t, s, filepath.Join(t.TempDir(), "in"), tree{"f": {data: "content"}, "l": {target: "../f"}})
	file, err := Resolve(t.Context(), s, root.CID.String()+"/f")
	require.NoError(t, err)
	symlink, err := Resolve(t.Context(), s, root.CID.String()+"/l")
	require.NoError(t, err)
	dir := t.TempDir()
	get := func(c cid.Cid, name string, overwrite bool) error {
		_, err := Get(t.Context(), s, c, filepath.Join(dir, name), GetOptions{Overwrite: overwrite})
		return err
	}

	require.NoError(t, get(file, "f", false))
	require.NoError(t, get(symlink, "l", false))
	require.Equal(t, tree{"f": {data: "content"}, "l": {target: "../f"}}, readTree(t, dir))
	require.ErrorIs(t, get(file, "f", false), fs.ErrExist)
	require.NoError(t, get(file, "l", true), "a symbolic link is replaced, not followed")
	require.Equal(t, tree{"f": {data: "content"}, "l": {data: "content"}}, readTree(t, dir))

	require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o777))
	require.ErrorIs(t, get(file, "d", true), fs.ErrExist)
	require.ErrorIs(t, get(file, "no/parent", true), fs.ErrNotExist)
	require.Error(t, get(file, "..//../../../../../../../../../../../..", true))
	_, err = Get(t.Context(), s, file, "", GetOptions{})
	require.Error(t, err)
	requireOnly(t, dir, "d", "f", "l")
}

func TestOutputMayBeASymbolicLinkToADirectory(t *testing.T) {
	s := newMapStore()
	root := addTree(t, s, filepath.Join(t.TempDir(), "in"), tree{"f": {data: "x"}})
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "real"), 0o777))
	require.NoError(t, os.Symlink("real", filepath.Join(dir, "out")))
	_, err := Get(t.Context(), s, root.CID, filepath.Join(dir, "out"), GetOptions{})
	require.NoError(t, err)
	require.Equal(t, tree{"f": {data: "x"}}, readTree(t, filepath.Join(dir, "real")))
}

func TestStaleTemporariesOfTheSameRootAreRemoved(t *testing.T) {
	s := newMapStore()
	root := addTree(t, s, filepath.Join(t.TempDir(), "in"), tree{"f": {data: "x"}})
	other := addTree(t, s, filepath.Join(t.TempDir(), "in"), tree{"f": {data: "y"}})
	dir := t.TempDir()
	stale := stagingPrefix + tail(root.CID.String(), 16) + "-STALE"
	foreign := stagingPrefix + tail(other.CID.String(), 16) + "-STALE"
	for _, name := range []string{stale, foreign} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name, stagedName), 0o777))
	}
	live, err := newStaging(filepath.Join(dir, "elsewhere"), root.CID)
	require.NoError(t, err)

	_, err = Get(t.Context(), s, root.CID, filepath.Join(dir, "out"), GetOptions{})
	require.NoError(t, err)
	requireOnly(t, dir, "out", foreign, live.name)
	require.NoError(t, live.remove())
	requireOnly(t, dir, "out", foreign)
}

// flakyStore is a remote that fails after some blocks, over a local store that
// keeps what came.
type flakyStore struct {
	local, remote *mapStore
	left          atomic.Int64
	fetched       atomic.Int64
}

var errBroken = errors.New("the line is broken")

func (s *flakyStore) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	if b, err := s.local.GetBlock(ctx, c); err == nil {
		return b, nil
	}
	if s.left.Add(-1) < 0 {
		return nil, errBroken
	}
	s.fetched.Add(1)
	b, err := s.remote.GetBlock(ctx, c)
	if err != nil {
		return nil, err
	}
	return b, s.local.PutMany(ctx, []blocks.Block{b})
}

func (s *flakyStore) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	return dag.Local(s.GetBlock).GetBlocks(ctx, cs)
}

func TestAFailedGetLeavesNothingAndGoesOnFromWhatCame(t *testing.T) {
	remote := newMapStore()
	want := tree{"a": {data: string(pattern(5_000, 1))}, "d/b": {data: string(pattern(3_000, 2))}, "d": {dir: true}}
	root := addTree(t, remote, filepath.Join(t.TempDir(), "in"), want)
	dir := t.TempDir()
	s := &flakyStore{local: newMapStore(), remote: remote}

	s.left.Store(200)
	_, err := Get(t.Context(), s, root.CID, filepath.Join(dir, "out"), GetOptions{})
	require.ErrorIs(t, err, errBroken)
	var place *Error
	require.ErrorAs(t, err, &place)
	require.Contains(t, []string{"a", "d/b"}, place.Path)
	requireOnly(t, dir)

	s.left.Store(1 << 30)
	_, err = Get(t.Context(), s, root.CID, filepath.Join(dir, "out"), GetOptions{})
	require.NoError(t, err)
	require.Equal(t, want, readTree(t, filepath.Join(dir, "out")))
	require.Equal(t, int64(len(remote.blocks)), s.fetched.Load(), "no block is fetched twice")
}

func TestAMissingBlockIsReportedAsItsGetterDoes(t *testing.T) {
	s := newMapStore()
	root := addTree(t, s, filepath.Join(t.TempDir(), "in"), tree{"f": {data: strings.Repeat("0123456789abcdef", 9) + "end"}})
	gone := blocks.NewBlock([]byte("end"))
	c := cid.NewCidV1(cid.Raw, gone.Cid().Hash())
	require.Contains(t, s.blocks, c)
	delete(s.blocks, c)
	dir := t.TempDir()
	_, err := Get(t.Context(), s, root.CID, filepath.Join(dir, "out"), GetOptions{})
	var missing *missingError
	require.ErrorAs(t, err, &missing)
	require.ErrorContains(t, err, root.CID.String()+"/f: ")
	requireOnly(t, dir)
}

func TestCancelEndsAGetAtOnceAndLeavesNothing(t *testing.T) {
	near := newMapStore()
	root := addTree(t, near, filepath.Join(t.TempDir(), "in"), tree{"f": {data: string(pattern(10_000, 1))}})
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		far := &distantStore{mapStore: near, roundTrip: time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := Get(ctx, far, root.CID, filepath.Join(dir, "out"), GetOptions{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(began), 4*time.Second)
	})
	requireOnly(t, dir)
}

func TestProgressReachesItsTotal(t *testing.T) {
	s := newMapStore()
	in := filepath.Join(t.TempDir(), "in")
	tr := tree{"a": {data: string(pattern(100, 1))}, "d/b": {data: string(pattern(40, 2))}, "empty": {}, ".h": {data: "hidden"}}
	tr.write(t, in)
	var added, got []Event
	root, err := Add(t.Context(), s, in, AddOptions{ChunkSize: 16, Progress: func(e Event) { added = append(added, e) }})
	require.NoError(t, err)
	_, err = Get(t.Context(), s, root.CID, filepath.Join(t.TempDir(), "out"), GetOptions{
		Progress: func(e Event) { got = append(got, e) },
	})
	require.NoError(t, err)
	for _, events := range [][]Event{added, got} {
		for i, e := range events {
			require.LessOrEqual(t, e.Done, e.Total)
			require.True(t, i == 0 || events[i-1].Done <= e.Done && events[i-1].Files <= e.Files)
		}
		last := events[len(events)-1]
		require.Equal(t, []uint64{140, 140, 3}, []uint64{last.Done, last.Total, last.Files})
	}
	require.Contains(t, got, Event{Name: "d/b", Done: 116, Total: got[0].Total, Files: 1})
}

func TestHiddenEntriesAreLeftOutUnlessAskedFor(t *testing.T) {
	in := filepath.Join(t.TempDir(), ".root")
	tree{"f": {data: "x"}, ".git/config": {data: "y"}, "d/.env": {data: "z"}}.write(t, in)
	for hidden, want := range map[bool][]uint64{true: {3, 3}, false: {1, 2}} {
		root, err := Add(t.Context(), newMapStore(), in, AddOptions{Hidden: hidden})
		require.NoError(t, err)
		require.Equal(t, want, []uint64{root.Files, root.Dirs})
	}
}

func TestAddNamesWhatIsWrong(t *testing.T) {
	_, err := Add(t.Context(), newMapStore(), filepath.Join(t.TempDir(), "none"), AddOptions{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	for _, size := range []int{-1, MaxChunkSize + 1} {
		_, err = AddReader(t.Context(), newMapStore(), strings.NewReader(""), AddOptions{ChunkSize: size})
		require.ErrorContains(t, err, "ChunkSize")
	}
}

// failingStore stores one batch and no more.
type failingStore struct{ puts atomic.Int64 }

func (s *failingStore) PutMany(context.Context, []blocks.Block) error {
	if s.puts.Add(1) > 1 {
		return errBroken
	}
	return nil
}

func TestAddEndsWithTheFirstErrorOfStoreReaderOrContext(t *testing.T) {
	endless := counted{counter: new(uint64)}
	_, err := AddReader(t.Context(), &failingStore{}, endless, AddOptions{})
	require.ErrorIs(t, err, errBroken)

	broken := &brokenReader{left: 1 << 20}
	_, err = AddReader(t.Context(), newMapStore(), broken, AddOptions{})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "a source that breaks off is no shorter file")

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBroken)
	_, err = AddReader(ctx, newMapStore(), counted{counter: new(uint64)}, AddOptions{})
	require.ErrorIs(t, err, errBroken)
}

// brokenReader ends as a truncated archive does.
type brokenReader struct{ left int }

func (r *brokenReader) Read(p []byte) (int, error) {
	n := min(r.left, len(p))
	r.left -= n
	if r.left == 0 {
		return n, io.ErrUnexpectedEOF
	}
	return n, nil
}

func TestBatchesAreLargeAndBounded(t *testing.T) {
	s := newMapStore()
	_, err := AddReader(t.Context(), s, bytes.NewReader(pattern(40<<20, 1)), AddOptions{})
	require.NoError(t, err)
	require.Len(t, s.puts, 6)
	for _, size := range s.puts {
		require.LessOrEqual(t, size, batchBytes+DefaultChunkSize)
	}
}
