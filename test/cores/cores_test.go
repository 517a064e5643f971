//go:build simulation

package cores

import (
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/planted"
	"github.com/souk-p2p/souk/test/internal/replay"
	"github.com/souk-p2p/souk/test/internal/tally"
)

var (
	seeds = flag.Int("seeds", 1000, "how many runs to play")
	seed  = flag.Int64("seed", -1, "play this run alone")
	show  = flag.Bool("trace", false, "print what happens in the run that -seed names")
)

// idle is longer than goroutines of an actor wait for more to do before they end.
const idle = time.Minute

// play plays one run and returns its trace and its first failure.
func play(t *testing.T, seed uint64, out io.Writer) (tr *replay.Trace, err error) {
	tr = &replay.Trace{Out: out}
	synctest.Test(t, func(*testing.T) {
		err = New(seed, tr).Run()
		time.Sleep(idle) // A run that has failed closes nothing.
	})
	return tr, err
}

// again is the command that plays a run again.
func again(seed uint64) string {
	return fmt.Sprintf("go test -tags simulation ./test/cores -run Seeds -args -seed %d -trace", seed)
}

// Whatever happens, no actor's books are ever wrong, nodes agree about what they
// want of each other, and when the faults stop every want ends.
func TestSeeds(t *testing.T) {
	if *seed >= 0 {
		var out io.Writer
		if *show {
			out = os.Stdout
		}
		_, err := play(t, uint64(*seed), out)
		require.NoError(t, err)
		return
	}
	const batch = 50
	for first := 0; first < *seeds; first += batch {
		t.Run(fmt.Sprint("from ", first), func(t *testing.T) {
			t.Parallel()
			last := min(first+batch, *seeds)
			steps := 0
			for s := first; s < last; s++ {
				tr, err := play(t, uint64(s), nil)
				require.NoError(t, err, "seed %d; to see what happens:\n\t%s", s, again(uint64(s)))
				steps += tr.Steps
			}
			tally.Add(t, tally.Seeds, last-first)
			tally.Add(t, tally.Steps, steps)
		})
	}
}

// Equal seeds play equal runs, or a failure could not be looked at again.
func TestEqualSeedsHaveEqualTraces(t *testing.T) {
	for s := range uint64(30) {
		first, err := play(t, s, nil)
		require.NoError(t, err)
		again, err := play(t, s, nil)
		require.NoError(t, err)
		require.Equal(t, *first, *again, "seed %d", s)
	}
}

// Each of the mistakes that are planted is found: a simulation that finds nothing
// could be one that looks at nothing.
func TestPlantedFaultsAreFound(t *testing.T) {
	for _, f := range planted.All {
		t.Run(string(f), func(t *testing.T) {
			s, err := planted.Find(f, *seeds, func(seed uint64) error {
				_, err := play(t, seed, nil)
				return err
			})
			tally.Found(t, *seeds, s, err)
		})
	}
}
