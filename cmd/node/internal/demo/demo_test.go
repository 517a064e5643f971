package demo

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// makeTree makes files of all sizes, with directories, hidden names and links.
func makeTree(t *testing.T, files, largest int) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "tree")
	rng := rand.New(rand.NewPCG(1, 2))
	chacha := rand.NewChaCha8([32]byte{7})
	for i := range files {
		path := filepath.Join(root, fmt.Sprintf("d%d", i%7), fmt.Sprintf(".f%d", i))
		content := make([]byte, rng.IntN(largest))
		chacha.Read(content)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, content, 0o644))
	}
	require.NoError(t, os.Symlink("../nowhere", filepath.Join(root, "link")))
	return root
}

func newDemo(t *testing.T, path string) *Demo {
	t.Helper()
	d, err := New(t.Context(), Config{Path: path, Agent: "test"})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, d.Close())
		require.NoDirExists(t, d.dir)
	})
	return d
}

func TestTheDownloadSurvivesTheLossOfItsBestSource(t *testing.T) {
	d := newDemo(t, makeTree(t, 100, 200_000)) // some 10 MB
	r, err := d.Download(t.Context())
	require.NoError(t, err)

	require.True(t, r.Identical)
	require.EqualValues(t, 100, r.Files)
	require.Equal(t, d.Root.CID.String(), r.CID)
	require.InDelta(t, 0.5, r.StoppedAt, 0.15, "share received when the first node was gone")
	require.True(t, d.everything().stopped)
	require.Less(t, receivedFrom(r, d.everything()), uint64(float64(d.Bytes)*0.65))
	for _, half := range d.halves() {
		require.NotZero(t, receivedFrom(r, half))
	}
	require.GreaterOrEqual(t, r.RequestsPerBlock, 1.0)
	require.Equal(t, FirstHalf, d.RoleOf(d.halves()[0].Host.ID()))
}

func receivedFrom(r *Report, n *Node) uint64 {
	i := slices.IndexFunc(r.Ledgers, func(l ledger.Receipt) bool { return l.Peer == n.Host.ID() })
	if i < 0 {
		return 0
	}
	return r.Ledgers[i].BytesReceived
}

func TestTheHalvesAreDisjointAndOfOneSize(t *testing.T) {
	d := newDemo(t, makeTree(t, 50, 50_000))
	everything, first, other := d.everything(), d.halves()[0], d.halves()[1]
	require.Equal(t, d.Blocks, first.Blocks+other.Blocks)
	require.Equal(t, everything.Bytes, first.Bytes+other.Bytes)
	require.InDelta(t, first.Bytes, other.Bytes, 50_000)

	keys := make(map[*Node]map[string]bool)
	for _, n := range d.Nodes {
		keys[n] = make(map[string]bool)
		for c, err := range n.store.AllKeys(t.Context()) {
			require.NoError(t, err)
			keys[n][key(c)] = true
		}
	}
	require.EqualValues(t, d.Blocks, len(keys[everything]))
	for k := range keys[everything] {
		require.NotEqual(t, keys[first][k], keys[other][k])
	}
	require.Empty(t, keys[d.Downloader()])
}

func key(c cid.Cid) string { return string(c.Hash()) }

func TestOneGiverIsNotEnough(t *testing.T) {
	gave, not := ledger.Receipt{Counters: ledger.Counters{BytesReceived: 1}}, ledger.Receipt{}
	require.NoError(t, check(&Report{Ledgers: []ledger.Receipt{gave, not, gave}}))
	require.ErrorContains(t, check(&Report{Blocks: 3, Ledgers: []ledger.Receipt{gave, not}}), "1 of the nodes gave anything: 3 blocks")
}

func TestAChangeOfTheSourceIsFound(t *testing.T) {
	root := makeTree(t, 20, 50_000)
	d := newDemo(t, root)
	require.NoError(t, os.WriteFile(filepath.Join(root, "d0", ".f0"), []byte("changed"), 0o644))
	r, err := d.Download(t.Context())
	var different *DifferentError
	require.ErrorAs(t, err, &different)
	require.Equal(t, "d0/.f0", different.Name)
	require.False(t, r.Identical)
}

func TestCompareFindsEveryDifference(t *testing.T) {
	for name, change := range map[string]func(root string) error{
		"a byte":           func(root string) error { return os.WriteFile(root+"/d1/.f1", []byte("x"), 0o644) },
		"a missing file":   func(root string) error { return os.Remove(root + "/d1/.f1") },
		"an extra file":    func(root string) error { return os.WriteFile(root+"/extra", nil, 0o644) },
		"a link's target":  func(root string) error { return errorOf(os.Remove(root+"/link"), os.Symlink("x", root+"/link")) },
		"a kind":           func(root string) error { return errorOf(os.Remove(root+"/link"), os.Mkdir(root+"/link", 0o755)) },
		"an appended byte": func(root string) error { return appendTo(root + "/d2/.f2") },
	} {
		want, got := makeTree(t, 10, 100_000), makeTree(t, 10, 100_000)
		require.NoError(t, compare(want, got))
		require.NoError(t, change(got))
		var different *DifferentError
		require.ErrorAs(t, compare(want, got), &different, name)
	}
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func appendTo(path string) error {
	content, err := os.ReadFile(path)
	return errorOf(err, os.WriteFile(path, append(content, 0), 0o644))
}

func TestPathsAreCheckedBeforeAnythingStarts(t *testing.T) {
	_, err := ResolvePath("/no/such/place")
	require.ErrorContains(t, err, "PATH cannot be shared")
	_, err = ResolvePath(os.DevNull)
	require.ErrorContains(t, err, "neither a file nor a directory")

	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	path, err := ResolvePath(link)
	require.NoError(t, err)
	require.Equal(t, dir, path)
}

func TestTheDefaultIsTheStandardLibrary(t *testing.T) {
	path, err := DefaultPath(t.Context())
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(path, "io", "io.go"))

	t.Setenv("PATH", "")
	_, err = DefaultPath(t.Context())
	require.ErrorIs(t, err, ErrNoGo)
	require.ErrorContains(t, err, "name a PATH")
}
