package hostile

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/test/sim"
)

// virtual is a place in virtual time. Its hosts have no resource manager: what
// bounds a peer here is ours.
type virtual struct {
	world *sim.World
	link  sim.Link
	first *sim.Node // at the address that the others share
}

var link = sim.Link{RoundTrip: 20 * time.Millisecond, Bandwidth: 1_000_000_000}

func (v *virtual) newHost(_ *testing.T, apart bool) host.Host {
	switch {
	case apart:
		return v.world.Host(v.link).Host
	case v.first == nil:
		v.first = v.world.Host(v.link)
		return v.first.Host
	}
	return v.world.Beside(v.first, v.link.Bandwidth).Host
}

func (v *virtual) pace() time.Duration { return 10 * time.Millisecond }

// inVirtualTime runs a test in an arena in virtual time.
func inVirtualTime(t *testing.T, run func(a *arena), opts ...souk.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := sim.NewWorld(t)
		defer w.End()
		a := newArena(t, &virtual{world: w, link: link}, opts...)
		defer a.close()
		run(a)
	})
}
