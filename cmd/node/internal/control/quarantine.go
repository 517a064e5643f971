package control

import (
	"context"
	"iter"
	"net/http"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// quarantineRoutes are the calls about broken blocks that were put aside.
func (s *Server) quarantineRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v2/quarantine", s.call(s.getQuarantine))
	mux.HandleFunc("DELETE /v2/quarantine/{cid}", s.call(s.discard))
}

// Quarantined implements [node.Quarantine].
func (c *Client) Quarantined(ctx context.Context) iter.Seq2[node.QuarantinedBlock, error] {
	return all[node.QuarantinedBlock](ctx, c, "/v2/quarantine")
}

// Discard implements [node.Quarantine].
func (c *Client) Discard(ctx context.Context, of cid.Cid) (b node.QuarantinedBlock, err error) {
	resp, err := c.remove(ctx, "/v2/quarantine/"+of.String())
	if err != nil {
		return b, err
	}
	return readOnce[struct{}, node.QuarantinedBlock](ctx, resp, nil)
}

func (s *Server) getQuarantine(w http.ResponseWriter, r *http.Request) error {
	return answerAll(w, s.node.Quarantined(r.Context()))
}

func (s *Server) discard(w http.ResponseWriter, r *http.Request) error {
	c, err := parseCID(r.PathValue("cid"))
	if err != nil {
		return err
	}
	return answerOnce(w, func(func(struct{})) (node.QuarantinedBlock, error) { return s.node.Discard(r.Context(), c) })
}
