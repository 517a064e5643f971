package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	blocks "github.com/ipfs/go-block-format"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/ledger"
)

// The host of the URLs means nothing: every connection is to the socket.
const base = "http://souk"

// Client is the node of another process, reached over its control socket.
type Client struct {
	http *http.Client
}

var _ node.Node = (*Client)(nil)

// Dial connects to a node over connections that dial makes and checks that it
// speaks this version of the API; otherwise it returns a [*VersionError].
func Dial(ctx context.Context, dial func(context.Context) (net.Conn, error)) (*Client, error) {
	c := &Client{http: &http.Client{Transport: &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableCompression:  true,
		MaxIdleConnsPerHost: 16, // about as many fetches as a walk has under way
		IdleConnTimeout:     idleTimeout / 2,
	}}}
	if err := c.checkVersion(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Client) checkVersion(ctx context.Context) error {
	v, err := get[versionInfo](ctx, c, "/version")
	if err != nil {
		return err
	}
	if v.API != Version {
		return &VersionError{Node: v.API, Souk: v.Souk, Client: Version}
	}
	return nil
}

// PutMany implements [node.Node].
func (c *Client) PutMany(ctx context.Context, bs []blocks.Block) error {
	body, writer := io.Pipe()
	go func() { writer.CloseWithError(writeBlocks(writer, bs)) }()
	resp, err := c.post(ctx, "/v2/blocks", blocksType, body)
	body.Close() // ends the goroutine when the node answered before it had read all
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func writeBlocks(w io.Writer, bs []blocks.Block) error {
	frames := newFrameWriter(w)
	for _, b := range bs {
		if err := frames.block(b); err != nil {
			return err
		}
	}
	return frames.end(nil)
}

// Ledgers implements [node.Node].
func (c *Client) Ledgers(ctx context.Context) ([]ledger.Receipt, error) {
	return get[[]ledger.Receipt](ctx, c, "/v2/ledgers")
}

// Ledger implements [node.Node].
func (c *Client) Ledger(ctx context.Context, p peer.ID) (ledger.Receipt, error) {
	return get[ledger.Receipt](ctx, c, "/v2/ledgers/"+p.String())
}

// Info implements [node.Node].
func (c *Client) Info(ctx context.Context) (node.Info, error) {
	return get[node.Info](ctx, c, "/v2/node")
}

// Close forgets the connections. What is under way ends with its context.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// get makes a call without a body and reads its answer.
func get[V any](ctx context.Context, c *Client, path string) (V, error) {
	return read[V](c.open(ctx, path))
}

// read reads the answer to a call, and closes it.
func read[V any](resp *http.Response, err error) (answer V, _ error) {
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("read the node's answer: %w", err)
	}
	return answer, nil
}

// tell makes a call whose answer has no body.
func (c *Client) tell(ctx context.Context, path string, v any) error {
	resp, err := c.postJSON(ctx, path, v)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// open makes a call without a body, whose answer may come bit by bit.
func (c *Client) open(ctx context.Context, path string) (*http.Response, error) {
	return c.bare(ctx, http.MethodGet, path)
}

// remove makes a call that removes something.
func (c *Client) remove(ctx context.Context, path string) (*http.Response, error) {
	return c.bare(ctx, http.MethodDelete, path)
}

func (c *Client) bare(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, base+path, nil)
	if err != nil {
		return nil, err
	}
	return c.do(req)
}

func (c *Client) postJSON(ctx context.Context, path string, v any) (*http.Response, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return c.post(ctx, path, jsonType, bytes.NewReader(body))
}

func (c *Client) post(ctx context.Context, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	return c.do(req)
}

// do returns an answer whose body is the caller's to close, or the error that
// the node answered with.
func (c *Client) do(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		if req.Context().Err() != nil {
			return nil, context.Cause(req.Context())
		}
		return nil, fmt.Errorf("talk to the running node: %w", err)
	}
	if resp.StatusCode < http.StatusBadRequest {
		return resp, nil
	}
	defer resp.Body.Close()
	failure := &Error{Code: CodeInternal}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxEnd)).Decode(failure); err != nil {
		failure.Message = "the running node answered " + resp.Status
	}
	return nil, failure
}
