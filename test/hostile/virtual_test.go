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
	first *sim.Node // at the address that all others share
	hosts int
}

var link = sim.Link{RoundTrip: 20 * time.Millisecond, Bandwidth: 1_000_000_000}

func (v *virtual) newHost(*testing.T) host.Host {
	v.hosts++
	if v.first != nil {
		return v.world.Beside(v.first, v.link.Bandwidth).Host
	}
	n := v.world.Host(v.link)
	if v.hosts > 1 {
		v.first = n
	}
	return n.Host
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
