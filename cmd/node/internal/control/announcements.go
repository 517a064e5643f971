package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

// announceRequest is the body of POST /v2/announcements.
type announceRequest struct {
	repo.Announcement
	Trackers []string `json:"trackers,omitempty"` // multiaddrs that end in /p2p/ID
}

// withdrawal is the body of POST /v2/withdrawals.
type withdrawal struct {
	Namespace string `json:"namespace"`
}

// searchRequest is the body of POST /v2/searches.
type searchRequest struct {
	Namespace string   `json:"namespace"`
	CID       string   `json:"cid,omitempty"`
	Trackers  []string `json:"trackers,omitempty"` // multiaddrs that end in /p2p/ID
	Most      int      `json:"most"`
}

// candidate is a peer in its answer.
type candidate struct {
	ID        string   `json:"id"`
	Addresses []string `json:"addresses"` // with the ID
}

// Announce implements [node.Node].
func (c *Client) Announce(ctx context.Context, a repo.Announcement, trackers ...peer.AddrInfo) error {
	return c.tell(ctx, "/v2/announcements", announceRequest{Announcement: a, Trackers: node.Addresses(trackers...)})
}

// Withdraw implements [node.Node].
func (c *Client) Withdraw(ctx context.Context, namespace string) error {
	return c.tell(ctx, "/v2/withdrawals", withdrawal{Namespace: namespace})
}

// Announced implements [node.Node].
func (c *Client) Announced(ctx context.Context) (all []node.Announced, err error) {
	err = c.get(ctx, "/v2/announcements", &all)
	return all, err
}

// Trackers implements [node.Node].
func (c *Client) Trackers(ctx context.Context) (all []node.Tracker, err error) {
	err = c.get(ctx, "/v2/trackers", &all)
	return all, err
}

// Find implements [node.Node].
func (c *Client) Find(ctx context.Context, s node.Search) ([]peer.AddrInfo, error) {
	asked := searchRequest{Namespace: s.Namespace, Trackers: node.Addresses(s.Trackers...), Most: s.Most}
	if s.CID.Defined() {
		asked.CID = s.CID.String()
	}
	resp, err := c.postJSON(ctx, "/v2/searches", asked)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer []candidate
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read the node's answer: %w", err)
	}
	found := make([]peer.AddrInfo, len(answer))
	for i, of := range answer {
		if found[i], err = of.info(); err != nil {
			return nil, fmt.Errorf("read the node's answer: %w", err)
		}
	}
	return found, nil
}

func (c *candidate) info() (peer.AddrInfo, error) {
	id, err := peer.Decode(c.ID)
	if err != nil {
		return peer.AddrInfo{}, err
	}
	at, err := parsePeers(c.Addresses)
	if err != nil || len(at) == 0 {
		return peer.AddrInfo{ID: id}, err
	}
	return peer.AddrInfo{ID: id, Addrs: at[0].Addrs}, nil
}

// tell makes a call whose answer has no body.
func (c *Client) tell(ctx context.Context, path string, v any) error {
	resp, err := c.postJSON(ctx, path, v)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (s *Server) getAnnouncements(w http.ResponseWriter, r *http.Request) error {
	all, err := s.node.Announced(r.Context())
	if err != nil {
		return err
	}
	reply(w, all)
	return nil
}

func (s *Server) getTrackers(w http.ResponseWriter, r *http.Request) error {
	all, err := s.node.Trackers(r.Context())
	if err != nil {
		return err
	}
	reply(w, all)
	return nil
}

func (s *Server) announce(w http.ResponseWriter, r *http.Request) error {
	var asked announceRequest
	if err := request(w, r, &asked); err != nil {
		return err
	}
	trackers, err := parsePeers(asked.Trackers)
	if err != nil {
		return &Error{Code: CodeBadRequest, Message: err.Error()}
	}
	return done(w, s.node.Announce(r.Context(), asked.Announcement, trackers...))
}

func (s *Server) withdraw(w http.ResponseWriter, r *http.Request) error {
	var of withdrawal
	err := request(w, r, &of)
	if err == nil {
		err = s.node.Withdraw(r.Context(), of.Namespace)
	}
	return done(w, err)
}

// done answers with nothing when nothing went wrong.
func done(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (s *Server) find(w http.ResponseWriter, r *http.Request) error {
	var asked searchRequest
	if err := request(w, r, &asked); err != nil {
		return err
	}
	search, err := asked.search()
	if err != nil {
		return &Error{Code: CodeBadRequest, Message: err.Error()}
	}
	found, err := s.node.Find(r.Context(), search)
	if err != nil {
		return err
	}
	answer := make([]candidate, len(found))
	for i, p := range found {
		answer[i] = candidate{ID: p.ID.String(), Addresses: node.Addresses(p)}
	}
	reply(w, answer)
	return nil
}

func (r *searchRequest) search() (s node.Search, err error) {
	s.Namespace, s.Most = r.Namespace, r.Most
	if r.CID != "" {
		if s.CID, err = cid.Decode(r.CID); err != nil {
			return s, fmt.Errorf("cid %q: %w", r.CID, err)
		}
	}
	s.Trackers, err = parsePeers(r.Trackers)
	return s, err
}
