package crash

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var terms = flag.Int("terms", 2, "how many nodes under load get a SIGTERM")

const (
	// endLimit is what a node may take to end: 7 s to drain, 2 s to close, and what
	// a busy machine adds.
	endLimit = 7*time.Second + 2*time.Second + 3*time.Second
	// writers add files all the time, and readers fetch what is there.
	writers, readers = 2, 2
	fileSize         = 256 << 10
)

// acks are the files that a command has said are stored.
type acks struct {
	mu    sync.Mutex
	files map[string]string // path by CID
}

func (a *acks) add(cid, path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.files[cid] = path
}

// A node under load that gets a SIGTERM ends in order and in time, and has what
// commands were told is stored.
func TestATerminatedNodeHasWhatWasAcknowledged(t *testing.T) {
	rng := rand.New(rand.NewPCG(*seed, 2))
	t.Logf("seed %d", *seed)
	repo, dir := t.TempDir(), t.TempDir()
	first := filepath.Join(dir, "first")
	writeNoise(t, rng, first, 8<<20)
	root := strings.TrimSpace(run(t, repo, "add", "-Q", first))
	var longest time.Duration
	stored := 0
	for round := range *terms {
		acked := &acks{files: make(map[string]string)}
		n := served(t, repo)
		load := loaded(t, rng, n, root, acked)
		time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
		begun := time.Now()
		require.NoError(t, n.cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, n.wait(), "%s", n.errors)
		took := time.Since(begun)
		require.Less(t, took, endLimit)
		longest = max(longest, took)
		load()
		t.Logf("round %d: ended in %v with %d acknowledged files", round, took, len(acked.files))
		for cid, path := range acked.files {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(content), run(t, repo, "cat", cid), "%s was acknowledged", cid)
			stored++
		}
	}
	t.Logf("%d nodes were terminated, the slowest took %v, %d acknowledged files are there", *terms, longest, stored)
}

// loaded has files added through a node and fetched from it, until it has ended and
// the returned function is called.
func loaded(t *testing.T, rng *rand.Rand, n *node, root string, acked *acks) (end func()) {
	dir := t.TempDir()
	stop := make(chan struct{})
	var work sync.WaitGroup
	for w := range writers {
		var paths []string
		for i := range 32 {
			path := filepath.Join(dir, fmt.Sprintf("%d-%d", w, i))
			writeNoise(t, rng, path, fileSize)
			paths = append(paths, path)
		}
		work.Go(func() {
			for _, path := range paths {
				select {
				case <-stop:
					return
				case <-n.ended:
					return
				default:
				}
				out, err := exec.Command(souk(t), "--repo", n.repo, "add", "-Q", path).Output()
				if err == nil {
					acked.add(strings.TrimSpace(string(out)), path)
				}
			}
		})
	}
	for r := range readers {
		work.Go(func() {
			at := filepath.Join(dir, fmt.Sprint("reader-", r))
			// It may be cut off: what it gets is no concern here.
			_ = exec.Command(souk(t), "--repo", at, "get", root, "-o", at+"-out", "--peer", n.Addr[0], "--timeout", "5s").Run()
		})
	}
	return func() {
		close(stop)
		work.Wait()
	}
}

func writeNoise(t *testing.T, rng *rand.Rand, path string, size int) {
	t.Helper()
	content := make([]byte, size)
	for i := 0; i+8 <= len(content); i += 8 {
		for j, x := 0, rng.Uint64(); j < 8; j++ {
			content[i+j] = byte(x >> (8 * j))
		}
	}
	require.NoError(t, os.WriteFile(path, content, 0o600))
}
