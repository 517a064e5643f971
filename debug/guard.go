package debug

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// policy is what a page may load: its own style sheet, script, images and
// events. Nothing is allowed that stands in the page itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard puts h behind what keeps others out, the outermost first: the headers of
// every answer, the name that the request is addressed to, the site that it comes
// from, and the token.
func (c *ListenConfig) guard(h http.Handler, at net.Addr) http.Handler {
	if c.Token != "" {
		h = newGate(c.Token, c.CertFile != "", at).require(h)
	}
	return withHeaders(cutSlow(onlyNames(c.Hosts, onlyOwnPages(h))))
}

// withHeaders sets what keeps a browser from doing more with an answer than
// showing it. A handler may set other values.
func withHeaders(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		header.Set("Vary", "Accept")
		h.ServeHTTP(w, r)
	})
}

// cutSlow ends a connection whose client does not read. What takes longer by
// nature sets a time of its own.
func cutSlow(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allow(w, answerTime)
		h.ServeHTTP(w, r)
	})
}

// allow gives the client so much time, from now on, to take what is written.
func allow(w http.ResponseWriter, d time.Duration) {
	// One that cannot is a test's recorder: it takes everything.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
}

// onlyNames refuses requests that were addressed to another name than those given,
// a loopback name, or the IP address at which they came in.
func onlyNames(hosts []string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostOf(r.Host)
		if !isLoopbackName(host) && !isLocalAddress(r, host) && !slices.ContainsFunc(hosts, func(name string) bool { return strings.EqualFold(name, host) }) {
			http.Error(w, "this server does not answer to the name in the Host header: use its IP address, or tell it the name", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// hostOf is the host of a Host header, which may have a port.
func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport // Without a port.
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

func isLoopbackName(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// isLocalAddress reports whether host is the IP address that the connection of r
// was made to. No site can make a browser believe that this is its own name.
func isLocalAddress(r *http.Request, host string) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap() == local.AddrPort().Addr().Unmap()
}

// onlyOwnPages refuses requests that pages of other sites make a browser send.
// Those that change something are told by net/http's rules. Of the others a link
// may be followed from anywhere, but nothing may be loaded into a foreign page:
// it could not be read there, and would still take up a connection and our time.
func onlyOwnPages(h http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if foreign(r) {
			http.Error(w, "not for the pages of other sites", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	}))
}

func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site": // The same site may be another port of this machine.
		return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
	case "": // No browser, or an old one, which sends the origin at least where a script could read the answer.
		origin := r.Header.Get("Origin")
		if origin == "" {
			return false
		}
		u, err := url.Parse(origin)
		return err != nil || !strings.EqualFold(u.Host, r.Host)
	}
	return false
}
