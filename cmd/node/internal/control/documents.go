package control

import (
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/download/document"
	"github.com/souk-p2p/souk/download/policy"
)

// documentRequest is the body of POST /v2/documents.
type documentRequest struct {
	sessionRequest
	Root   cid.Cid       `json:"root"`
	Name   string        `json:"name"`
	Policy policy.Policy `json:"policy"`
}

// policyRequest is the body of POST /v2/documents/{id}/policy.
type policyRequest struct {
	Policy policy.Policy `json:"policy"`
}

// syncRequest is the body of POST /v2/documents/{id}/sync.
type syncRequest struct {
	Peers []string `json:"peers,omitempty"` // as those of a session
	Wait  bool     `json:"wait,omitempty"`
}

func (s *Server) documentRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v2/documents/{id}/sync", s.document(s.syncDocument))
	mux.HandleFunc("DELETE /v2/documents/{id}/sync", s.document(func(w http.ResponseWriter, r *http.Request, id document.ID) error {
		return answer(w)(struct{}{}, s.node.CancelDocument(r.Context(), id))
	}))
	mux.HandleFunc("GET /v2/documents/{id}/status", s.document(func(w http.ResponseWriter, r *http.Request, id document.ID) error {
		return answer(w)(s.node.DocumentStatus(r.Context(), id))
	}))
	mux.HandleFunc("POST /v2/documents", s.call(s.importDocument))
	mux.HandleFunc("GET /v2/documents", s.call(func(w http.ResponseWriter, r *http.Request) error {
		return answerAll(w, s.node.Documents(r.Context()))
	}))
	mux.HandleFunc("GET /v2/document", s.call(func(w http.ResponseWriter, r *http.Request) error {
		return answer(w)(s.node.FindDocument(r.Context(), r.FormValue("of")))
	}))
	mux.HandleFunc("GET /v2/documents/{id}/entries", s.document(s.getEntries))
	mux.HandleFunc("GET /v2/documents/{id}/missing", s.document(func(w http.ResponseWriter, r *http.Request, id document.ID) error {
		return answerAll(w, s.node.Missing(r.Context(), id))
	}))
	mux.HandleFunc("POST /v2/documents/{id}/policy", s.document(s.setPolicy))
	mux.HandleFunc("DELETE /v2/documents/{id}", s.document(func(w http.ResponseWriter, r *http.Request, id document.ID) error {
		return answer(w)(s.node.RemoveDocument(r.Context(), id))
	}))
}

// document is the handler of a call about one document.
func (s *Server) document(handle func(http.ResponseWriter, *http.Request, document.ID) error) http.HandlerFunc {
	return s.call(func(w http.ResponseWriter, r *http.Request) error {
		var id document.ID
		if err := id.UnmarshalText([]byte(r.PathValue("id"))); err != nil {
			return badRequest(err)
		}
		return handle(w, r, id)
	})
}

func (s *Server) importDocument(w http.ResponseWriter, r *http.Request) error {
	asked, err := request[documentRequest](w, r)
	if err != nil {
		return err
	}
	from, err := asked.source()
	if err != nil {
		return badRequest(err)
	}
	return answerOnce(w, func(progress func(node.DocumentProgress)) (document.Info, error) {
		d := document.Draft{Root: asked.Root, Name: asked.Name, Policy: asked.Policy}
		return s.node.ImportDocument(r.Context(), node.DocumentRequest{Draft: d, From: from}, progress)
	})
}

func (s *Server) syncDocument(w http.ResponseWriter, r *http.Request, id document.ID) error {
	asked, err := request[syncRequest](w, r)
	if err != nil {
		return err
	}
	from, err := parsePeers(asked.Peers)
	if err != nil {
		return badRequest(err)
	}
	return answerOnce(w, func(progress func(node.SyncProgress)) (node.SyncProgress, error) {
		return s.node.SyncDocument(r.Context(), node.SyncRequest{ID: id, From: from, Wait: asked.Wait}, progress)
	})
}

func (s *Server) getEntries(w http.ResponseWriter, r *http.Request, id document.ID) error {
	prefix, err := hex.DecodeString(r.FormValue("prefix"))
	if err != nil {
		return badRequest(fmt.Errorf("prefix: %w", err))
	}
	return answerAll(w, s.node.Entries(r.Context(), id, prefix))
}

func (s *Server) setPolicy(w http.ResponseWriter, r *http.Request, id document.ID) error {
	asked, err := request[policyRequest](w, r)
	if err == nil {
		err = s.node.SetPolicy(r.Context(), id, asked.Policy)
	}
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// ImportDocument implements [node.Library].
func (c *Client) ImportDocument(ctx context.Context, r node.DocumentRequest, progress func(node.DocumentProgress)) (document.Info, error) {
	resp, err := c.postJSON(ctx, "/v2/documents", documentRequest{
		sessionRequest: requestFor(r.From), Root: r.Root, Name: r.Name, Policy: r.Policy,
	})
	if err != nil {
		return document.Info{}, err
	}
	return readOnce[node.DocumentProgress, document.Info](ctx, resp, progress)
}

// Documents implements [node.Library].
func (c *Client) Documents(ctx context.Context) iter.Seq2[document.Info, error] {
	return all[document.Info](ctx, c, "/v2/documents")
}

// FindDocument implements [node.Library].
func (c *Client) FindDocument(ctx context.Context, text string) (document.Info, error) {
	return get[document.Info](ctx, c, "/v2/document?of="+url.QueryEscape(text))
}

// Entries implements [node.Library].
func (c *Client) Entries(ctx context.Context, id document.ID, prefix []byte) iter.Seq2[document.Entry, error] {
	return all[document.Entry](ctx, c, "/v2/documents/"+id.String()+"/entries?prefix="+hex.EncodeToString(prefix))
}

// SetPolicy implements [node.Library].
func (c *Client) SetPolicy(ctx context.Context, id document.ID, p policy.Policy) error {
	return c.tell(ctx, "/v2/documents/"+id.String()+"/policy", policyRequest{Policy: p})
}

// Missing implements [node.Library].
func (c *Client) Missing(ctx context.Context, id document.ID) iter.Seq2[document.Lack, error] {
	return all[document.Lack](ctx, c, "/v2/documents/"+id.String()+"/missing")
}

// RemoveDocument implements [node.Library].
func (c *Client) RemoveDocument(ctx context.Context, id document.ID) (document.Info, error) {
	return read[document.Info](c.remove(ctx, "/v2/documents/"+id.String()))
}

// SyncDocument implements [node.Syncer].
func (c *Client) SyncDocument(ctx context.Context, r node.SyncRequest, progress func(node.SyncProgress)) (node.SyncProgress, error) {
	asked := syncRequest{Peers: node.Addresses(r.From...), Wait: r.Wait}
	resp, err := c.postJSON(ctx, "/v2/documents/"+r.ID.String()+"/sync", asked)
	if err != nil {
		return node.SyncProgress{}, err
	}
	return readOnce[node.SyncProgress, node.SyncProgress](ctx, resp, progress)
}

// CancelDocument implements [node.Syncer].
func (c *Client) CancelDocument(ctx context.Context, id document.ID) error {
	_, err := read[struct{}](c.remove(ctx, "/v2/documents/"+id.String()+"/sync"))
	return err
}

// DocumentStatus implements [node.Syncer].
func (c *Client) DocumentStatus(ctx context.Context, id document.ID) (node.DocumentStatus, error) {
	return get[node.DocumentStatus](ctx, c, "/v2/documents/"+id.String()+"/status")
}
