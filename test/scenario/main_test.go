package scenario

import (
	"flag"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/test/internal/exchanges"
	"github.com/souk-p2p/souk/test/internal/tally"
	"github.com/souk-p2p/souk/test/sim"
)

var full = flag.Bool("full", false, "run the scenarios with their full numbers of nodes and blocks")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	souk = exchanges.MakeSouk
	boxo = exchanges.MakeBoxo

	kib = 1 << 10
	mib = 1 << 20
	mbs = 1_000_000
)

// The sides of a scenario. Ours is on one of them at least.
var (
	soukToBoth = []sim.Sides{sim.Both(souk), {Seed: souk, Client: boxo}}
	bothToSouk = []sim.Sides{sim.Both(souk), {Seed: boxo, Client: souk}}
	mixed      = []sim.Sides{sim.Both(souk), {Seed: boxo, Client: souk}, {Seed: souk, Client: boxo}}
)

var lan = sim.Link{RoundTrip: 50 * time.Millisecond, Bandwidth: 100 * mbs}

// play runs a scenario in a world of its own and counts it when it passes.
func play(t *testing.T, scenario func(w *sim.World)) {
	t.Helper()
	tally.Add(t, tally.Scenarios, 1)
	sim.Run(t, scenario)
}

// each plays a scenario once with each of the sides.
func each(t *testing.T, sides []sim.Sides, scenario func(w *sim.World, s sim.Sides)) {
	t.Helper()
	for _, s := range sides {
		t.Run(s.String(), func(t *testing.T) {
			play(t, func(w *sim.World) { scenario(w, s) })
		})
	}
}

// size is the small number, or the large one when full sizes are asked for.
func size(small, large int) int {
	if *full {
		return large
	}
	return small
}
