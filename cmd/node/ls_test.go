package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLsNamesTheEntries(t *testing.T) {
	dir := t.TempDir()
	root := add(t, dir, tree(t))
	require.Equal(t, []string{"deep", "empty", "hello.txt", "link", "späce and tabs"}, lines(must(t, dir, "ls", root)))

	var types []string
	for _, line := range lines(must(t, dir, "--json", "ls", root)) {
		var e entry
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		types = append(types, e.Type)
	}
	require.Equal(t, []string{"directory", "file", "file", "symlink", "file"}, types)
	require.Regexp(t, `(?m)^bafkrei\w+ file +13 hello\.txt$`, must(t, dir, "ls", "-l", root))
}

func TestNamesCannotWriteToTheTerminal(t *testing.T) {
	dir, files := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(files, "\x1b[2Jname\n"), nil, 0o644))
	require.Equal(t, `"\x1b[2Jname\n"`+"\n", must(t, dir, "ls", add(t, dir, files)))
}
