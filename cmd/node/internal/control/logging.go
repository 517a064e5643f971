package control

import (
	"context"
	"net/http"

	"github.com/souk-p2p/souk/cmd/node/internal/logs"
)

// logLevelRequest is the body of POST /v2/log/levels.
type logLevelRequest struct {
	Subsystem string `json:"subsystem"` // empty for those without a level of their own
	Level     string `json:"level"`
}

func (s *Server) loggingRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v2/log/levels", answers(s, s.node.LogLevels))
	mux.HandleFunc("POST /v2/log/levels", obeys(s, s.setLogLevel))
}

func (s *Server) setLogLevel(ctx context.Context, asked logLevelRequest) error {
	return s.node.SetLogLevel(ctx, asked.Subsystem, asked.Level)
}

// LogLevels implements [node.Logging].
func (c *Client) LogLevels(ctx context.Context) ([]logs.Subsystem, error) {
	return get[[]logs.Subsystem](ctx, c, "/v2/log/levels")
}

// SetLogLevel implements [node.Logging].
func (c *Client) SetLogLevel(ctx context.Context, subsystem, level string) error {
	return c.tell(ctx, "/v2/log/levels", logLevelRequest{Subsystem: subsystem, Level: level})
}
