package crash

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/ledger"
	"github.com/souk-p2p/souk/test/eventually"
	"github.com/souk-p2p/souk/test/internal/corpus"
)

func TestKilledGetGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	souk(t)
	src, holder := newSource(t, 0), served(t, t.TempDir())
	require.Equal(t, src.root.String(), strings.TrimSpace(run(t, holder.repo, "add", "--quiet", src.dir)))
	get := func(output string) []string {
		return []string{"get", src.root.String(), "--output", output, "--peer", holder.Addr[0], "--overwrite"}
	}

	when := undisturbed(t, func() {
		dir := t.TempDir()
		run(t, filepath.Join(dir, "repo"), get(filepath.Join(dir, "out"))...)
	})
	for range share(t, 16) {
		dir := t.TempDir()
		repo, output := filepath.Join(dir, "repo"), filepath.Join(dir, "to", "out")
		require.NoError(t, os.Mkdir(filepath.Dir(output), 0o755))
		p := start(t, repo, get(output)...)
		p.killAfter(when.next())
		if _, err := os.Stat(output); err == nil {
			requireGot(t, src, output)
		}
		missing := corpus.Bytes(src.missing(t, repo))

		before := holder.sent(t)
		run(t, repo, get(output)...)
		requireGot(t, src, output)
		sent := holder.sent(t) - before
		require.GreaterOrEqual(t, sent, missing)
		// On a machine that stands still for a second a block may be asked for twice.
		require.LessOrEqual(t, sent, missing+missing/4, "what is fetched is what is missing")
		left, err := os.ReadDir(filepath.Dir(output))
		require.NoError(t, err)
		require.Len(t, left, 1, "temporaries are cleared away")
	}
}

// requireGot says that output is the whole of the source.
func requireGot(t *testing.T, src *source, output string) {
	t.Helper()
	root, _ := added(t, output)
	require.Equal(t, src.root, root)
}

// sent returns how many bytes of blocks the node has sent, once nobody is
// connected to it.
func (n *node) sent(t *testing.T) int64 {
	t.Helper()
	var sent int64
	eventually.True(t, func() bool {
		connected := false
		sent = 0
		for _, line := range strings.Fields(run(t, n.repo, "--json", "ledger")) {
			var r ledger.Receipt
			require.NoError(t, json.Unmarshal([]byte(line), &r))
			sent += int64(r.BytesSent)
			connected = connected || r.Connected
		}
		return !connected
	})
	return sent
}
