package crash

import (
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/dag/gc"
	"github.com/souk-p2p/souk/test/eventually"
)

// pinned is a line of souk pin ls --verify.
type pinned struct {
	CID      string `json:"cid"`
	Complete bool   `json:"complete"`
	Blocks   int64  `json:"blocks"`
}

// Garbage is in blocks of this size, so that removing it takes many writes.
const small = "--chunker=size-1024"

// The command alone has what it removed in memory until its end, a node at once on the
// disk.
func TestAKilledCollectionLosesNothingThatIsPinned(t *testing.T) {
	t.Parallel()
	souk(t)
	rng := rand.New(rand.NewPCG(*seed, 3))
	repo, file := filepath.Join(t.TempDir(), "repo"), filepath.Join(t.TempDir(), "file")
	const garbage = 6 << 20
	var kept []string
	partly := 0
	for round := range share(t, 6) {
		writeNoise(t, rng, file, garbage)
		run(t, repo, "add", small, "--pin=false", "-Q", file)
		writeNoise(t, rng, file, garbage/8)
		kept = append(kept, strings.TrimSpace(run(t, repo, "add", small, "-Q", file)))

		var n *node
		if round%2 == 1 {
			n = served(t, repo)
		}
		p := start(t, repo, "--progress=json", "gc")
		eventually.True(t, func() bool { return p.errors.String() != "" || p.over() }, "it has marked")
		time.Sleep(time.Duration(rng.Int64N(int64(30 * time.Millisecond)))) // A little more than removing takes.
		if n != nil {
			n.kill()
		}
		p.kill()
		if left := collect(t, repo, "--dry-run"); left.RemovedBlocks > 0 && left.RemovedBytes < garbage {
			partly++
		}
		requirePinned(t, repo, kept)
	}
	t.Logf("seed %d: %d collections were killed when some of the garbage was gone", *seed, partly)
}

// A node with a quota collects garbage by itself while others store and pin.
func TestANodeKilledWhileItCollectsByItselfLosesNothingThatIsPinned(t *testing.T) {
	t.Parallel()
	souk(t)
	rng := rand.New(rand.NewPCG(*seed, 4))
	for range share(t, 3) {
		n := served(t, t.TempDir(), "--storage-max", "12MiB", "--storage-high", "50%", "--log", "info")
		kept := feed(t, rng, n)
		eventually.True(t, func() bool { return strings.Contains(n.errors.String(), "garbage collected") })
		time.Sleep(time.Duration(rng.Int64N(int64(time.Second / 2))))
		n.kill()

		acknowledged := kept()
		again := served(t, n.repo)
		requirePinned(t, n.repo, acknowledged)
		again.kill()
	}
}

// feed adds files to a node until it has ended: some that are garbage at once, and some
// that stay, of which the returned function tells when all is over.
func feed(t *testing.T, rng *rand.Rand, n *node) (kept func() []string) {
	t.Helper()
	dir := t.TempDir()
	var garbage, files []string
	for i := range 16 {
		garbage = append(garbage, filepath.Join(dir, "garbage "+strconv.Itoa(i)))
		writeNoise(t, rng, garbage[i], 2<<20)
		files = append(files, filepath.Join(dir, "file "+strconv.Itoa(i)))
		writeNoise(t, rng, files[i], 64<<10)
	}
	var cids []string
	var work sync.WaitGroup
	work.Go(func() {
		for i := 0; !n.over(); i++ { // Garbage of before is stored again when it is its turn again.
			_ = exec.Command(souk(t), "--repo", n.repo, "add", small, "--pin=false", garbage[i%len(garbage)]).Run()
		}
	})
	work.Go(func() {
		for i := 0; i < len(files) && !n.over(); i++ {
			out, err := exec.Command(souk(t), "--repo", n.repo, "add", small, "-Q", files[i]).Output()
			if err == nil {
				cids = append(cids, strings.TrimSpace(string(out)))
			}
		}
	})
	return func() []string {
		work.Wait()
		return cids
	}
}

// over reports whether the process has ended.
func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// requirePinned says that these are pinned, that all pins are whole, that no block is
// broken, and that a collection leaves what is pinned and nothing else.
func requirePinned(t *testing.T, repo string, kept []string) {
	t.Helper()
	var blocks int64
	all := make(map[string]bool)
	for line := range strings.Lines(run(t, repo, "--json", "pin", "ls", "--verify")) {
		var p pinned
		require.NoError(t, json.Unmarshal([]byte(line), &p))
		require.True(t, p.Complete, line)
		all[p.CID] = true
		blocks += p.Blocks
	}
	for _, cid := range kept {
		require.Contains(t, all, cid, "it was acknowledged")
	}
	run(t, repo, "verify")
	require.Equal(t, blocks, collect(t, repo).KeptBlocks)
}

func collect(t *testing.T, repo string, args ...string) (r gc.Result) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(run(t, repo, append([]string{"--json", "gc"}, args...)...)), &r))
	return r
}
