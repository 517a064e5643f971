//go:build simulation

package discovery

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/tally"
)

var (
	table    = flag.Bool("table", false, "play every size and print the table")
	sizes    = flag.String("n", "5000,100000,1000000", "peers, by commas, in the table")
	trackers = flag.String("trackers", "3,16,64", "trackers for each of these")
	k        = flag.Int("k", 8, "candidates that a fetch asks for")
	fetching = flag.Int("fetches", 2000, "fetches in a run")
	seed     = flag.Uint64("seed", 1, "what decides everything")
	liars    = flag.Float64("liars", 0.1, "part of the trackers that lies, in the runs with bad ones")
	deaths   = flag.Float64("deaths", 0.1, "part of the trackers that ends, likewise")
	restarts = flag.Float64("restarts", 0.1, "part of the trackers that restarts with nothing, likewise")
	traced   = flag.Int("trace", 0, "tell of this fetch, from 1 on")
	known    = flag.Int("connected", 1000, "peers that a node is connected to when it begins to fetch")
)

// small is the size that is played with every change.
func small() Setup {
	return Setup{Seed: *seed, Peers: 5000, Trackers: 3, K: *k, Fetches: 1000, Connected: *known, Signed: true, Announcers: true, Traced: *traced}
}

// light is the same without what takes long and makes no difference.
func light() Setup {
	s := small()
	s.Signed, s.Announcers = false, false
	return s
}

// flooded is the same with the flood on, for fewer fetches because each costs as
// many requests as there are peers. Above mostFlooded only some of them are asked.
func flooded(s Setup) Setup {
	s.Flood, s.Fetches, s.Sampled = true, 10, max(1, s.Peers/mostFlooded)
	return s
}

const mostFlooded = 5000

// troubled is the same with trackers that lie, end, and restart with nothing. Of a
// few trackers one lies and one restarts: two of them have to be good.
func troubled(s Setup) Setup {
	s.Liars, s.Deaths, s.Restarts = *liars, *deaths, *restarts
	if s.Trackers < 10 {
		s.Liars, s.Deaths, s.Restarts = 1/float64(s.Trackers), 0, 1/float64(s.Trackers)
	}
	return s
}

func play(t *testing.T, s Setup) (o *Outcome) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		o, err = New(s).Run()
		require.NoError(t, err)
	})
	tally.Add(t, tally.Scenarios, 1)
	return o
}

// A fetch costs requests in proportion to K, however many peers there are, and
// finds what somebody has.
func TestAFetchAsksAFew(t *testing.T) {
	o := play(t, small())
	t.Logf("\n%s", Table(o))
	require.NoError(t, o.Check())
}

// The same with the flood on breaks the same bounds: they do not hold because of
// how the network is made.
func TestAFloodAsksEverybody(t *testing.T) {
	o := play(t, flooded(light()))
	t.Logf("\n%s", Table(o))
	require.ErrorContains(t, o.Check(), "requests a fetch")
	require.ErrorContains(t, o.Check(), "requests for one fetch")
	require.Greater(t, o.requests().mean(), 0.7*float64(o.Peers), "who is up is asked")
}

// Trackers that lie, and that restart with nothing, cost requests and no fetch.
func TestBadTrackersStopNoFetch(t *testing.T) {
	o := play(t, troubled(light()))
	t.Logf("\n%s", Table(o))
	require.NoError(t, o.Check())
}

// Equal seeds play equal runs.
func TestEqualSeedsHaveEqualOutcomes(t *testing.T) {
	s := troubled(light())
	s.Peers, s.Fetches = 1000, 100
	require.Equal(t, play(t, s), play(t, s))
}

// TestTable plays every size and prints a line for each run when it is over.
func TestTable(t *testing.T) {
	if !*table {
		return
	}
	fmt.Fprint(os.Stdout, Legend, "\n", Head())
	var wrong []string
	var means figures // of the runs in which nothing is wrong
	for i, n := range numbers(t, *sizes) {
		all := numbers(t, *trackers)
		s := Setup{Seed: *seed, Peers: n, Trackers: all[min(i, len(all)-1)], K: *k, Fetches: *fetching, Connected: *known, Signed: n <= 5000, Announcers: n <= 5000, Traced: *traced}
		for _, s := range []Setup{s, troubled(s), flooded(s)} {
			began := time.Now()
			o := play(t, s)
			fmt.Fprintf(os.Stdout, "%s  (%s, %d MiB)\n", o.Line(), time.Since(began).Round(time.Second), heap())
			if err := o.Check(); err != nil && !s.Flood {
				wrong = append(wrong, err.Error())
			} else if s.Flood {
				require.Error(t, err)
			}
			if !s.Flood && !s.bad() {
				means = append(means, o.requests().mean())
			}
		}
	}
	require.Empty(t, wrong)
	require.LessOrEqual(t, slices.Max(means), flat*slices.Min(means), "however many peers there are")
}

// flat is how much the mean of the requests may differ between two sizes: there are
// more trackers where there are more peers, and fewer peers are known by chance.
const flat = 1.25

func numbers(t *testing.T, list string) (all []int) {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		all = append(all, n)
	}
	return all
}

// heap is the memory that the last run took from the system, in MiB, which it
// gives back.
func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	debug.FreeOSMemory()
	return m.Sys >> 20
}
