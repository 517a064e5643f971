package routingv1

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
)

const (
	answerTime  = 10 * time.Second // for the source: a tracker's table answers at once or is drowning
	mostAtOnce  = 256              // requests that wait for the source; more are told to come back
	mostEntries = 20               // of an answer, as of boxo's server
	mostAsked   = 64               // of the source, when a filter will leave some of them out
	crowded     = time.Second      // until one that was too many may come back
)

// Source knows who has what; a *tracker.Tracker does.
type Source interface {
	// Providers returns at most k providers of c in a namespace, or, if that is
	// empty, in the public ones. With [cid.Undef] they are any in the namespace.
	// Asker is who asks, as far as it is known. An error is told as status 429 if
	// it is [Postponed], and else as 503.
	Providers(ctx context.Context, asker netip.Addr, ns record.Namespace, c cid.Cid, k int) ([]tracker.Listed, error)
}

var (
	_ Source    = (*tracker.Tracker)(nil)
	_ Postponed = (*tracker.RefusedError)(nil)
)

// Option changes what a handler does.
type Option func(*handler)

// WithProxies names the networks of proxies that are believed when they say, in
// X-Forwarded-For, for whom they ask. Without them the one who asks is the other
// end of the connection, so that all who come through a proxy share its rate.
func WithProxies(networks ...netip.Prefix) Option {
	return func(h *handler) { h.proxies = append(h.proxies, networks...) }
}

// WithLogger says where errors of the source go.
func WithLogger(l *zap.Logger) Option { return func(h *handler) { h.logger = l } }

// Handler answers what anybody asks over HTTP from a source. Mount it at the root
// and without an http.ServeMux in front, which takes a namespace with // or ..
// in it for a path to be tidied up. [NewServer] bounds what it does not: the time of
// reading and writing.
func Handler(s Source, opts ...Option) http.Handler {
	h := &handler{source: s, places: make(chan struct{}, mostAtOnce), logger: zap.NewNop()}
	for _, set := range opts {
		set(h)
	}
	return h
}

type handler struct {
	source  Source
	places  chan struct{} // one is taken by each request that waits for the source
	proxies []netip.Prefix
	logger  *zap.Logger
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	allowEverySite(w.Header())
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	q, err := parseQuestion(r)
	if err != nil {
		writeError(w, err)
		return
	}
	asker := h.asker(r)
	entries, err := h.find(r.Context(), asker, q)
	if err != nil {
		writeError(w, err)
		return
	}
	writeEntries(w, q.media, entries)
}

// allowEverySite lets pages of all origins read the answers, as the specification
// has it.
func allowEverySite(header http.Header) {
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
	header.Set("Access-Control-Expose-Headers", "Retry-After")
	header.Set("Access-Control-Max-Age", "86400")
}

// find asks the source.
func (h *handler) find(ctx context.Context, asker netip.Addr, q *question) ([]entry, error) {
	if !q.protocols.pass() {
		return nil, nil
	}
	select {
	case h.places <- struct{}{}:
		defer func() { <-h.places }()
	default:
		return nil, &refusal{status: http.StatusServiceUnavailable, after: crowded, text: "too many ask at once"}
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	k := mostEntries
	if q.addrs.set {
		k = mostAsked
	}
	listed, err := h.source.Providers(ctx, asker, q.namespace, q.key, k)
	if err != nil {
		return nil, h.refusalOf(err)
	}
	return q.entries(listed, record.ScopeOf(asker)), nil
}

// refusalOf is what who asks is told of an error. Only that one may come back
// later is theirs to know.
func (h *handler) refusalOf(err error) error {
	if p := Postponed(nil); errors.As(err, &p) {
		return &refusal{status: http.StatusTooManyRequests, after: p.RetryAfter(), text: "asked too often"}
	}
	h.logger.Debug("a question over HTTP was not answered", zap.Error(err))
	return &refusal{status: http.StatusServiceUnavailable, text: "no answer at the moment"}
}

// asker returns who asks, which is invalid if that is not known: the other end of
// the connection, or, behind proxies that are believed, the last one in the chain
// that is none of them.
func (h *handler) asker(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	asker := tidy(at.Addr())
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for len(hops) > 0 && h.isProxy(asker) {
		last, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1]))
		if err != nil {
			break
		}
		asker, hops = tidy(last), hops[:len(hops)-1]
	}
	return asker
}

func (h *handler) isProxy(ip netip.Addr) bool {
	for _, network := range h.proxies {
		if network.Contains(ip) {
			return true
		}
	}
	return false
}

func tidy(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }
