package control

import (
	"context"
	"net/http"

	"github.com/souk-p2p/souk/cmd/node/internal/config"
)

func (s *Server) settingsRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v2/settings", answers(s, s.node.Settings))
}

// Settings implements [node.Configured].
func (c *Client) Settings(ctx context.Context) ([]config.Setting, error) {
	return get[[]config.Setting](ctx, c, "/v2/settings")
}
