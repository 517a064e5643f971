package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGetGivesBackWhatWasAdded(t *testing.T) {
	repo, dir, output := t.TempDir(), tree(t), filepath.Join(t.TempDir(), "out")
	root := add(t, repo, dir, "--hidden")
	require.Contains(t, must(t, repo, "get", root, "-o", output), "5 files, 1.5 MiB")
	requireSame(t, dir, output)
}

func TestGetOfAPathIsNamedAfterIt(t *testing.T) {
	repo, dir := t.TempDir(), tree(t)
	root := add(t, repo, dir)
	t.Chdir(t.TempDir())
	must(t, repo, "get", root+"/deep/er/")
	requireSame(t, filepath.Join(dir, "deep/er"), "er")
	must(t, repo, "get", "/ipfs/"+root+"/hello.txt")
	content, err := os.ReadFile("hello.txt")
	require.NoError(t, err)
	require.Equal(t, "hello, world\n", string(content))
}

func TestGetInJSON(t *testing.T) {
	repo, output := t.TempDir(), filepath.Join(t.TempDir(), "out")
	root := add(t, repo, tree(t))
	var g got
	require.NoError(t, json.Unmarshal([]byte(must(t, repo, "--json", "get", root, "-o", output)), &g))
	require.Equal(t, root, g.CID)
	require.EqualValues(t, 4, g.Files)
	require.EqualValues(t, 1, g.Symlinks)
}

func TestGetReplacesOnlyWhenTold(t *testing.T) {
	repo, output := t.TempDir(), filepath.Join(t.TempDir(), "hello")
	require.NoError(t, os.WriteFile(output, []byte("mine"), 0o644))
	root := add(t, repo, filepath.Join(tree(t), "hello.txt"))

	o := command(t, repo, "get", root, "-o", output)
	require.Equal(t, exitFailed, o.code)
	content, err := os.ReadFile(output)
	require.NoError(t, err)
	require.Equal(t, "mine", string(content))
	must(t, repo, "get", "--overwrite", root, "-o", output)
}

func TestGetWithoutPeersFailsAtOnceAndSaysWhatToDo(t *testing.T) {
	running := t.TempDir()
	start(t, running)
	for _, repo := range []string{t.TempDir(), running} {
		o := command(t, repo, "get", helloCID, "-o", filepath.Join(t.TempDir(), "out"))
		require.Equal(t, exitNotFound, o.code, o.err)
		require.Contains(t, o.err, "name one with --peer")
	}
}

func TestGetSaysWhatIsWrongWithItsArguments(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"get", "nonsense"}, exitUsage, "CID"},
		{[]string{"get", helloCID, "--peer", "nonsense"}, exitUsage, "/ip4/127.0.0.1/tcp/4101"},
		{[]string{"get", helloCID, "--peer", "/ip4/127.0.0.1/tcp/1"}, exitUsage, "/p2p/ID"},
		{[]string{"get", helloCID, "--peer", "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"},
			exitFailed, "cannot reach 12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"},
	} {
		o := command(t, t.TempDir(), c.args...)
		require.Equal(t, c.code, o.code, o.err)
		require.Contains(t, o.err, c.says)
	}
}

func TestGetGivesUpAfterItsTimeout(t *testing.T) {
	holder := start(t, t.TempDir())
	o := command(t, t.TempDir(), "get", helloCID, "--timeout", "1ns", "--peer", holder.address(), "-o", filepath.Join(t.TempDir(), "out"))
	require.Equal(t, exitTimeout, o.code, o.err)
	require.Contains(t, o.err, "longer --timeout")
}

// A tree goes from one node to a second that runs, from there to a third that
// does not, and is the same everywhere.
func TestATreePassesFromNodeToNode(t *testing.T) {
	dir, first, second, third := tree(t), t.TempDir(), t.TempDir(), t.TempDir()
	source := start(t, first)
	root := add(t, first, dir, "--hidden") // through the running node

	middle := start(t, second)
	output := filepath.Join(t.TempDir(), "out")
	must(t, second, "get", root, "-o", output, "--peer", source.address())
	requireSame(t, dir, output)
	source.stop()

	output = filepath.Join(t.TempDir(), "out")
	must(t, third, "get", root, "-o", output, "--peer", middle.address())
	requireSame(t, dir, output)
	require.Equal(t, "hello, world\n", must(t, third, "cat", root+"/hello.txt"), "without a network now")
}
