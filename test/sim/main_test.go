package sim

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var (
	full = flag.Bool("table", false, "run the table at its full sizes")
	runs = flag.Int("runs", 1, "how often to run each cell of the table; the median is printed")
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// play runs a scenario in a world of its own.
func play(t *testing.T, scenario func(w *World) Figures) Figures {
	t.Helper()
	var f Figures
	Run(t, func(w *World) { f = scenario(w) })
	return f
}
