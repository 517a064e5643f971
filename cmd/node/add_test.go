package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Both are what `ipfs add --cid-version=1 --raw-leaves` prints.
const (
	helloCID = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e" // "hello world"
	emptyDir = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"
)

func TestAddPrintsWhatKuboPrints(t *testing.T) {
	o := commandReading(t, "hello world", t.TempDir(), "add", "-")
	require.Equal(t, outcome{out: "added " + helloCID + " " + helloCID + "\n"}, o)

	dir := filepath.Join(t.TempDir(), "nothing")
	require.NoError(t, mkdir(dir))
	repo := t.TempDir()
	require.Equal(t, "added "+emptyDir+" nothing\n", must(t, repo, "add", dir))
	require.Equal(t, emptyDir+"\n", must(t, repo, "add", "--quiet", dir))
}

func TestAddOfSeveralPaths(t *testing.T) {
	repo, dir := t.TempDir(), tree(t)
	hello, link := filepath.Join(dir, "hello.txt"), filepath.Join(dir, "link")
	require.Len(t, lines(must(t, repo, "add", hello, link)), 2)
	require.Equal(t, lines(must(t, repo, "add", "-q", hello, link))[1:], lines(must(t, repo, "add", "-Q", hello, link)))
}

func TestAddInJSON(t *testing.T) {
	var got added
	require.NoError(t, json.Unmarshal([]byte(must(t, t.TempDir(), "--json", "add", "--hidden", tree(t))), &got))
	require.Equal(t, "tree", got.Name)
	require.EqualValues(t, 5, got.Files)
	require.EqualValues(t, 1_600_000+len("hello, world\n\t \nnot by default"), got.Size)
}

func TestAddLeavesHiddenNamesOut(t *testing.T) {
	repo, dir := t.TempDir(), tree(t)
	require.NotEqual(t, add(t, repo, dir), add(t, repo, dir, "--hidden"))
	require.Contains(t, must(t, repo, "ls", add(t, repo, dir, "--hidden")+"/deep"), ".hidden")
	require.NotContains(t, must(t, repo, "ls", add(t, repo, dir)+"/deep"), ".hidden")
}

func TestOnlyHashNeedsNoRepository(t *testing.T) {
	repo := filepath.Join(t.TempDir(), "none")
	require.Len(t, lines(must(t, repo, "add", "--only-hash", tree(t))), 1)
	require.NoDirExists(t, repo)
}

func TestAddSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"add", "/no/such/file"}, exitFailed, "no such file"},
		{[]string{"add", "--chunker", "rabin", "."}, exitUsage, "size-N"},
		{[]string{"add", "--chunker", "size-0", "."}, exitUsage, "size-N"},
		{[]string{"add"}, exitUsage, "requires at least 1 arg"},
	} {
		o := command(t, t.TempDir(), c.args...)
		require.Equal(t, c.code, o.code, o.err)
		require.Contains(t, o.err, c.says)
		require.Empty(t, o.out)
	}
}
