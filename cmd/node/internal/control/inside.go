package control

import (
	"context"
	"encoding/json"
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
	mux.HandleFunc("GET /v2/peers", s.call(s.getPeers))
	mux.HandleFunc("POST /v2/connections", s.call(s.connect))
	mux.HandleFunc("POST /v2/disconnections", s.call(s.disconnect))
	mux.HandleFunc("POST /v2/wants", s.call(s.listWants))
	mux.HandleFunc("GET /v2/open-sessions", s.call(s.getSessions))
	mux.HandleFunc("GET /v2/open-sessions/{id}", s.call(s.getSession))
	mux.HandleFunc("GET /v2/stat", s.call(s.getStat))
}

func (s *Server) getPeers(w http.ResponseWriter, r *http.Request) error {
	return answer(w)(s.node.Peers(r.Context()))
}

func (s *Server) getStat(w http.ResponseWriter, r *http.Request) error {
	return answer(w)(s.node.Stat(r.Context()))
}

func (s *Server) connect(w http.ResponseWriter, r *http.Request) error {
	var asked connectRequest
	if err := request(w, r, &asked); err != nil {
		return err
	}
	peers, err := parsePeers([]string{asked.Peer})
	if err != nil {
		return &Error{Code: CodeBadRequest, Message: err.Error()}
	}
	return done(w, s.node.ConnectTo(r.Context(), peers[0]))
}

func (s *Server) disconnect(w http.ResponseWriter, r *http.Request) error {
	var asked disconnectRequest
	if err := request(w, r, &asked); err != nil {
		return err
	}
	return done(w, s.node.Disconnect(r.Context(), asked.Peer))
}

func (s *Server) listWants(w http.ResponseWriter, r *http.Request) error {
	var asked wantsRequest
	if err := request(w, r, &asked); err != nil {
		return err
	}
	if asked.Direction != node.Sent && asked.Direction != node.Received {
		return &Error{Code: CodeBadRequest, Message: fmt.Sprintf("direction %q is neither sent nor received", asked.Direction)}
	}
	q := souk.WantQuery{After: asked.After, Limit: asked.Limit}
	if asked.Peer != "" {
		p, err := peer.Decode(asked.Peer)
		if err != nil {
			return &Error{Code: CodeBadRequest, Message: fmt.Sprintf("peer %q: %v", asked.Peer, err)}
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
		return 0, &Error{Code: CodeBadRequest, Message: fmt.Sprintf("%q is not a number", text)}
	}
	return n, nil
}

// answer replies with what a method of the node returns.
func answer(w http.ResponseWriter) func(v any, err error) error {
	return func(v any, err error) error {
		if err == nil {
			reply(w, v)
		}
		return err
	}
}

// Peers implements [node.Node].
func (c *Client) Peers(ctx context.Context) (all []souk.PeerStat, err error) {
	err = c.get(ctx, "/v2/peers", &all)
	return all, err
}

// ConnectTo implements [node.Node].
func (c *Client) ConnectTo(ctx context.Context, p peer.AddrInfo) error {
	at := node.Addresses(p)
	if len(at) == 0 {
		return &Error{Code: CodeBadRequest, Message: fmt.Sprintf("no address of %s", p.ID)}
	}
	return c.tell(ctx, "/v2/connections", connectRequest{Peer: at[0]})
}

// Disconnect implements [node.Node].
func (c *Client) Disconnect(ctx context.Context, p peer.ID) error {
	return c.tell(ctx, "/v2/disconnections", disconnectRequest{Peer: p})
}

// Wants implements [node.Node].
func (c *Client) Wants(ctx context.Context, d node.Direction, q souk.WantQuery) (page souk.WantPage, err error) {
	asked := wantsRequest{Direction: d, After: q.After, Limit: q.Limit}
	if q.Peer != "" {
		asked.Peer = q.Peer.String()
	}
	resp, err := c.postJSON(ctx, "/v2/wants", asked)
	if err != nil {
		return page, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		return page, fmt.Errorf("read the node's answer: %w", err)
	}
	return page, nil
}

// Sessions implements [node.Node].
func (c *Client) Sessions(ctx context.Context, after uint64) (all []souk.SessionStat, err error) {
	err = c.get(ctx, "/v2/open-sessions?after="+strconv.FormatUint(after, 10), &all)
	return all, err
}

// Session implements [node.Node].
func (c *Client) Session(ctx context.Context, id uint64) (d souk.SessionDetail, err error) {
	err = c.get(ctx, "/v2/open-sessions/"+strconv.FormatUint(id, 10), &d)
	return d, err
}

// Stat implements [node.Node].
func (c *Client) Stat(ctx context.Context) (s node.Stat, err error) {
	err = c.get(ctx, "/v2/stat", &s)
	return s, err
}
