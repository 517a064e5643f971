// Package tally counts what the tests have proved, for the table that `make
// proof` prints. A count is kept only when its test passes, so that the table
// cannot say more than what was seen.
package tally

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// File is the environment variable that names the file which counts are
// appended to. Without it nothing is counted.
const File = "SOUK_TALLY"

// What is a row of the table.
type What string

// The rows, in the order of the table.
const (
	Scenarios     What = "scenarios"
	BadInputs     What = "bad inputs"
	Seeds         What = "simulation seeds"
	Steps         What = "simulation steps"
	PlantedFaults What = "planted faults found"
	CrashPoints   What = "crash points of the store"
	Kills         What = "processes killed"
	StoreFaults   What = "store faults"
	Shutdowns     What = "shutdowns under load"
	Permutations  What = "event permutations"
	Fuzz          What = "fuzz executions"
)

// Rows lists all of them.
var Rows = []What{
	Scenarios, BadInputs, Seeds, Steps, PlantedFaults, CrashPoints, Kills, StoreFaults, Shutdowns, Permutations, Fuzz,
}

// Add counts n once t has passed.
func Add(t testing.TB, what What, n int) {
	t.Helper()
	path := os.Getenv(File)
	if path == "" {
		return
	}
	t.Cleanup(func() {
		if t.Failed() || t.Skipped() {
			return
		}
		if err := write(path, what, n); err != nil {
			t.Errorf("count %q: %v", what, err)
		}
	})
}

// Found counts a planted fault that the run with a seed has found: err is how. A nil err
// fails t, because none of the runs has.
func Found(t *testing.T, runs int, seed uint64, err error) {
	t.Helper()
	if err == nil {
		t.Fatalf("%d runs did not find it", runs)
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	t.Logf("seed %d: %s", seed, line)
	Add(t, PlantedFaults, 1)
}

// write appends one line, which the system keeps whole: packages are tested side
// by side.
func write(path string, what What, n int) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(f, "%d %s\n", n, what); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
