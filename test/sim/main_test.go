package sim

import (
	"flag"
	"testing"
	"testing/synctest"

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
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t)
		defer w.End()
		f = scenario(w)
	})
	return f
}
