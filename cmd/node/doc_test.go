package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/test/eventually"
)

// album is a directory of six files below two directories.
func album(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "album")
	for _, path := range []string{"2023/a.jpg", "2023/b.jpg", "2024/c.jpg", "2024/list.txt", "2024/may/d.jpg", "notes"} {
		content := path
		if path == "2024/c.jpg" {
			content = noise(700_000) // several blocks
		}
		require.NoError(t, mkdir(filepath.Dir(filepath.Join(dir, path))))
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte(content), 0o644))
	}
	return dir
}

// importDoc imports a document and returns its line.
func importDoc(t *testing.T, repo string, args ...string) docLine {
	t.Helper()
	line := must(t, repo, append([]string{"--json", "doc", "import"}, args...)...)
	requireSchema(t, "souk doc cancel, souk doc import, souk doc ls, souk doc policy, souk doc rm", line)
	var d docLine
	require.NoError(t, json.Unmarshal([]byte(line), &d))
	return d
}

// missing are the files that are missing, each with its state.
func missing(t *testing.T, repo, doc string) []string {
	t.Helper()
	all := []string{}
	for line := range strings.Lines(must(t, repo, "--json", "doc", "missing", doc)) {
		requireSchema(t, "souk doc missing", line)
		var m docMissing
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		all = append(all, m.Key+" "+m.State)
	}
	return all
}

// requireMissing waits until these are missing: a node hands out blocks before it has
// stored them.
func requireMissing(t *testing.T, repo, doc string, want ...string) {
	t.Helper()
	eventually.True(t, func() bool { return slices.Equal(want, missing(t, repo, doc)) }, "missing: %q", want)
}

func TestADirectoryBecomesADocument(t *testing.T) {
	hereAndThere(t, func(t *testing.T, repo string) {
		d := importDoc(t, repo, album(t))
		require.Equal(t, "album", d.Name)
		require.EqualValues(t, 6, d.Entries)
		require.Equal(t, "doc/"+d.ID, d.Namespace)
		require.Equal(t, d, importDoc(t, repo, d.Root, "--name", "album"), "the same again changes nothing")
		require.Equal(t, "2023/a.jpg\n2023/b.jpg\n2024/c.jpg\n2024/list.txt\n2024/may/d.jpg\nnotes\n", must(t, repo, "doc", "ls", "album"))
		require.Equal(t, "2024/list.txt\n", must(t, repo, "doc", "ls", d.ID, "--prefix", "2024/l"))
		require.Contains(t, must(t, repo, "doc", "ls"), d.ID[:idDigits]+"  album  6 ")
		for line := range strings.Lines(must(t, repo, "--json", "doc", "ls", "album")) {
			requireSchema(t, "souk doc ls DOC", line)
		}
		require.Equal(t, "0 files are missing, 0 B\n", must(t, repo, "doc", "missing", d.ID[:8]))
	})
}

func TestAPolicyKeepsItsPartAndGarbageCollectionTheRest(t *testing.T) {
	hereAndThere(t, func(t *testing.T, repo string) {
		d := importDoc(t, repo, album(t))
		policy := "nothing-except\nprefix:utf8:2024/\n"
		require.Equal(t, "everything\n", must(t, repo, "doc", "policy", "album"))
		require.Equal(t, policy, must(t, repo, "doc", "policy", "album", "nothing-except", "prefix:utf8:2024/", "prefix:utf8:2024/may/"))
		require.Equal(t, policy, must(t, repo, "doc", "policy", "album"))
		require.Empty(t, missing(t, repo, "album"))

		did := decodeLines[node.GarbageResult](t, must(t, repo, "--json", "gc"))[0]
		require.EqualValues(t, 3, did.RemovedBlocks)
		must(t, repo, "doc", "policy", "album", "everything-except", "exact:utf8:notes")
		require.Equal(t, []string{"2023/a.jpg absent", "2023/b.jpg absent"}, missing(t, repo, "album"))
		must(t, repo, "doc", "policy", "album", "everything")
		require.Len(t, missing(t, repo, "album"), 3)
		require.Equal(t, "6 entries", strings.TrimSpace(strings.Split(must(t, repo, "doc", "rm", d.ID), ":")[1][:10]))
		require.Empty(t, must(t, repo, "doc", "ls"))
		require.Contains(t, must(t, repo, "gc", "--all"), "kept 0 blocks")
	})
}

func TestABlockThatIsRemovedIsMissing(t *testing.T) {
	hereAndThere(t, func(t *testing.T, repo string) {
		d := importDoc(t, repo, album(t))
		require.Empty(t, missing(t, repo, "album")) // all is known to be complete now
		var leaf string
		for _, line := range decodeLines[entry](t, must(t, repo, "--json", "ls", d.Root+"/2024")) {
			if line.Name == "list.txt" {
				leaf = line.CID
			}
		}
		o := command(t, repo, "block", "rm", leaf)
		require.Equal(t, exitFailed, o.code)
		require.Contains(t, o.err, "remove the document or change its policy")
		must(t, repo, "block", "rm", "--force", leaf)
		require.Equal(t, []string{"2024/list.txt absent"}, missing(t, repo, "album"))
	})
}

func TestTheListComesFromAnotherNodeAndTheDataStaysThere(t *testing.T) {
	holder := start(t, t.TempDir())
	root := add(t, holder.repo, album(t))
	hereAndThere(t, func(t *testing.T, repo string) {
		d := importDoc(t, repo, root, "--name", "album", "--peer", holder.address(), "--only", "prefix:utf8:2024/")
		require.EqualValues(t, 6, d.Entries)
		require.Equal(t, []string{"nothing-except", "prefix:utf8:2024/"}, d.Policy)
		requireMissing(t, repo, "album", "2024/c.jpg partial", "2024/list.txt absent", "2024/may/d.jpg absent")
		require.Contains(t, must(t, repo, "doc", "missing", "album"), "2024/c.jpg: 683.6 KiB, partial, 1 block of ")

		out := filepath.Join(t.TempDir(), "out")
		must(t, repo, "get", root, "-o", out, "--only", "prefix:utf8:2024/", "--except", "exact:utf8:2024/list.txt", "--peer", holder.address())
		requireMissing(t, repo, "album", "2024/list.txt absent")
		requireGot(t, out, ".", "2024", "2024/c.jpg", "2024/may", "2024/may/d.jpg")
		must(t, repo, "gc")
		require.Equal(t, []string{"2024/list.txt absent"}, missing(t, repo, "album"), "what is covered stays, and so does the list")
		must(t, repo, "ls", root+"/2023")
	})
}

func requireGot(t *testing.T, dir string, names ...string) {
	t.Helper()
	got := []string{}
	for name := range contents(t, dir) {
		got = append(got, name)
	}
	require.ElementsMatch(t, names, got)
}

func TestAPartOfADirectoryIsGot(t *testing.T) {
	repo := t.TempDir()
	root := add(t, repo, album(t))
	get := func(name string, flags ...string) string {
		out := filepath.Join(t.TempDir(), name)
		must(t, repo, append([]string{"get", root, "-o", out}, flags...)...)
		return out
	}
	requireGot(t, get("a", "--only", "exact:utf8:notes", "--only", "prefix:utf8:2024/m"), ".", "notes", "2024", "2024/may", "2024/may/d.jpg")
	requireGot(t, get("b", "--except", "prefix:utf8:202"), ".", "notes")
	for says, args := range map[string]string{
		"is right":                    "--only 2024/",
		"souk doc import":             "--only exact:utf8:notes --pin",
		"every key begins with an em": "--except prefix:utf8:",
	} {
		requireUsageError(t, says, repo, append([]string{"get", root}, strings.Fields(args)...)...)
	}
	o := command(t, repo, "get", root, "--only", "exact:utf8:nothing")
	require.Equal(t, exitNotFound, o.code, o.err)
}

func TestWhatIsNoDocumentIsRefusedWithTheReason(t *testing.T) {
	hereAndThere(t, func(t *testing.T, repo string) {
		dir := album(t)
		for _, args := range [][]string{{"ls", "none"}, {"missing", "none"}, {"policy", "none", "everything"}, {"rm", "none"}} {
			o := command(t, repo, append([]string{"doc"}, args...)...)
			require.Equal(t, exitNotFound, o.code, args)
			require.Contains(t, o.err, `there is no document "none"`)
		}
		importDoc(t, repo, dir)
		requireUsageError(t, `policy "some"`, repo, "doc", "policy", "album", "some")
		requireUsageError(t, `filter "2024/": prefix:utf8:TEXT`, repo, "doc", "policy", "album", "nothing-except", "2024/")
		requireUsageError(t, "no directory", repo, "doc", "import", filepath.Join(dir, "notes"))
		requireUsageError(t, "two policies", repo, "doc", "import", dir, "--only", "exact:utf8:a", "--except", "exact:utf8:b")
		requireUsageError(t, "name one", repo, "doc", "ls", "-l")
		requireUsageError(t, "--name", repo, "doc", "import", dir, "--name", "a\nb")
		o := command(t, repo, "doc", "import", "nowhere")
		require.Equal(t, exitFailed, o.code, o.err)
		o = command(t, repo, "doc", "import", add(t, repo, filepath.Join(dir, "notes")))
		require.Equal(t, exitFailed, o.code)
		require.Contains(t, o.err, "not a directory but a file")

		importDoc(t, repo, filepath.Join(dir, "2024"), "--name", "album")
		o = command(t, repo, "doc", "ls", "album")
		require.Contains(t, o.err, "are several documents")
	})
}

func TestDocumentsOfTheRunningNodeAreCompleted(t *testing.T) {
	d := start(t, t.TempDir())
	importDoc(t, d.repo, album(t))
	require.Contains(t, completions(t, d.repo, "doc", "missing", ""), "album")
	require.Contains(t, completions(t, d.repo, "doc", "policy", "album", ""), "nothing-except")
	require.Contains(t, completions(t, d.repo, "doc", "policy", "album", "nothing-except", ""), "prefix:utf8:")
}
