package control

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// connectRequest is the body of POST /v2/connections.
type connectRequest struct {
	Peer string `json:"peer"` // a multiaddr that ends in /p2p/ID
}

// disconnectRequest is the body of POST /v2/disconnections.
type disconnectRequest struct {
	Peer peer.ID `json:"peer"`
}

// wantsRequest is the body of POST /v2/wants, which answers with a page of them.
type wantsRequest struct {
	Direction node.Direction  `json:"direction"`
	Peer      string          `json:"peer,omitempty"` // of all, without one
	After     souk.WantCursor `json:"after,omitzero"`
	Limit     int             `json:"limit,omitempty"`
}

func (s *Server) insideRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v2/peers", answers(s, s.node.Peers))
	mux.HandleFunc("POST /v2/connections", obeys(s, s.connect))
	mux.HandleFunc("POST /v2/disconnections", obeys(s, s.disconnect))
	mux.HandleFunc("POST /v2/wants", s.call(s.listWants))
	mux.HandleFunc("GET /v2/open-sessions", s.call(s.getSessions))
	mux.HandleFunc("GET /v2/open-sessions/{id}", s.call(s.getSession))
	mux.HandleFunc("GET /v2/stat", answers(s, s.node.Stat))
}

func (s *Server) connect(ctx context.Context, asked connectRequest) error {
	peers, err := parsePeers([]string{asked.Peer})
	if err != nil {
		return badRequest(err)
	}
	return s.node.ConnectTo(ctx, peers[0])
}

func (s *Server) disconnect(ctx context.Context, asked disconnectRequest) error {
	return s.node.Disconnect(ctx, asked.Peer)
}

func (s *Server) listWants(w http.ResponseWriter, r *http.Request) error {
	asked, err := request[wantsRequest](w, r)
	if err != nil {
		return err
	}
	if asked.Direction != node.Sent && asked.Direction != node.Received {
		return badRequest(fmt.Errorf("direction %q is neither sent nor received", asked.Direction))
	}
	q := souk.WantQuery{After: asked.After, Limit: asked.Limit}
	if asked.Peer != "" {
		p, err := peer.Decode(asked.Peer)
		if err != nil {
			return badRequest(fmt.Errorf("peer %q: %w", asked.Peer, err))
		}
		q.Peer = p
	}
	return answer(w)(s.node.Wants(r.Context(), asked.Direction, q))
}

func (s *Server) getSessions(w http.ResponseWriter, r *http.Request) error {
	after, err := number(r.FormValue("after"))
	if err != nil {
		return err
	}
	return answer(w)(s.node.Sessions(r.Context(), after))
}

func (s *Server) getSession(w http.ResponseWriter, r *http.Request) error {
	id, err := number(r.PathValue("id"))
	if err != nil {
		return err
	}
	return answer(w)(s.node.Session(r.Context(), id))
}

// number reads a number, which is 0 when there is none.
func number(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, badRequest(fmt.Errorf("%q is not a number", text))
	}
	return n, nil
}

// Peers implements [node.Node].
func (c *Client) Peers(ctx context.Context) ([]souk.PeerStat, error) {
	return get[[]souk.PeerStat](ctx, c, "/v2/peers")
}

// ConnectTo implements [node.Node].
func (c *Client) ConnectTo(ctx context.Context, p peer.AddrInfo) error {
	at := node.Addresses(p)
	if len(at) == 0 {
		return badRequest(fmt.Errorf("no address of %s", p.ID))
	}
	return c.tell(ctx, "/v2/connections", connectRequest{Peer: at[0]})
}

// Disconnect implements [node.Node].
func (c *Client) Disconnect(ctx context.Context, p peer.ID) error {
	return c.tell(ctx, "/v2/disconnections", disconnectRequest{Peer: p})
}

// Wants implements [node.Node].
func (c *Client) Wants(ctx context.Context, d node.Direction, q souk.WantQuery) (souk.WantPage, error) {
	asked := wantsRequest{Direction: d, After: q.After, Limit: q.Limit}
	if q.Peer != "" {
		asked.Peer = q.Peer.String()
	}
	return read[souk.WantPage](c.postJSON(ctx, "/v2/wants", asked))
}

// Sessions implements [node.Node].
func (c *Client) Sessions(ctx context.Context, after uint64) ([]souk.SessionStat, error) {
	return get[[]souk.SessionStat](ctx, c, "/v2/open-sessions?after="+strconv.FormatUint(after, 10))
}

// Session implements [node.Node].
func (c *Client) Session(ctx context.Context, id uint64) (souk.SessionDetail, error) {
	return get[souk.SessionDetail](ctx, c, "/v2/open-sessions/"+strconv.FormatUint(id, 10))
}

// Stat implements [node.Node].
func (c *Client) Stat(ctx context.Context) (node.Stat, error) {
	return get[node.Stat](ctx, c, "/v2/stat")
}
