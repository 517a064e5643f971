package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachShellGetsAScript(t *testing.T) {
	for _, shell := range shells {
		require.Contains(t, must(t, t.TempDir(), "completion", shell), "souk", shell)
	}
	requireUsageError(t, "csh", t.TempDir(), "completion", "csh")
}

// completions are what the shell is offered for a command line.
func completions(t *testing.T, repo string, args ...string) []string {
	t.Helper()
	var words []string
	for _, line := range lines(must(t, repo, append([]string{"__complete"}, args...)...)) {
		word, _, _ := strings.Cut(line, "\t")
		words = append(words, word)
	}
	return words
}

func TestWordsAreCompleted(t *testing.T) {
	repo := t.TempDir()
	require.Contains(t, completions(t, repo, "config", "set", "tr"), "tracker-memory")
	require.NotContains(t, completions(t, repo, "config", "set", "log", "l"), "log")
	require.Contains(t, completions(t, repo, "log", "level", "net"), "network")
	require.Contains(t, completions(t, repo, "log", "level", "network", "d"), "debug")
	require.Contains(t, completions(t, repo, "run", "--tracker-"), "--tracker-memory")
	require.Contains(t, completions(t, repo, "completion", "z"), "zsh")
	require.Equal(t, []string{":4"}, completions(t, repo, "ledger", ""), "without a node")
}

func TestPeersOfTheRunningNodeAreCompleted(t *testing.T) {
	holder, reader := t.TempDir(), t.TempDir()
	source := start(t, holder)
	root := add(t, holder, tree(t))
	start(t, reader)
	must(t, reader, "cat", root+"/hello.txt", "--peer", source.address())
	require.Contains(t, completions(t, reader, "ledger", "12D3"), source.ID.String())
}

func TestTheManualHasAPageForEachCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man", "man1")
	t.Setenv("SOURCE_DATE_EPOCH", "0")
	require.Contains(t, must(t, t.TempDir(), "man", dir), "to "+dir)
	for _, name := range []string{"souk.1", "souk-run.1", "souk-config-set.1", "souk-log-level.1"} {
		page, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Contains(t, string(page), `.TH "SOUK`)
		require.Contains(t, string(page), "1970")
	}
	page, err := os.ReadFile(filepath.Join(dir, "souk-run.1"))
	require.NoError(t, err)
	require.Contains(t, string(page), "tracker-memory")
}
