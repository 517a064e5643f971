package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/download/document"
)

func statusText(t *testing.T, st node.DocumentStatus, running bool) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, describeStatus(&b, st, running))
	return b.String()
}

func TestAStatusSaysWhatBecomesOfWhatIsMissing(t *testing.T) {
	next := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	for says, st := range map[string]node.DocumentStatus{
		": not synced\n": {Missing: 1},
		": synced\n":     {Info: document.Info{Syncing: true}},
		": syncing, 3 under way, 2 failed, tried again at 03:04:05\n": {
			Info: document.Info{Syncing: true}, Missing: 5, Next: next, SyncProgress: node.SyncProgress{Active: 3, Failed: 2},
		},
	} {
		require.Contains(t, statusText(t, st, true), says)
	}
	st := node.DocumentStatus{Info: document.Info{Syncing: true}, Missing: 1}
	st.Error = "the disk has gone"
	require.Contains(t, statusText(t, st, true), "  what is missing cannot be found: the disk has gone\n")
	require.Contains(t, statusText(t, st, false), ": to be synced by the next node that runs\n")
}

// What is under way comes first, with who serves it, and what waits does not fill the
// screen.
func TestAStatusListsWhatIsUnderWayBeforeWhatWaits(t *testing.T) {
	st := node.DocumentStatus{}
	for i := range 100 {
		st.Files = append(st.Files, node.FileStatus{Key: fmt.Append(nil, "w", i), State: "waiting", Size: 10})
	}
	st.Files = append(st.Files,
		node.FileStatus{Key: []byte("a\n"), State: "active", Bytes: 5, Size: 10, Peers: []peer.ID{"p", "q"}},
		node.FileStatus{Key: []byte("f"), State: "failed", Error: "no node\x1b"})
	lines := strings.Split(statusText(t, st, true), "\n")
	require.Equal(t, `  active "a\n", 5 B of 10 B from r, s`, strings.NewReplacer(peer.ID("p").String(), "r", peer.ID("q").String(), "s").Replace(lines[2]))
	require.Equal(t, `  failed f, 0 B of 0 B: "no node\x1b"`, lines[3])
	require.Equal(t, "  waiting w0, 0 B of 10 B", lines[4])
	require.Equal(t, "  waiting: 88 more files (see --json)", lines[4+mostShown])
}
