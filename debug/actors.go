package debug

import (
	"context"
	"net/http"
	"time"
)

// What an actor is called busy from on: it has no time left for a burst, or what
// it is told waits longer than a round trip around the world several times.
const (
	saturated  = 0.9
	longWaited = time.Second
)

// Late reports whether what the actor is told has to wait.
func (a Actor) Late() bool { return a.Saturation >= saturated || a.Oldest >= longWaited }

// working is the page of the actors.
type working struct {
	Actors []Actor `json:"actors"`
	page
}

func (p *pages) actors(ctx context.Context, q *query, _ *http.Request) (answer, error) {
	if p.Actors == nil {
		return p.silent(q, "actors", "Actors")
	}
	w := working{Actors: p.Actors.Actors(ctx), page: p.page(q, "actors", "Actors")}
	if w.Actors == nil {
		w.Actors = []Actor{}
	}
	return answer{name: "actors.html", html: w, json: w}, nil
}
