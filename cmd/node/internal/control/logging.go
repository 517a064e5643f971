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
	mux.HandleFunc("GET /v2/log/levels", s.call(s.getLogLevels))
	mux.HandleFunc("POST /v2/log/levels", s.call(s.setLogLevel))
}

func (s *Server) getLogLevels(w http.ResponseWriter, r *http.Request) error {
	levels, err := s.node.LogLevels(r.Context())
	if err != nil {
		return err
	}
	reply(w, levels)
	return nil
}

func (s *Server) setLogLevel(w http.ResponseWriter, r *http.Request) error {
	var asked logLevelRequest
	if err := request(w, r, &asked); err != nil {
		return err
	}
	if err := s.node.SetLogLevel(r.Context(), asked.Subsystem, asked.Level); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// LogLevels implements [node.Logging].
func (c *Client) LogLevels(ctx context.Context) (levels []logs.Subsystem, err error) {
	err = c.get(ctx, "/v2/log/levels", &levels)
	return levels, err
}

// SetLogLevel implements [node.Logging].
func (c *Client) SetLogLevel(ctx context.Context, subsystem, level string) error {
	resp, err := c.postJSON(ctx, "/v2/log/levels", logLevelRequest{Subsystem: subsystem, Level: level})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
