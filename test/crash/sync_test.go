package crash

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/eventually"
	"github.com/souk-p2p/souk/test/internal/corpus"
)

var resources = flag.Int("resources", 1000, "how many files a node fetches that is killed when it has some of them")

const (
	// resourceSize makes one block of a file.
	resourceSize = 40_000
	// unwritten is what of a download may be lost with the process: the batch of blocks that
	// is being written, and what a peer has sent that has not come to be in one (the limits
	// of blockrouter and engine).
	unwritten = 8<<20 + 4<<20
)

// library is a source at a node that serves it, for others who have a document of it.
type library struct {
	*source
	holder *node
}

func newLibrary(t *testing.T, files int) *library {
	t.Helper()
	l := &library{source: sourceOf(t, *seed, files, resourceSize), holder: served(t, t.TempDir())}
	require.Equal(t, l.root.String(), strings.TrimSpace(run(t, l.holder.repo, "add", "-Q", l.dir)))
	return l
}

// imported returns a repository that has the list and nothing else.
func (l *library) imported(t *testing.T) string {
	t.Helper()
	repo := filepath.Join(t.TempDir(), "repo")
	run(t, repo, "doc", "import", l.root.String(), "--name", "files", "--peer", l.holder.Addr[0])
	return repo
}

// sync are the arguments that fetch what is missing.
func (l *library) sync() []string {
	return []string{"doc", "sync", "files", "--peer", l.holder.Addr[0]}
}

// limit has the node serve so many bytes in a second.
func (l *library) limit(t *testing.T, rate string) {
	t.Helper()
	run(t, l.holder.repo, "config", "set", "upload-rate", rate)
	require.NoError(t, l.holder.cmd.Process.Signal(syscall.SIGHUP))
}

// requireMissing says that the command names what the store lacks, and returns it in bytes.
func (l *library) requireMissing(t *testing.T, repo string) (bytes int64) {
	t.Helper()
	lacks, named := l.missing(t, repo), []string{}
	for line := range strings.Lines(run(t, repo, "--json", "doc", "missing", "files")) {
		var m struct {
			CID string `json:"cid"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		named = append(named, m.CID)
	}
	want := []string{}
	for _, b := range lacks {
		want = append(want, b.Cid().String())
	}
	require.ElementsMatch(t, want, named)
	return corpus.Bytes(lacks)
}

// resume has a document fetched to its end, and says that all of it is here and that no
// more was sent for it than was missing.
func (l *library) resume(t *testing.T, repo string, missing int64) {
	t.Helper()
	before := l.holder.sent(t)
	n := served(t, repo)
	run(t, repo, l.sync()...)
	require.Equal(t, "0 files are missing, 0 B\n", run(t, repo, "doc", "missing", "files"))
	n.kill()
	sent := l.holder.sent(t) - before
	require.GreaterOrEqual(t, sent, missing)
	// On a machine that stands still for a second a block may be asked for twice.
	require.LessOrEqual(t, sent, missing+missing/4, "what is fetched is what is missing")
}

// Documents go on where they stopped when the node that syncs them is killed at any time.
func TestAKilledSyncGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	souk(t)
	l := newLibrary(t, 300)
	first := l.imported(t)
	m := undisturbed(t, func() { run(t, first, l.sync()...) })
	for range share(t, 4) {
		repo := l.imported(t)
		n := served(t, repo)
		p := start(t, repo, l.sync()...)
		n.killAfter(m.next())
		p.kill()
		l.resume(t, repo, l.requireMissing(t, repo))
	}
}

// Of what had come when the node was killed no more is lost than was in flight and not
// yet on the disk. The node that serves it has a rate at which there is time to see that
// some of it is here, and to strike before all of it is.
func TestANodeKilledInTheMiddleOfManyResourcesKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	souk(t)
	const whole = 15 // seconds at the rate
	rng := rand.New(rand.NewPCG(*seed, 6))
	l := newLibrary(t, *resources)
	for range share(t, 1) {
		repo := l.imported(t)
		all := l.requireMissing(t, repo)
		l.limit(t, fmt.Sprint(all/whole)+"B")
		before := l.holder.sent(t)
		n := served(t, repo)
		p := start(t, repo, append(l.sync(), "--progress=json")...)
		eventually.True(t, func() bool { return fetched(t, p) >= *resources*2/5 })
		time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
		n.kill()
		p.kill()

		missing := l.requireMissing(t, repo)
		require.NotZero(t, missing, "it was killed before the end")
		sent := l.holder.sent(t) - before
		lost := sent - (all - missing)
		t.Logf("seed %d: of %d bytes %d were sent, %d of these lost", *seed, all, sent, lost)
		require.LessOrEqual(t, lost, int64(unwritten))
		l.limit(t, "off")
		l.resume(t, repo, missing)
	}
}

var filesHere = regexp.MustCompile(`(\d+) files here`)

// fetched is how many files a command that syncs has said are here.
func fetched(t *testing.T, p *process) int {
	t.Helper()
	all := filesHere.FindAllStringSubmatch(p.errors.String(), -1)
	if len(all) == 0 {
		return 0
	}
	n, err := strconv.Atoi(all[len(all)-1][1])
	require.NoError(t, err)
	return n
}
