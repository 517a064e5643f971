package crash

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/mount"
	dssync "github.com/ipfs/go-datastore/sync"
	flatfs "github.com/ipfs/go-ds-flatfs"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/pebbledb"
	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/test/internal/tally"
)

var (
	kills = flag.Int("kills", 100, "how many processes are killed")
	seed  = flag.Uint64("seed", uint64(time.Now().UnixNano()), "what the moments of kills follow from")
)

// generation is how many kills one repository has to stand.
const generation = 10

// moments are spread over the time that something takes, from before its
// beginning to after its end.
type moments struct {
	rng   *rand.Rand
	whole time.Duration
	taken int
}

func (m *moments) next() time.Duration {
	m.taken++
	switch m.taken {
	case 1:
		return 0
	case 2:
		return m.whole * 3 / 2
	default:
		return time.Duration(m.rng.Int64N(int64(m.whole * 11 / 10)))
	}
}

// undisturbed takes the time of something and returns moments in it.
func undisturbed(t *testing.T, do func()) *moments {
	t.Helper()
	begun := time.Now()
	do()
	m := &moments{rng: rand.New(rand.NewPCG(*seed, 0)), whole: time.Since(begun)}
	t.Logf("seed %d, of %v", *seed, m.whole)
	return m
}

// share is a number of kills out of a hundred.
func share(t *testing.T, percent int) int {
	n := max(1, *kills*percent/100)
	tally.Add(t, tally.Kills, n)
	return n
}

// stores are the datastores that a writer writes to.
var stores = map[string]func(dir string) (datastore.Batching, error){
	"pebble":               func(dir string) (datastore.Batching, error) { return pebbledb.Open(dir) },
	"pebble without a log": func(dir string) (datastore.Batching, error) { return pebbledb.OpenUnlogged(dir) },
	"flatfs": func(dir string) (datastore.Batching, error) {
		d, err := flatfs.CreateOrOpen(dir, flatfs.NextToLast(2), false)
		if err != nil {
			return nil, err
		}
		return mount.New([]mount.Mount{{Prefix: datastore.NewKey("/blocks"), Datastore: d}}), nil
	},
	"memory": func(string) (datastore.Batching, error) {
		return dssync.MutexWrap(datastore.NewMapDatastore()), nil
	},
}

// write is the whole of the program that is killed while it writes.
func write(ctx context.Context, kind, dir, seed string) error {
	n, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		return err
	}
	d, err := stores[kind](dir)
	if err != nil {
		return err
	}
	w := Workload{Seed: n, Writers: 2, Ops: 30}
	return w.Run(ctx, blockstore.New(d), NewHistory(os.Stdout))
}

// startWriter starts the program that writes.
func startWriter(t *testing.T, kind, dir string, seed int) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), writesTo+"="+dir, writesWith+"="+kind, fmt.Sprintf("%s=%d", writesSeed, seed),
		"GORACE=atexit_sleep_ms=0") // A race detector lingers for a second else.
	return launch(t, cmd)
}

func TestKilledWriterLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	for kind, percent := range map[string]int{"pebble": 20, "pebble without a log": 10, "flatfs": 20} {
		t.Run(kind, func(t *testing.T) {
			when := undisturbed(t, func() { require.NoError(t, startWriter(t, kind, t.TempDir(), 0).wait()) })
			var dir string
			var h *History
			for i := range share(t, percent) {
				if i%generation == 0 {
					dir, h = t.TempDir(), NewHistory(nil)
				}
				p := startWriter(t, kind, dir, i)
				p.killAfter(when.next())
				require.NoError(t, h.Replay([]byte(p.out.String())))
				requireWhole(t, h, kind, dir)
			}
		})
	}
}

// requireWhole says that a store can be opened and that nothing is wrong with
// it.
func requireWhole(t *testing.T, h *History, kind, dir string) {
	t.Helper()
	d, err := stores[kind](dir)
	require.NoError(t, err)
	require.NoError(t, h.Check(t.Context(), d))
	require.NoError(t, d.Close())
}

// The proof that the test above can find a loss: this store has written nothing
// when it answers, nor when its process ends.
func TestEndOfAProcessFindsWritesThatAreInMemoryAlone(t *testing.T) {
	t.Parallel()
	dir, h := t.TempDir(), NewHistory(nil)
	p := startWriter(t, "memory", dir, 1)
	require.NoError(t, p.wait())
	require.NoError(t, h.Replay([]byte(p.out.String())))
	d, err := stores["pebble"](dir)
	require.NoError(t, err)
	require.ErrorContains(t, h.Check(t.Context(), d), "acknowledged block is lost")
	require.NoError(t, d.Close())
	tally.Add(t, tally.PlantedFaults, 1)
}

func TestKilledAddLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	souk(t)
	when := undisturbed(t, func() { run(t, t.TempDir(), addAll(newSource(t, 0))...) })
	var repo string
	var h *History
	for i := range share(t, 12) {
		if i%generation == 0 {
			repo, h = filepath.Join(t.TempDir(), "repo"), NewHistory(nil)
		}
		src := newSource(t, uint64(i+1))
		src.putting(t, h)
		p := start(t, repo, addAll(src)...)
		p.killAfter(when.next())
		src.acknowledged(t, h, p.lines())
		requireRepository(t, h, repo)

		again := start(t, repo, addAll(src)...)
		require.NoError(t, again.wait(), again.errors)
		require.Len(t, again.lines(), len(src.files))
		src.acknowledged(t, h, again.lines())
	}
	requireRepository(t, h, repo)
}

func TestKilledNodeLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	souk(t)
	// The whole begins before the node is there to be asked.
	feed := func(n *node, src *source) *process {
		if !n.ready(t) {
			return nil
		}
		return start(t, n.repo, addAll(src)...)
	}
	when := undisturbed(t, func() {
		n := serve(t, t.TempDir())
		require.NoError(t, feed(n, newSource(t, 0)).wait())
		n.kill()
	})
	var repo string
	var h *History
	for i := range share(t, 12) {
		if i%generation == 0 {
			repo, h = filepath.Join(t.TempDir(), "repo"), NewHistory(nil)
		}
		src := newSource(t, uint64(i+1))
		src.putting(t, h)
		n := serve(t, repo)
		killed := time.AfterFunc(when.next(), func() { _ = n.cmd.Process.Kill() })
		client := feed(n, src)
		if client != nil {
			require.NotErrorIs(t, client.wait(), errHangs)
			src.acknowledged(t, h, client.lines())
		}
		<-n.ended
		killed.Stop()
		requireRepository(t, h, repo)

		again := start(t, repo, addAll(src)...)
		require.NoError(t, again.wait(), again.errors)
		src.acknowledged(t, h, again.lines())
	}
	requireRepository(t, h, repo)
}

func addAll(s *source) []string { return append([]string{"add", "--quiet"}, s.files...) }

// requireRepository says that nothing holds the repository and that its blocks
// are whole.
func requireRepository(t *testing.T, h *History, repo string) {
	t.Helper()
	blocks := filepath.Join(repo, "blocks")
	if _, err := os.Stat(blocks); os.IsNotExist(err) {
		require.Empty(t, h.safe)
		return
	}
	requireWhole(t, h, "pebble", blocks)
}
