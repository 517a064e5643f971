package download

import (
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/internal/actor"
)

// mostEvents is how many events wait for a listener.
const mostEvents = 4096

// bounded leaves out of events what is too much: of each resource all progress but the
// last, and then the oldest, whose number it returns.
func bounded(all []Event) (kept []Event, lost int) {
	if len(all) <= mostEvents {
		return all, 0
	}
	later := make(map[cid.Cid]bool)
	for i := len(all) - 1; i >= 0; i-- {
		if e := &all[i]; e.Kind == Progress {
			if later[e.CID] {
				e.Kind = 0
			}
			later[e.CID] = true
		}
	}
	all = slices.DeleteFunc(all, func(e Event) bool { return e.Kind == 0 })
	lost = max(0, len(all)-mostEvents)
	return all[lost:], lost
}

// deliver gives events to the listener until there are no more.
func (d *Downloads) deliver() {
	for events := range d.told.C() {
		for _, e := range events {
			_ = actor.Guard("download", d.cfg.Panicked, func() error {
				d.cfg.Listener.hear(e)
				return nil
			})
		}
	}
}
