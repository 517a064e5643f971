package routingv1

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multiaddr"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
)

const (
	maxURL     = 2 << 10              // bytes: a namespace and a CID of full length, all escaped, and filters
	maxCIDText = 2*message.MaxCID + 1 // bytes in base 16, and what tells the base
)

// question is what a request asks.
type question struct {
	namespace record.Namespace // empty for none
	key       cid.Cid          // undefined for any in the namespace
	addrs     addrFilter
	protocols protocolFilter
	media     string
}

// parseQuestion reads a request. The error is a *refusal.
func parseQuestion(r *http.Request) (*question, error) {
	if len(r.URL.EscapedPath())+len(r.URL.RawQuery) > maxURL {
		return nil, refuse(http.StatusRequestURITooLong, "more than %d bytes of path and query", maxURL)
	}
	namespace, named, key, err := parsePath(r.URL.EscapedPath())
	if err != nil {
		return nil, err
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, refuse(http.StatusNotImplemented, "%.20q: GET, HEAD and OPTIONS are served", r.Method)
	}
	q := new(question)
	if q.media, err = acceptable(r.Header.Values("Accept")); err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "query: %v", err)
	}
	if err := q.setNamespace(namespace, named, query["namespace"]); err != nil {
		return nil, err
	}
	if err := q.setKey(key); err != nil {
		return nil, err
	}
	q.addrs = newAddrFilter(query.Get("filter-addrs"))
	q.protocols = newProtocolFilter(query.Get("filter-protocols"))
	return q, nil
}

// parsePath returns the segments of a path that say something, still escaped. It
// takes the path as it was sent: a namespace may have slashes.
func parsePath(path string) (namespace string, named bool, key string, err error) {
	rest, named := strings.CutPrefix(path, "/ns/")
	if named {
		var ended bool
		if namespace, rest, ended = strings.Cut(rest, "/"); !ended {
			return "", false, "", refuse(http.StatusNotFound, "nothing is here")
		}
		rest = "/" + rest
	}
	call, ours := strings.CutPrefix(rest, "/routing/v1/")
	if !ours {
		return "", false, "", refuse(http.StatusNotFound, "nothing is here")
	}
	what, key, _ := strings.Cut(call, "/")
	switch what {
	case "providers":
		if key != "" && !strings.Contains(key, "/") {
			return namespace, named, key, nil
		}
		return "", false, "", refuse(http.StatusNotImplemented, "providers of one CID are asked for")
	case "peers", "ipns", "dht":
		return "", false, "", refuse(http.StatusNotImplemented, "%s: only providers are known here", what)
	}
	return "", false, "", refuse(http.StatusBadRequest, "%.40q is not of this interface", what)
}

// setNamespace takes the namespace from where it is: in the path, or else in the
// query.
func (q *question) setNamespace(segment string, named bool, inQuery []string) error {
	switch {
	case !named && len(inQuery) == 0:
		return nil
	case named && len(inQuery) > 0 || len(inQuery) > 1:
		return refuse(http.StatusBadRequest, "more than one namespace")
	case named:
		name, err := url.PathUnescape(segment)
		if err != nil {
			return refuse(http.StatusBadRequest, "namespace: %v", err)
		}
		q.namespace = record.Namespace(name)
	default:
		q.namespace = record.Namespace(inQuery[0])
	}
	if err := q.namespace.Check(); err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	return nil
}

func (q *question) setKey(segment string) error {
	text, err := url.PathUnescape(segment)
	if err != nil || len(text) > maxCIDText {
		return refuse(http.StatusBadRequest, "CID: at most %d characters are right", maxCIDText)
	}
	if q.key, err = cid.Decode(text); err != nil {
		return refuse(http.StatusBadRequest, "CID: %v", err)
	}
	if err := message.CheckCID(q.key); err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	if q.namespace == "" {
		return nil
	}
	anybody, err := providers.NamespaceCID(string(q.namespace))
	if err == nil && q.key == anybody {
		q.key = cid.Undef
	}
	return err
}

// entries are what is told of providers to who is seen in a scope.
func (q *question) entries(listed []tracker.Listed, seen record.Scope) []entry {
	var out []entry
	for _, l := range listed {
		e := entry{Schema: schemaPeer, ID: l.Info.ID.String(), Protocols: []string{protocolBitswap}, Complete: l.Complete}
		for _, a := range l.Info.Addrs {
			if reachable(a, seen) && q.addrs.passes(a) {
				e.Addrs = append(e.Addrs, a.String())
			}
		}
		if len(e.Addrs) > 0 || len(l.Info.Addrs) == 0 && q.addrs.passesUnknown() {
			out = append(out, e)
		}
	}
	return out[:min(len(out), mostEntries)]
}

// addrFilter is a filter-addrs: at least one of the transports that are named and
// none of those behind a "!".
type addrFilter struct {
	set     bool
	want    map[int]bool // by codes of multiaddr; 0 is none's
	refuse  map[int]bool
	unknown bool // providers without an address pass
}

func newAddrFilter(text string) addrFilter {
	f := addrFilter{set: text != "", want: map[int]bool{}, refuse: map[int]bool{}}
	if !f.set {
		return f
	}
	for name := range strings.SplitSeq(strings.ToLower(text), ",") {
		if not, negated := strings.CutPrefix(name, "!"); negated {
			f.refuse[multiaddr.ProtocolWithName(not).Code] = true
		} else {
			f.want[multiaddr.ProtocolWithName(name).Code] = true
		}
		f.unknown = f.unknown || name == "unknown"
	}
	return f
}

func (f addrFilter) passes(a multiaddr.Multiaddr) bool {
	pass := len(f.want) == 0
	for _, p := range a.Protocols() {
		if f.refuse[p.Code] {
			return false
		}
		pass = pass || f.want[p.Code]
	}
	return pass
}

func (f addrFilter) passesUnknown() bool { return !f.set || f.unknown }

// protocolFilter is a filter-protocols. All of our providers speak Bitswap and say
// so, so that all pass or none.
type protocolFilter []string

func newProtocolFilter(text string) protocolFilter {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func (f protocolFilter) pass() bool {
	for _, name := range f {
		if strings.EqualFold(name, protocolBitswap) {
			return true
		}
	}
	return len(f) == 0
}

// refusal is an answer that is none.
type refusal struct {
	status int
	after  time.Duration // to come back after; zero for not said
	text   string
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, text: fmt.Sprintf(format, args...)}
}
