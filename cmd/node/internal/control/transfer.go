package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

const (
	// The node stores what a client puts in batches of about this many bytes or
	// blocks, so that its memory does not grow with the call.
	putBatchBytes  = 8 << 20
	putBatchBlocks = 1024
	// maxWanted is the most CIDs in one fetch. The client splits.
	maxWanted = 32 << 10
)

func (s *Server) putBlocks(w http.ResponseWriter, r *http.Request) error {
	if err := s.storeAll(r.Context(), newFrameReader(r.Body)); err != nil {
		// A client that is still writing would not read the answer.
		io.Copy(io.Discard, r.Body)
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) storeAll(ctx context.Context, body *frameReader) error {
	for {
		batch, err := readBatch(body)
		if err != nil && !errors.Is(err, io.EOF) {
			return badRequest(fmt.Errorf("read the blocks: %w", err))
		}
		if len(batch) > 0 {
			if err := s.node.PutMany(ctx, batch); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

// readBatch returns the next blocks of a body, with io.EOF if they are the last.
func readBatch(body *frameReader) ([]blocks.Block, error) {
	var batch []blocks.Block
	for size := 0; size < putBatchBytes && len(batch) < putBatchBlocks; {
		b, err := body.next()
		if err != nil {
			return batch, err
		}
		batch = append(batch, b)
		size += len(b.RawData())
	}
	return batch, nil
}

// fetchRequest is the body of POST /v2/sessions/{id}/blocks.
type fetchRequest struct {
	CIDs []cid.Cid `json:"cids"`
}

func (s *Server) fetchBlocks(w http.ResponseWriter, r *http.Request) error {
	wanted, err := request[fetchRequest](w, r)
	if err != nil {
		return err
	}
	if n := len(wanted.CIDs); n == 0 || n > maxWanted {
		return badRequest(fmt.Errorf("%d CIDs in a fetch, where 1 to %d are allowed", n, maxWanted))
	}
	session, err := s.sessions.enter(r.PathValue("id"))
	if err != nil {
		return err
	}
	defer session.leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(session.ctx, cancel)()

	w.Header().Set("Content-Type", blocksType)
	out := &blockStream{frames: newFrameWriter(w), push: http.NewResponseController(w).Flush}
	if len(wanted.CIDs) == 1 {
		return out.one(ctx, session.fetcher, wanted.CIDs[0])
	}
	return out.many(ctx, session.fetcher, wanted.CIDs)
}

// blockStream is the answer to a fetch. Its methods return an error only for an
// answer that has not begun; who does not read the rest has left.
type blockStream struct {
	frames *frameWriter
	push   func() error
}

func (o *blockStream) one(ctx context.Context, from node.Fetcher, c cid.Cid) error {
	b, err := from.GetBlock(ctx, c)
	if err != nil {
		return err
	}
	o.frames.block(b)
	o.frames.end(nil)
	return nil
}

func (o *blockStream) many(ctx context.Context, from node.Fetcher, cs []cid.Cid) error {
	in, err := from.GetBlocks(ctx, cs)
	if err != nil {
		return err
	}
	for b := range in {
		if o.frames.block(b) != nil || len(in) == 0 && o.flush() != nil {
			return nil
		}
	}
	o.frames.end(nil)
	return nil
}

func (o *blockStream) flush() error {
	if err := o.frames.flush(); err != nil {
		return err
	}
	return o.push()
}
