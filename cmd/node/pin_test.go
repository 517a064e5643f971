package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// pinned are the names of all pins, with their types.
func pinned(t *testing.T, repo string, args ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, p := range decodeLines[pinLine](t, must(t, repo, append([]string{"--json", "pin", "ls"}, args...)...)) {
		all[p.Name] = string(p.Type)
	}
	return all
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

func TestWhatIsAddedIsPinnedUnderItsName(t *testing.T) {
	hereAndThere(t, func(t *testing.T, repo string) {
		add(t, repo, tree(t))
		must(t, repo, "add", "--pin=false", file(t, "loose", "not pinned"))
		must(t, repo, "add", "-n", file(t, "hashed", "not stored"))
		add(t, repo, file(t, "bad\n\xff", "a name that is no text"))
		require.Equal(t, map[string]string{"tree": "recursive", "bad??": "recursive"}, pinned(t, repo))
	})
}

func TestGarbageCollectionKeepsWhatIsPinned(t *testing.T) {
	hereAndThere(t, func(t *testing.T, repo string) {
		dir := tree(t)
		kept := add(t, repo, dir)
		gone := add(t, repo, file(t, "gone", noise(700_000)+"!"), "--pin=false")
		would := decodeLines[node.GarbageResult](t, must(t, repo, "--json", "gc", "--dry-run"))[0]
		must(t, repo, "cat", gone)
		did := decodeLines[node.GarbageResult](t, must(t, repo, "--json", "gc"))[0]
		require.Equal(t, would.Result, did.Result)
		require.EqualValues(t, 2, did.RemovedBlocks, "the last leaf and the root: the others are those of the tree")
		require.Positive(t, did.DiskAfter)

		require.Equal(t, exitNotFound, command(t, repo, "cat", gone).code)
		out := filepath.Join(t.TempDir(), "out")
		must(t, repo, "get", kept, "-o", out)
		require.Equal(t, contents(t, dir)["deep/er/big"], contents(t, out)["deep/er/big"])

		must(t, repo, "pin", "rm", "--name", "tree")
		o := command(t, repo, "gc")
		require.Equal(t, exitFailed, o.code)
		require.Contains(t, o.err, "--all")
		require.Contains(t, must(t, repo, "gc", "--all"), "kept 0 blocks, 0 B\n")
		require.Equal(t, exitNotFound, command(t, repo, "get", kept, "-o", out).code)
		require.Equal(t, "removed 0 blocks, 0 B\nkept 0 blocks, 0 B\n", must(t, repo, "gc"))
	})
}

func TestPinsHaveNamesAndTypes(t *testing.T) {
	hereAndThere(t, func(t *testing.T, repo string) {
		root := add(t, repo, tree(t), "--pin=false")
		require.Equal(t, "pinned "+root+" recursive one\n", must(t, repo, "pin", "add", root, "--name", "one"))
		must(t, repo, "pin", "add", root, "--name", "two", "--recursive=false", "--offline")
		must(t, repo, "pin", "add", root+"/deep/er")
		require.Equal(t, map[string]string{"one": "recursive", "two": "direct", "": "recursive"}, pinned(t, repo))
		require.Equal(t, map[string]string{"two": "direct"}, pinned(t, repo, "--type", "direct"))
		require.Equal(t, map[string]string{"one": "recursive"}, pinned(t, repo, "--name", "one"))
		require.Equal(t, map[string]string{"": "recursive"}, pinned(t, repo, "--name="))
		require.Equal(t, map[string]string{"one": "recursive", "two": "direct"}, pinned(t, repo, root))

		require.Equal(t, "unpinned "+root+" direct two\n", must(t, repo, "pin", "rm", root, "--name", "two"))
		require.Equal(t, "unpinned "+root+" recursive one\n", must(t, repo, "pin", "rm", root))
		for _, args := range [][]string{{"rm", root}, {"rm", "--name", "one"}, {"ls", root}} {
			o := command(t, repo, append([]string{"pin"}, args...)...)
			require.Equal(t, exitNotFound, o.code, o.err)
			require.Contains(t, o.err, "is not pinned")
		}
	})
}

func TestPinFetchesWhatIsMissing(t *testing.T) {
	holder := t.TempDir()
	root := add(t, holder, tree(t))
	d := start(t, holder)
	hereAndThere(t, func(t *testing.T, repo string) {
		o := command(t, repo, "pin", "add", root, "--offline")
		require.Equal(t, exitNotFound, o.code, o.err)
		require.Contains(t, o.err, "is not pinned")
		require.Equal(t, exitNotFound, command(t, repo, "pin", "add", root).code, "there is nobody to ask")
		require.Empty(t, pinned(t, repo))

		must(t, repo, "pin", "add", root, "--peer", d.address(), "--name", "fetched")
		all := decodeLines[pinStatus](t, must(t, repo, "--json", "pin", "ls", "--verify"))
		require.Len(t, all, 1)
		require.True(t, all[0].Complete)
		require.EqualValues(t, 15, all[0].Blocks)
		must(t, repo, "gc")
		must(t, repo, "get", root, "-o", filepath.Join(t.TempDir(), "out"))
	})
}

func TestGetPinsOnlyWhenAsked(t *testing.T) {
	holder := t.TempDir()
	root := add(t, holder, tree(t))
	d := start(t, holder)
	hereAndThere(t, func(t *testing.T, repo string) {
		must(t, repo, "get", root, "--peer", d.address(), "-o", filepath.Join(t.TempDir(), "out"))
		require.Empty(t, pinned(t, repo))
		must(t, repo, "get", root+"/deep", "--peer", d.address(), "-o", filepath.Join(t.TempDir(), "out"), "--pin", "--pin-name", "deep")
		require.Equal(t, map[string]string{"deep": "recursive"}, pinned(t, repo))
		require.Equal(t, exitUsage, command(t, repo, "get", root, "--pin-name", "x").code)
	})
}

func TestVerifyingPinsFindsWhatIsMissing(t *testing.T) {
	hereAndThere(t, func(t *testing.T, repo string) {
		whole := add(t, repo, file(t, "whole", "whole"))
		root := add(t, repo, tree(t))
		require.Contains(t, must(t, repo, "pin", "ls", "--verify"), whole+" recursive whole: complete, 1 block\n")
		leaf := add(t, repo, file(t, "leaf", "hello, world\n"), "--pin=false")
		must(t, repo, "block", "rm", leaf)
		o := command(t, repo, "pin", "ls", "--verify")
		require.Equal(t, exitFailed, o.code)
		require.Contains(t, o.out, root+" recursive tree: incomplete: 1 block is missing, as "+leaf)
		require.Contains(t, o.err, "1 of 2 pins")
	})
}

func TestGarbageIsKeptWhileAPinLacksWhatLeadsToOthers(t *testing.T) {
	repo := t.TempDir()
	root := add(t, repo, tree(t))
	garbage := put(t, repo, "garbage")
	must(t, repo, "block", "rm", "--force", root)
	o := command(t, repo, "gc")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, root)
	require.Contains(t, o.err, "nothing was removed")
	must(t, repo, "block", "stat", garbage)
}

func TestWhatIsSharedIsPinned(t *testing.T) {
	repo := t.TempDir()
	d := &daemon{repo: repo}
	d.launch(t, "--repo", repo, "--json", "share", file(t, "shared", "shared"), "--listen", "/ip4/127.0.0.1/tcp/0")
	require.Equal(t, map[string]string{"shared": "recursive"}, pinned(t, repo))
}

func TestPinCommandsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"pin", "add", helloCID, "--name", strings.Repeat("x", 256)}, "256 bytes"},
		{[]string{"pin", "add", "nonsense"}, "no CID"},
		{[]string{"pin", "add", helloCID, "--offline", "--namespace", "x"}, "--offline"},
		{[]string{"pin", "ls", "--type", "indirect"}, "recursive, direct or all"},
		{[]string{"pin", "rm"}, "which pins?"},
		{[]string{"gc", "now"}, "unknown command"},
	} {
		requireUsageError(t, c.says, t.TempDir(), c.args...)
	}
}
