package kubo

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// allowed reports whether a request is from no browser, or from a page of this
// node. A browser sends the origin or the referrer of the page; one that sends
// neither is told by its name.
func allowed(r *http.Request) bool {
	origin, referrer := r.Header.Get("Origin"), r.Referer()
	if origin == "" && referrer == "" {
		agent := r.UserAgent()
		return !strings.HasPrefix(agent, "Mozilla") || strings.Contains(agent, "Electron")
	}
	own := origins(r)
	if origin != "" && !slices.Contains(own, origin) {
		return false
	}
	if referrer == "" {
		return true
	}
	u, err := url.Parse(referrer)
	return err == nil && slices.Contains(own, u.Scheme+"://"+u.Host)
}

// origins are those of the loopback names at the port that the request came in at.
func origins(r *http.Request) []string {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return nil
	}
	port := strconv.Itoa(local.Port)
	var own []string
	for _, host := range []string{"127.0.0.1", "::1", "localhost"} {
		at := net.JoinHostPort(host, port)
		own = append(own, "http://"+at, "https://"+at)
	}
	return own
}
