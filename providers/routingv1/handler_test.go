package routingv1

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
)

var providersPath = "/routing/v1/providers/" + key.String()

// jsonAnswer is what the specification says.
type jsonAnswer struct {
	Providers []struct {
		Schema, ID       string
		Addrs, Protocols []string
		Complete         bool
	}
}

func parseAnswer(t testing.TB, body []byte) (a jsonAnswer) {
	t.Helper()
	require.NoError(t, json.Unmarshal(body, &a))
	return a
}

func TestProvidersAreListedAsJSON(t *testing.T) {
	s := &fakeSource{listed: crowd(t, 2)}
	s.listed[1].Complete = true
	w := get(t, Handler(s), "GET", providersPath)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, asked{netip.MustParseAddr("9.9.9.9"), "", key, mostEntries}, s.question(t))
	a := parseAnswer(t, w.Body.Bytes())
	require.Len(t, a.Providers, 2)
	for i, p := range a.Providers {
		require.Equal(t, "peer", p.Schema)
		require.Equal(t, s.listed[i].Info.ID.String(), p.ID)
		require.Equal(t, []string{"/ip4/8.8.8.8/tcp/4001"}, p.Addrs)
		require.Equal(t, []string{"transport-bitswap"}, p.Protocols)
		require.Equal(t, i == 1, p.Complete)
	}
}

func TestProvidersAreListedALineEach(t *testing.T) {
	s := &fakeSource{listed: crowd(t, 3)}
	w := get(t, Handler(s), "GET", providersPath, "Accept", "application/x-ndjson")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/x-ndjson", w.Header().Get("Content-Type"))
	lines := strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n")
	require.Len(t, lines, 3)
	for i, text := range lines {
		require.Contains(t, text, s.listed[i].Info.ID.String())
	}
}

func TestAnswerSaysHowItMayBeCached(t *testing.T) {
	for _, accept := range []string{typeJSON, typeNDJSON} {
		some := get(t, Handler(&fakeSource{listed: crowd(t, 1)}), "GET", providersPath, "Accept", accept).Header()
		none := get(t, Handler(&fakeSource{}), "GET", providersPath, "Accept", accept).Header()
		require.Equal(t, "public, max-age=60, stale-while-revalidate=600, stale-if-error=7200", some.Get("Cache-Control"))
		require.Equal(t, "public, max-age=15, stale-while-revalidate=60, stale-if-error=60", none.Get("Cache-Control"))
		for _, header := range []http.Header{some, none} {
			require.Equal(t, "Accept", header.Get("Vary"))
			_, err := http.ParseTime(header.Get("Last-Modified"))
			require.NoError(t, err)
		}
	}
}

func TestNobodyIsAnAnswer(t *testing.T) {
	h := Handler(&fakeSource{})
	w := get(t, h, "GET", providersPath)
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"Providers":[]}`, w.Body.String())
	w = get(t, h, "GET", providersPath, "Accept", typeNDJSON)
	require.Equal(t, http.StatusOK, w.Code)
	require.Empty(t, w.Body.String())
}

func TestAnswerIsBounded(t *testing.T) {
	s := &fakeSource{listed: crowd(t, 100)}
	for _, query := range []string{"", "?filter-addrs=tcp"} {
		w := get(t, Handler(s), "GET", providersPath+query)
		require.Len(t, parseAnswer(t, w.Body.Bytes()).Providers, mostEntries)
	}
	require.Equal(t, mostAsked, s.questions()[1].most)
}

func TestTypeIsChosenByAccept(t *testing.T) {
	h := Handler(&fakeSource{})
	for accept, want := range map[string]string{
		"":                                      typeJSON,
		"*/*":                                   typeJSON,
		"application/*":                         typeJSON,
		"application/json":                      typeJSON,
		"application/x-ndjson":                  typeNDJSON,
		"application/x-ndjson,application/json": typeNDJSON, // boxo
		"application/x-ndjson, application/json;q=0.9":   typeNDJSON,
		"application/json, application/x-ndjson;q=0.5":   typeJSON,
		"application/x-ndjson;q=0, */*":                  typeJSON,
		"text/html, application/xhtml+xml, */*;q=0.8":    typeJSON, // a browser's address bar
		"text/html;;;, application/json":                 typeJSON,
		"application/json;q=NaN, application/x-ndjson":   typeNDJSON,
		"application/json;q=1e999, application/x-ndjson": typeNDJSON,
		"text/html":                                    "",
		"application/json;q=0":                         "",
		"application/vnd.ipfs.ipns-record":             "",
		strings.Repeat(",", 1000) + "application/json": typeJSON,
	} {
		var headers []string
		if accept != "" {
			headers = []string{"Accept", accept}
		}
		w := get(t, h, "GET", providersPath, headers...)
		if want == "" {
			require.Equal(t, http.StatusNotAcceptable, w.Code, accept)
			continue
		}
		require.Equal(t, http.StatusOK, w.Code, accept)
		require.Equal(t, want, w.Header().Get("Content-Type"), accept)
	}
}

func TestNamespaceIsInPathOrQuery(t *testing.T) {
	for _, ns := range []string{films, "a/b", "//", "..", ".", "a b+c%d?e#f&g=h", "фильмы", "routing/v1/providers", strings.Repeat("ж", 64)} {
		for _, at := range []string{
			"/ns/" + escape(ns) + providersPath,
			providersPath + "?namespace=" + url.QueryEscape(ns),
		} {
			s := &fakeSource{}
			w := get(t, Handler(s), "GET", at)
			require.Equal(t, http.StatusOK, w.Code, at)
			require.Equal(t, record.Namespace(ns), s.question(t).namespace, at)
			require.Equal(t, key, s.question(t).key)
		}
	}
}

func TestCIDOfTheNamespaceAsksForAnybodyInIt(t *testing.T) {
	c, err := providers.NamespaceCID(films)
	require.NoError(t, err)
	for at, want := range map[string]cid.Cid{
		"/ns/films/routing/v1/providers/" + c.String(): cid.Undef,
		"/ns/songs/routing/v1/providers/" + c.String(): c,
		"/routing/v1/providers/" + c.String():          c,
	} {
		s := &fakeSource{}
		require.Equal(t, http.StatusOK, get(t, Handler(s), "GET", at).Code)
		require.Equal(t, want, s.question(t).key, at)
	}
}

func TestEveryFormOfACIDIsUnderstood(t *testing.T) {
	v0 := cid.NewCidV0(key.Hash())
	base58, err := key.StringOfBase('z')
	require.NoError(t, err)
	base16, err := key.StringOfBase('f')
	require.NoError(t, err)
	for text, want := range map[string]cid.Cid{v0.String(): v0, base58: key, base16: key} {
		s := &fakeSource{}
		require.Equal(t, http.StatusOK, get(t, Handler(s), "GET", "/routing/v1/providers/"+text).Code)
		require.Equal(t, want, s.question(t).key)
	}
}

func TestPagesOfAllOriginsMayAsk(t *testing.T) {
	h := Handler(&fakeSource{listed: crowd(t, 1)})
	pre := get(t, h, "OPTIONS", "/ns/films"+providersPath, "Origin", "https://example.org", "Access-Control-Request-Method", "GET")
	require.Equal(t, http.StatusNoContent, pre.Code)
	require.Empty(t, pre.Body.String())
	for _, w := range []http.Header{pre.Header(), get(t, h, "GET", providersPath).Header()} {
		require.Equal(t, "*", w.Get("Access-Control-Allow-Origin"))
		require.Contains(t, w.Get("Access-Control-Allow-Methods"), "GET")
		require.Contains(t, w.Get("Access-Control-Allow-Methods"), "OPTIONS")
	}
}

func TestHeadHasTheHeadersOfGet(t *testing.T) {
	base := serve(t, Handler(&fakeSource{listed: crowd(t, 1)}))
	transport := newTransport()
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	head, err := client.Head(base + providersPath)
	require.NoError(t, err)
	require.NoError(t, head.Body.Close())
	full, err := client.Get(base + providersPath)
	require.NoError(t, err)
	require.NoError(t, full.Body.Close())
	require.Equal(t, http.StatusOK, head.StatusCode)
	require.Equal(t, full.ContentLength, head.ContentLength)
	for _, name := range []string{"Content-Type", "Cache-Control", "Vary"} {
		require.Equal(t, full.Header.Values(name), head.Header.Values(name))
	}
}

type postponed struct{ after time.Duration }

func (p postponed) Error() string             { return "slow down" }
func (p postponed) RetryAfter() time.Duration { return p.after }

func TestErrorsOfTheSourceHaveTheirStatus(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		after  string
	}{
		{fmt.Errorf("ask the table: %w", postponed{1500 * time.Millisecond}), 429, "2"},
		{postponed{}, 429, ""},
		{errors.New("secret"), 503, ""},
	} {
		w := get(t, Handler(&fakeSource{err: tt.err}), "GET", providersPath)
		require.Equal(t, tt.status, w.Code)
		require.Equal(t, tt.after, w.Header().Get("Retry-After"))
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.NotContains(t, w.Body.String(), "secret")
	}
}

func TestStuckSourceIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := get(t, Handler(&fakeSource{hold: make(chan struct{})}), "GET", providersPath)
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, answerTime, time.Since(start))
	})
}

// While so many wait that the source is drowning, others are turned away at once,
// and served again afterwards.
func TestCrowdIsTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSource{hold: make(chan struct{})}
		h := Handler(s)
		for range mostAtOnce {
			go get(t, h, "GET", providersPath)
		}
		synctest.Wait()
		w := get(t, h, "GET", providersPath)
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		require.Len(t, s.questions(), mostAtOnce)
		close(s.hold)
		synctest.Wait()
		require.Equal(t, http.StatusOK, get(t, h, "GET", providersPath).Code)
	})
}

func TestFilters(t *testing.T) {
	everywhere := tracker.Listed{Info: info(t, newPeer(t),
		"/ip4/8.8.8.8/tcp/4001", "/ip4/8.8.8.8/udp/4001/quic-v1", "/ip6/2001:4860:4860::8888/tcp/4001")}
	nowhere := tracker.Listed{Info: info(t, newPeer(t))}
	s := &fakeSource{listed: []tracker.Listed{everywhere, nowhere}}
	tcp4, quic, tcp6 := "/ip4/8.8.8.8/tcp/4001", "/ip4/8.8.8.8/udp/4001/quic-v1", "/ip6/2001:4860:4860::8888/tcp/4001"
	for _, tt := range []struct {
		query string
		want  [][]string // addresses of each provider that is listed
	}{
		{"", [][]string{{tcp4, quic, tcp6}, nil}},
		{"?filter-addrs=", [][]string{{tcp4, quic, tcp6}, nil}},
		{"?filter-addrs=tcp", [][]string{{tcp4, tcp6}}},
		{"?filter-addrs=TCP,QUIC-V1", [][]string{{tcp4, quic, tcp6}}},
		{"?filter-addrs=tcp%2C!ip6", [][]string{{tcp4}}},
		{"?filter-addrs=!ip6,!quic-v1", [][]string{{tcp4}}},
		{"?filter-addrs=webrtc-direct", nil},
		{"?filter-addrs=nonsense,!rubbish", nil},
		{"?filter-addrs=unknown", [][]string{nil}},
		{"?filter-addrs=unknown,quic-v1", [][]string{{quic}, nil}},
		{"?filter-protocols=transport-bitswap&filter-addrs=ip6", [][]string{{tcp6}}},
		{"?filter-protocols=Transport-Bitswap,other", [][]string{{tcp4, quic, tcp6}, nil}},
		{"?filter-protocols=unknown,transport-bitswap", [][]string{{tcp4, quic, tcp6}, nil}},
		{"?filter-protocols=unknown", nil},
		{"?filter-protocols=transport-ipfs-gateway-http", nil},
	} {
		w := get(t, Handler(s), "GET", providersPath+tt.query)
		require.Equal(t, http.StatusOK, w.Code, tt.query)
		var got [][]string
		for _, p := range parseAnswer(t, w.Body.Bytes()).Providers {
			got = append(got, p.Addrs)
		}
		require.Equal(t, tt.want, got, tt.query)
	}
}

// An address in a network means nothing to who is outside of it.
func TestAddressesAreToldWhereTheyMeanSomething(t *testing.T) {
	public, private, local := "/ip4/8.8.8.8/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1"
	s := &fakeSource{listed: []tracker.Listed{
		{Info: info(t, newPeer(t), public, private, local)},
		{Info: info(t, newPeer(t), local)},
	}}
	for asker, want := range map[string][][]string{
		"9.9.9.9":     {{public}},
		"192.168.1.1": {{public, private}},
		"127.0.0.1":   {{public, private, local}, {local}},
		"::1":         {{public, private, local}, {local}},
	} {
		h := Handler(s, WithProxies(netip.MustParsePrefix("9.9.9.9/32")))
		w := get(t, h, "GET", providersPath, "X-Forwarded-For", asker)
		var got [][]string
		for _, p := range parseAnswer(t, w.Body.Bytes()).Providers {
			got = append(got, p.Addrs)
		}
		require.Equal(t, want, got, asker)
	}
}

func TestAskerBehindProxies(t *testing.T) {
	ours := WithProxies(netip.MustParsePrefix("9.9.9.0/24"), netip.MustParsePrefix("10.0.0.0/8"))
	for _, tt := range []struct {
		forwarded []string
		opts      []Option
		want      string
	}{
		{nil, nil, "9.9.9.9"},
		{[]string{"1.1.1.1"}, nil, "9.9.9.9"},
		{[]string{"1.1.1.1"}, []Option{ours}, "1.1.1.1"},
		{[]string{"6.6.6.6, 1.1.1.1"}, []Option{ours}, "1.1.1.1"}, // the first was made up
		{[]string{"6.6.6.6", "1.1.1.1, 10.1.1.1"}, []Option{ours}, "1.1.1.1"},
		{[]string{"::ffff:1.1.1.1"}, []Option{ours}, "1.1.1.1"},
		{[]string{"rubbish"}, []Option{ours}, "9.9.9.9"},
		{[]string{"rubbish, 10.1.1.1"}, []Option{ours}, "10.1.1.1"},
		{nil, []Option{ours}, "9.9.9.9"},
	} {
		s := &fakeSource{}
		var headers []string
		for _, f := range tt.forwarded {
			headers = append(headers, "X-Forwarded-For", f)
		}
		require.Equal(t, http.StatusOK, get(t, Handler(s, tt.opts...), "GET", providersPath, headers...).Code)
		require.Equal(t, tt.want, s.question(t).asker.String())
	}
}

func TestServerHasBoundsForEverything(t *testing.T) {
	s := NewServer(Handler(&fakeSource{}))
	for _, d := range []time.Duration{s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout} {
		require.Positive(t, d)
		require.LessOrEqual(t, d, time.Minute)
	}
	require.Greater(t, s.WriteTimeout, answerTime)
	require.Positive(t, s.MaxHeaderBytes)
	require.Greater(t, s.MaxHeaderBytes, maxURL)
}
