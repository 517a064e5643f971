package control

import (
	"context"
	"net/http"

	"github.com/souk-p2p/souk/health"
)

// Health is the answer to GET /v2/health.
type Health struct {
	Live  []health.Check `json:"live"`
	Ready []health.Check `json:"ready"`
}

func (s *Server) healthRoutes(mux *http.ServeMux) {
	if src, ok := s.node.(health.Source); ok { // One that runs is.
		mux.HandleFunc("GET /v2/health", func(w http.ResponseWriter, r *http.Request) {
			reply(w, Health{Live: src.Live(r.Context()), Ready: src.Ready(r.Context())})
		})
	}
}

// Health asks the node how it is.
func (c *Client) Health(ctx context.Context) (Health, error) {
	return get[Health](ctx, c, "/v2/health")
}
