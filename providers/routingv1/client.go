package routingv1

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/routing"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/providers"
)

const (
	maxKeys     = 8               // CIDs of one query that are asked for, one after the other
	maxText     = 200             // bytes that are kept of what a refusal says
	maxAfter    = 5 * time.Minute // that a router may ask to be left alone
	askTimeout  = 20 * time.Second
	searchQuery = "filter-protocols=unknown,transport-bitswap" // as boxo writes it: caches on the way know it
)

// Config says which router a [Client] asks. Zero fields mean the defaults.
type Config struct {
	// Base is the URL of the router, http or https; a path, /routing/v1 at the
	// end of it included, may be there or not.
	Base string
	// Namespaced says that the router is a tracker of Souk's, which is told the
	// namespace of a query. Others would not find the path.
	Namespaced bool
	// Timeout is that of one question with its whole answer. Default 20 s.
	Timeout time.Duration
	// Transport carries the questions, for who needs a proxy or certificates of
	// its own. By default the client has one, which [Client.Close] ends and which
	// heeds no environment variable.
	Transport http.RoundTripper
}

// Client asks one router. It is a [providers.Finder] and a
// [routing.ContentDiscovery]. Make it with [NewClient]; its methods may be called
// from several goroutines.
type Client struct {
	base       *url.URL
	namespaced bool
	timeout    time.Duration
	http       http.Client
	own        *http.Transport // nil when it was given

	paused atomic.Pointer[pause] // the last one that asked to be left alone; nil before
}

// pause is for how long a router wants to be left alone.
type pause struct {
	says  *StatusError
	until time.Time
}

var (
	_ providers.Finder         = (*Client)(nil)
	_ routing.ContentDiscovery = (*Client)(nil)
)

// NewClient returns a client. It asks nothing yet.
func NewClient(cfg Config) (*Client, error) {
	base, err := parseBase(cfg.Base)
	if err != nil {
		return nil, err
	}
	c := &Client{base: base, namespaced: cfg.Namespaced, timeout: cfg.Timeout}
	if c.timeout <= 0 {
		c.timeout = askTimeout
	}
	if cfg.Transport == nil {
		c.own = newTransport()
		cfg.Transport = c.own
	}
	c.http = http.Client{Transport: cfg.Transport, CheckRedirect: checkRedirect}
	return c, nil
}

func parseBase(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("routing v1: base URL: %w", err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Opaque != "":
		return nil, fmt.Errorf("routing v1: base URL %q: http or https, and a host, are right", u.Redacted())
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("routing v1: base URL %q: no query and no fragment is right", u.Redacted())
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	return u, setPath(u, strings.TrimSuffix(path, "/routing/v1"))
}

// setPath gives u a path as it is written, which may say %2F.
func setPath(u *url.URL, escaped string) error {
	path, err := url.PathUnescape(escaped)
	u.Path, u.RawPath = path, escaped
	return err
}

// Close ends connections that are kept for the next question.
func (c *Client) Close() error {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
	return nil
}

// Find asks for the providers of the query's [providers.Query.Rounds], or, without
// any CID, of [providers.NamespaceCID], until there are q.Most. Candidates
// come as the router sends them. The error is a *[StatusError], one of this
// package's, or of the connection.
func (c *Client) Find(ctx context.Context, q providers.Query, found func(peer.AddrInfo) bool) error {
	rounds, err := roundsOf(q)
	if err != nil {
		return err
	}
	left := q.Most
	take := func(p peer.AddrInfo) bool {
		left--
		if !found(p) {
			left = 0
		}
		return left > 0
	}
	for _, keys := range rounds {
		for _, key := range keys[:min(len(keys), maxKeys)] {
			if left <= 0 {
				return nil
			}
			if err := c.ask(ctx, q.Namespace, key, take); err != nil {
				return err
			}
		}
		if left < q.Most {
			return nil
		}
	}
	return nil
}

func roundsOf(q providers.Query) ([][]cid.Cid, error) {
	if len(q.CIDs) > 0 || q.Root.Defined() || q.Namespace == "" {
		return q.Rounds(), nil
	}
	key, err := providers.NamespaceCID(q.Namespace)
	return [][]cid.Cid{{key}}, err
}

// FindProvidersAsync is part of [routing.ContentDiscovery], which has no
// namespaces, and no errors: then there is no provider. At most count are found;
// 0 is for all.
func (c *Client) FindProvidersAsync(ctx context.Context, key cid.Cid, count int) <-chan peer.AddrInfo {
	if count <= 0 {
		count = maxEntries
	}
	out := make(chan peer.AddrInfo)
	go func() {
		defer close(out)
		_ = c.Find(ctx, providers.Query{CIDs: []cid.Cid{key}, Most: count}, func(p peer.AddrInfo) bool {
			select {
			case out <- p:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	return out
}

// ask asks for the providers of one CID.
func (c *Client) ask(ctx context.Context, namespace string, key cid.Cid, found func(peer.AddrInfo) bool) error {
	if err := c.resting(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel() // Ends the answer when enough was found.
	var router remote
	req, err := c.request(router.watch(ctx), namespace, key)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return readProviders(resp.Body, resp.Header.Get("Content-Type"), router.scope, found)
	case http.StatusNotFound:
		return nil // How a router says it that is older than IPIP-513.
	}
	return c.refused(resp)
}

func (c *Client) request(ctx context.Context, namespace string, key cid.Cid) (*http.Request, error) {
	u, err := c.urlOf(namespace, key)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", typeNDJSON+", "+typeJSON+";q=0.9")
	req.Header.Set("User-Agent", "souk")
	return req, nil
}

// urlOf returns where to ask. CIDs are in their newer form, of which caches on
// the way know one.
func (c *Client) urlOf(namespace string, key cid.Cid) (*url.URL, error) {
	if err := message.CheckCID(key); err != nil {
		return nil, fmt.Errorf("routing v1: %w", err)
	}
	u := *c.base
	path := u.EscapedPath()
	if c.namespaced && namespace != "" {
		path += "/ns/" + escape(namespace)
	}
	u.RawQuery = searchQuery
	return &u, setPath(&u, path+"/routing/v1/providers/"+cid.NewCidV1(key.Type(), key.Hash()).String())
}

// escape makes a namespace one segment of a path. Dots alone would be steps in
// it.
func escape(namespace string) string {
	if strings.Trim(namespace, ".") == "" {
		return strings.ReplaceAll(namespace, ".", "%2E")
	}
	return url.PathEscape(namespace)
}

// refused returns what a router says that does not answer, and heeds when it asks
// to be left alone.
func (c *Client) refused(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxText)) // What came before the error is what it said.
	e := &StatusError{Status: resp.StatusCode, Text: strings.TrimSpace(strings.ToValidUTF8(string(text), "?"))}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		e.After = parseAfter(resp.Header.Get("Retry-After"), time.Now())
		c.rest(e)
	}
	return e
}

// parseAfter reads a number of seconds or a date.
func parseAfter(text string, now time.Time) time.Duration {
	var after time.Duration
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		after = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		after = at.Sub(now)
	}
	return min(max(after, 0), maxAfter)
}

func (c *Client) rest(e *StatusError) { c.paused.Store(&pause{e, time.Now().Add(e.After)}) }

// resting returns the last refusal as long as the router wants to be left alone.
func (c *Client) resting() error {
	if r := c.paused.Load(); r != nil && time.Now().Before(r.until) {
		return r.says
	}
	return nil
}
