package control

import (
	"context"
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
func (c *Client) Announced(ctx context.Context) ([]node.Announced, error) {
	return get[[]node.Announced](ctx, c, "/v2/announcements")
}

// Trackers implements [node.Node].
func (c *Client) Trackers(ctx context.Context) ([]node.Tracker, error) {
	return get[[]node.Tracker](ctx, c, "/v2/trackers")
}

// Find implements [node.Node].
func (c *Client) Find(ctx context.Context, s node.Search) ([]peer.AddrInfo, error) {
	asked := searchRequest{Namespace: s.Namespace, Trackers: node.Addresses(s.Trackers...), Most: s.Most}
	if s.CID.Defined() {
		asked.CID = s.CID.String()
	}
	answer, err := read[[]candidate](c.postJSON(ctx, "/v2/searches", asked))
	if err != nil {
		return nil, err
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

func (s *Server) announce(ctx context.Context, asked announceRequest) error {
	trackers, err := parsePeers(asked.Trackers)
	if err != nil {
		return badRequest(err)
	}
	return s.node.Announce(ctx, asked.Announcement, trackers...)
}

func (s *Server) withdraw(ctx context.Context, of withdrawal) error {
	return s.node.Withdraw(ctx, of.Namespace)
}

func (s *Server) find(w http.ResponseWriter, r *http.Request) error {
	asked, err := request[searchRequest](w, r)
	if err != nil {
		return err
	}
	search, err := asked.search()
	if err != nil {
		return badRequest(err)
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
