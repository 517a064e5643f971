package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
)

// Fetch implements [node.Node]: it opens a session in the running node.
func (c *Client) Fetch(ctx context.Context, from node.Source) (node.Fetcher, error) {
	resp, err := c.postJSON(ctx, "/v2/sessions", requestFor(from))
	if err != nil {
		return nil, err
	}
	var info sessionInfo
	if err := json.NewDecoder(resp.Body).Decode(&info); err != nil {
		return nil, errors.Join(fmt.Errorf("open a session in the running node: %w", cut(err)), resp.Body.Close())
	}
	return &remoteFetcher{client: c, path: "/v2/sessions/" + info.ID + "/blocks", hold: resp.Body}, nil
}

func requestFor(from node.Source) sessionRequest {
	return sessionRequest{
		Peers: node.Addresses(from.Peers...), Namespace: from.Namespace, Trackers: node.Addresses(from.Trackers...),
	}
}

// remoteFetcher fetches within a session of the running node. Every fetch is a
// call of its own, so that a slow reader of one does not hold up another.
type remoteFetcher struct {
	client *Client
	path   string
	hold   io.Closer // the call that opened the session: its end is the session's
}

func (f *remoteFetcher) GetBlock(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	resp, err := f.ask(ctx, []cid.Cid{c})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	frames := newFrameReader(resp.Body)
	b, err := frames.next()
	if err == nil {
		err = frames.finish()
	}
	if err != nil {
		return nil, fmt.Errorf("read %s from the running node: %w", c, because(ctx, err))
	}
	return b, nil
}

func (f *remoteFetcher) GetBlocks(ctx context.Context, cs []cid.Cid) (<-chan blocks.Block, error) {
	out := make(chan blocks.Block)
	go func() {
		defer close(out)
		for part := range slices.Chunk(cs, maxWanted) {
			if err := f.stream(ctx, part, out); err != nil {
				return
			}
		}
	}()
	return out, nil
}

func (f *remoteFetcher) stream(ctx context.Context, cs []cid.Cid, out chan<- blocks.Block) error {
	resp, err := f.ask(ctx, cs)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	frames := newFrameReader(resp.Body)
	for {
		b, err := frames.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case out <- b:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (f *remoteFetcher) ask(ctx context.Context, cs []cid.Cid) (*http.Response, error) {
	resp, err := f.client.postJSON(ctx, f.path, fetchRequest{CIDs: cs})
	if err != nil {
		return nil, because(ctx, err)
	}
	return resp, nil
}

// because returns why ctx ended, if it has: that ends the session in the node as well,
// which then may say first that there is none.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (f *remoteFetcher) Close() error { return f.hold.Close() }
