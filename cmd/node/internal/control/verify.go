package control

import (
	"context"
	"errors"
	"net/http"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// verified is a value of the answer to POST /v2/verifications: a broken block, or at the
// end the result.
type verified struct {
	Broken *node.BrokenBlock  `json:"broken,omitempty"`
	Result *node.VerifyResult `json:"result,omitempty"`
}

// Verify implements [node.Keeper].
func (c *Client) Verify(ctx context.Context, r node.VerifyRequest, progress func(node.VerifyProgress), broken func(node.BrokenBlock)) (done node.VerifyResult, err error) {
	resp, err := c.postJSON(ctx, "/v2/verifications", r)
	if err != nil {
		return done, err
	}
	err = errors.New("the running node has not said what it found")
	for v, failed := range readLines[node.VerifyProgress, verified](ctx, resp, progress) {
		switch {
		case failed != nil:
			return done, failed
		case v.Broken != nil && broken != nil:
			broken(*v.Broken)
		case v.Result != nil:
			done, err = *v.Result, nil
		}
	}
	return done, err
}

func (s *Server) verify(w http.ResponseWriter, r *http.Request) error {
	asked, err := request[node.VerifyRequest](w, r)
	if err != nil {
		return err
	}
	l := lines[node.VerifyProgress, verified]{w: w}
	done, err := s.node.Verify(r.Context(), asked, l.progress, func(b node.BrokenBlock) {
		l.value(verified{Broken: &b}) // who does not read it has left
	})
	if err == nil {
		err = l.value(verified{Result: &done})
	}
	return l.end(err)
}
