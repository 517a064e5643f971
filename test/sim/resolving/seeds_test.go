//go:build simulation

package resolving

import (
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/internal/planted"
	"github.com/souk-p2p/souk/resolver"
	"github.com/souk-p2p/souk/test/internal/replay"
	"github.com/souk-p2p/souk/test/internal/tally"
)

var (
	seeds = flag.Int("seeds", 100, "how many runs to play")
	seed  = flag.Int64("seed", -1, "play this run alone")
	show  = flag.Bool("trace", false, "print what happens in the run that -seed names")
)

// play plays one run and returns its trace, how many keys were had, and its first
// failure.
func play(t *testing.T, seed uint64, out io.Writer) (tr *replay.Trace, done int, err error) {
	tr = &replay.Trace{Out: out}
	w, err := New(seed, tr)
	require.NoError(t, err)
	err = w.Play()
	return tr, w.done, err
}

// Whatever happens: at most one request for a key is outstanding, two when one is late;
// nobody but targets is asked where there are some, and no blocked peer; what is had is
// verified; what is undelivered is bounded; and when the faults stop every fetch ends,
// or has targets that are all blocked.
func TestSeeds(t *testing.T) {
	if *seed >= 0 {
		var out io.Writer
		if *show {
			out = os.Stdout
		}
		_, _, err := play(t, uint64(*seed), out)
		require.NoError(t, err)
		return
	}
	const batch = 25
	for first := 0; first < *seeds; first += batch {
		t.Run(fmt.Sprint("from ", first), func(t *testing.T) {
			t.Parallel()
			last := min(first+batch, *seeds)
			steps, had := 0, 0
			for s := first; s < last; s++ {
				tr, done, err := play(t, uint64(s), nil)
				require.NoError(t, err, "seed %d; to see what happens:\n\t"+
					"go test -tags simulation ./test/sim/resolving -run Seeds -args -seed %d -trace", s, s)
				steps += tr.Steps
				had += done
			}
			require.Greater(t, had, last-first, "values that were verified")
			tally.Add(t, tally.Seeds, last-first)
			tally.Add(t, tally.Steps, steps)
		})
	}
}

// Equal seeds play equal runs, or a failure could not be looked at again.
func TestEqualSeedsHaveEqualTraces(t *testing.T) {
	for s := range uint64(10) {
		first, _, err := play(t, s, nil)
		require.NoError(t, err)
		again, _, err := play(t, s, nil)
		require.NoError(t, err)
		require.Equal(t, *first, *again, "seed %d", s)
	}
}

// The runs have everything in them that can happen: each of the counters has counted.
func TestTheSeedsHaveEverythingInThem(t *testing.T) {
	sum := reflect.ValueOf(new(resolver.Counts)).Elem()
	for s := range uint64(40) {
		w, err := New(s, &replay.Trace{})
		require.NoError(t, err)
		require.NoError(t, w.Play())
		counts := reflect.ValueOf(w.Counts())
		for i := range sum.NumField() {
			sum.Field(i).SetUint(sum.Field(i).Uint() + counts.Field(i).Uint())
		}
	}
	for i := range sum.NumField() {
		require.NotZero(t, sum.Field(i).Uint(), sum.Type().Field(i).Name)
	}
	t.Logf("%+v", sum.Interface())
}

// Each of the mistakes that are planted is found: a simulation that finds nothing
// could be one that looks at nothing.
func TestPlantedFaultsAreFound(t *testing.T) {
	for _, f := range planted.Resolver {
		t.Run(string(f), func(t *testing.T) {
			s, err := planted.Find(f, *seeds, func(seed uint64) error {
				_, _, err := play(t, seed, nil)
				return err
			})
			tally.Found(t, *seeds, s, err)
		})
	}
}
