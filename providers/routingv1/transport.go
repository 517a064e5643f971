package routingv1

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"time"

	"github.com/souk-p2p/souk/providers/record"
)

const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	idleTimeout      = 30 * time.Second // longer than one fetch goes on asking
	maxHeader        = 16 << 10         // bytes
	maxRedirects     = 3
)

// newTransport is for one client. The one that net/http shares among all heeds the
// environment, keeps a hundred connections, and is closed by nobody.
func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:    handshakeTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    2,
		MaxIdleConns:           2,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // What is read is what was sent.
	}
}

// checkRedirect keeps a question from going elsewhere than it was meant for: from
// TLS to plain text, above all.
func checkRedirect(next *http.Request, before []*http.Request) error {
	if len(before) > maxRedirects || next.URL.Scheme != before[0].URL.Scheme {
		return ErrRedirect
	}
	return nil
}

// remote is the other end of the connection that an answer comes over.
type remote struct {
	scope record.Scope // none when it is not known
}

// watch has the transport tell which connection it takes.
func (r *remote) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		r.scope = record.ScopeNone
		if at, err := netip.ParseAddrPort(info.Conn.RemoteAddr().String()); err == nil {
			r.scope = record.ScopeOf(at.Addr())
		}
	}})
}
