package debug

import (
	"context"
	"time"

	"github.com/souk-p2p/souk"
)

// What an actor is called busy from on: it has no time left for a burst, or what
// it is told waits longer than a round trip around the world several times.
const (
	saturated  = 0.9
	longWaited = time.Second
)

// late reports whether what the actor is told has to wait.
func late(a souk.ActorStat) bool { return a.Saturation10s >= saturated || a.Oldest >= longWaited }

// working is the page of the actors.
type working struct {
	Actors []souk.ActorStat `json:"actors"`
	page
}

func (p *pages) actors(_ context.Context, _ *query, of page) (any, error) {
	w := working{p.Actors.Actors(), of}
	if w.Actors == nil {
		w.Actors = []souk.ActorStat{}
	}
	return w, nil
}
