package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/adapter/dag/gc"
	"github.com/souk-p2p/souk/adapter/dag/pins"
	"github.com/souk-p2p/souk/adapter/dag/roots"
	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// storageRoutes are the calls about what is stored.
func (s *Server) storageRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v2/blocks/{cid}", s.call(s.getBlockSize))
	mux.HandleFunc("POST /v2/blocks/removals", s.call(s.removeBlocks))
	mux.HandleFunc("POST /v2/holds", s.call(s.hold))
	mux.HandleFunc("GET /v2/pins", s.call(s.getPins))
	mux.HandleFunc("POST /v2/pins", s.call(s.pin))
	mux.HandleFunc("POST /v2/pins/removals", s.call(s.unpin))
	mux.HandleFunc("POST /v2/garbage", s.call(s.collectGarbage))
	mux.HandleFunc("POST /v2/verifications", s.call(s.verify))
	mux.HandleFunc("GET /v2/usage", answers(s, s.node.Usage))
}

// blockInfo is the answer to GET /v2/blocks/{cid}.
type blockInfo struct {
	Size int `json:"size"`
}

// removalRequest is the body of POST /v2/blocks/removals.
type removalRequest struct {
	CIDs  []cid.Cid `json:"cids"`
	Force bool      `json:"force,omitempty"`
}

// pinRequest is the body of POST /v2/pins.
type pinRequest struct {
	sessionRequest
	CID      cid.Cid    `json:"cid"`
	Name     string     `json:"name,omitempty"`
	Kind     roots.Kind `json:"type"`
	Offline  bool       `json:"offline,omitempty"`
	Complete bool       `json:"complete,omitempty"`
}

// unpinRequest is the body of POST /v2/pins/removals.
type unpinRequest struct {
	CID  string  `json:"cid,omitempty"`
	Name *string `json:"name,omitempty"`
}

// BlockSize implements [node.Keeper].
func (c *Client) BlockSize(ctx context.Context, of cid.Cid) (int, error) {
	info, err := get[blockInfo](ctx, c, "/v2/blocks/"+of.String())
	return info.Size, err
}

// RemoveBlocks implements [node.Keeper].
func (c *Client) RemoveBlocks(ctx context.Context, cs []cid.Cid, force bool) (all []node.RemovedBlock, err error) {
	resp, err := c.postJSON(ctx, "/v2/blocks/removals", removalRequest{CIDs: cs, Force: force})
	if err != nil {
		return nil, err
	}
	for one, err := range readLines[struct{}, node.RemovedBlock](ctx, resp, nil) {
		if err != nil {
			return all, err
		}
		all = append(all, one)
	}
	return all, nil
}

// Hold implements [node.Keeper]: the hold lasts as long as a call.
func (c *Client) Hold(ctx context.Context) (release func() error, err error) {
	resp, err := c.postJSON(ctx, "/v2/holds", struct{}{})
	if err != nil {
		return nil, err
	}
	var held struct{}
	if err := json.NewDecoder(resp.Body).Decode(&held); err != nil {
		resp.Body.Close()
		return nil, fmt.Errorf("hold the running node's store: %w", cut(err))
	}
	return resp.Body.Close, nil
}

// Pin implements [node.Keeper].
func (c *Client) Pin(ctx context.Context, r node.PinRequest, progress func(node.PinProgress)) (pins.Pin, error) {
	resp, err := c.postJSON(ctx, "/v2/pins", pinRequest{
		sessionRequest: requestFor(r.From), CID: r.CID, Name: r.Name, Kind: r.Kind, Offline: r.Offline, Complete: r.Complete,
	})
	if err != nil {
		return pins.Pin{}, err
	}
	return readOnce[node.PinProgress, pins.Pin](ctx, resp, progress)
}

// Pins implements [node.Keeper].
func (c *Client) Pins(ctx context.Context, verify bool) iter.Seq2[node.PinStatus, error] {
	path := "/v2/pins"
	if verify {
		path += "?verify=true"
	}
	return all[node.PinStatus](ctx, c, path)
}

// Unpin implements [node.Keeper].
func (c *Client) Unpin(ctx context.Context, which node.PinFilter) ([]pins.Pin, error) {
	asked := unpinRequest{Name: which.Name}
	if which.CID.Defined() {
		asked.CID = which.CID.String()
	}
	resp, err := c.postJSON(ctx, "/v2/pins/removals", asked)
	if err != nil {
		return nil, err
	}
	return readOnce[struct{}, []pins.Pin](ctx, resp, nil)
}

// CollectGarbage implements [node.Keeper].
func (c *Client) CollectGarbage(ctx context.Context, r node.GarbageRequest, progress func(gc.Progress)) (node.GarbageResult, error) {
	resp, err := c.postJSON(ctx, "/v2/garbage", r)
	if err != nil {
		return node.GarbageResult{}, err
	}
	return readOnce[gc.Progress, node.GarbageResult](ctx, resp, progress)
}

// Usage implements [node.Keeper].
func (c *Client) Usage(ctx context.Context) (node.Usage, error) {
	return get[node.Usage](ctx, c, "/v2/usage")
}

func (s *Server) getBlockSize(w http.ResponseWriter, r *http.Request) error {
	c, err := parseCID(r.PathValue("cid"))
	if err != nil {
		return err
	}
	size, err := s.node.BlockSize(r.Context(), c)
	if err != nil {
		return err
	}
	reply(w, blockInfo{Size: size})
	return nil
}

func parseCID(text string) (cid.Cid, error) {
	c, err := cid.Decode(text)
	if err != nil {
		return cid.Undef, badRequest(fmt.Errorf("%q is no CID: %w", text, err))
	}
	return c, nil
}

func (s *Server) removeBlocks(w http.ResponseWriter, r *http.Request) error {
	asked, err := request[removalRequest](w, r)
	if err != nil {
		return err
	}
	all, err := s.node.RemoveBlocks(r.Context(), asked.CIDs, asked.Force)
	return answerAll(w, func(yield func(node.RemovedBlock, error) bool) {
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
		if err != nil {
			yield(node.RemovedBlock{}, err)
		}
	})
}

// hold holds the store until the client closes the connection of the call.
func (s *Server) hold(w http.ResponseWriter, r *http.Request) error {
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxRequest)); err != nil {
		return err
	}
	release, err := s.node.Hold(r.Context())
	if err != nil {
		return err
	}
	defer release()
	reply(w, struct{}{})
	if err := http.NewResponseController(w).Flush(); err != nil {
		return nil
	}
	<-r.Context().Done()
	return nil
}

func (s *Server) getPins(w http.ResponseWriter, r *http.Request) error {
	return answerAll(w, s.node.Pins(r.Context(), r.URL.Query().Get("verify") == "true"))
}

func (s *Server) pin(w http.ResponseWriter, r *http.Request) error {
	asked, err := request[pinRequest](w, r)
	if err != nil {
		return err
	}
	from, err := asked.source()
	if err != nil {
		return badRequest(err)
	}
	p := node.PinRequest{CID: asked.CID, Name: asked.Name, Kind: asked.Kind, From: from, Offline: asked.Offline, Complete: asked.Complete}
	return answerOnce(w, func(progress func(node.PinProgress)) (pins.Pin, error) {
		return s.node.Pin(r.Context(), p, progress)
	})
}

func (s *Server) unpin(w http.ResponseWriter, r *http.Request) error {
	asked, err := request[unpinRequest](w, r)
	which := node.PinFilter{Name: asked.Name}
	if err == nil && asked.CID != "" {
		which.CID, err = parseCID(asked.CID)
	}
	if err == nil && !which.CID.Defined() && which.Name == nil {
		err = badRequest(errors.New("which pins: give a CID, a name, or both"))
	}
	if err != nil {
		return err
	}
	return answerOnce(w, func(func(struct{})) ([]pins.Pin, error) { return s.node.Unpin(r.Context(), which) })
}

func (s *Server) collectGarbage(w http.ResponseWriter, r *http.Request) error {
	asked, err := request[node.GarbageRequest](w, r)
	if err != nil {
		return err
	}
	return answerOnce(w, func(progress func(gc.Progress)) (node.GarbageResult, error) {
		return s.node.CollectGarbage(r.Context(), asked, progress)
	})
}
