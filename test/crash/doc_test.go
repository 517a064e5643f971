package crash

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// listed is a line of souk doc ls.
type listed struct {
	Name    string `json:"name"`
	Entries int    `json:"entries"`
}

// documents are those of a repository.
func documents(t *testing.T, repo string) (all []listed) {
	t.Helper()
	for line := range strings.Lines(run(t, repo, "--json", "doc", "ls")) {
		var d listed
		require.NoError(t, json.Unmarshal([]byte(line), &d))
		all = append(all, d)
	}
	return all
}

// manyFiles writes files of which there is one block, and returns their directory.
func manyFiles(t *testing.T, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "files")
	for i := range n {
		path := filepath.Join(dir, fmt.Sprintf("%02d", i%40), fmt.Sprintf("a file with a name that is not short %06d", i))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte("same"), 0o644))
	}
	return dir
}

// A document is there whole or not at all when the process that imports it, be it the
// command or the node, is killed at any time, and the repository is fit for the next.
func TestAKilledImportLeavesADocumentOrNone(t *testing.T) {
	t.Parallel()
	souk(t)
	const files = 2_000
	repo, dir := filepath.Join(t.TempDir(), "repo"), manyFiles(t, files)
	root := strings.TrimSpace(run(t, repo, "add", "-Q", dir))
	m := undisturbed(t, func() { run(t, repo, "doc", "import", root, "--name", "first") })
	run(t, repo, "doc", "rm", "first")
	whole := 0
	for round := range share(t, 6) {
		name := fmt.Sprintf("document %d", round)
		var n *node
		if round%2 == 1 {
			n = served(t, repo)
		}
		p := start(t, repo, "doc", "import", root, "--name", name)
		if n != nil {
			n.killAfter(m.next())
		}
		p.killAfter(m.next())

		for _, d := range documents(t, repo) {
			require.Equal(t, files, d.Entries, "%s", d.Name)
			whole++
		}
		run(t, repo, "doc", "import", root, "--name", name)
		require.Equal(t, []listed{{name, files}}, documents(t, repo))
		require.Equal(t, files, strings.Count(run(t, repo, "doc", "ls", name), "\n"))
		require.Equal(t, "0 files are missing, 0 B\n", run(t, repo, "doc", "missing", name))
		run(t, repo, "doc", "rm", name)
		require.Empty(t, documents(t, repo))
	}
	t.Logf("seed %d: %d imports were over", *seed, whole)
}
