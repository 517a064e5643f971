package control

import (
	"context"
	"net/http"

	"github.com/souk-p2p/souk/cmd/node/internal/config"
)

func (s *Server) settingsRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v2/settings", s.call(s.getSettings))
}

func (s *Server) getSettings(w http.ResponseWriter, r *http.Request) error {
	all, err := s.node.Settings(r.Context())
	if err != nil {
		return err
	}
	reply(w, all)
	return nil
}

// Settings implements [node.Configured].
func (c *Client) Settings(ctx context.Context) (all []config.Setting, err error) {
	err = c.get(ctx, "/v2/settings", &all)
	return all, err
}
