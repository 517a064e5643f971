package debug

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestBrowsersGetHTMLAndEverybodyElseJSON(t *testing.T) {
	for _, c := range []struct {
		accept, query, want string
	}{
		{browser, "", "text/html; charset=utf-8"},
		{browser, "?format=json", "application/json"},
		{"", "", "application/json"},
		{"*/*", "", "application/json"},
		{"*/*", "?format=html", "text/html; charset=utf-8"},
		{"text/html;q=0, application/json", "", "application/json"},
		{"text/html;q=nonsense", "", "application/json"},
		{";;;", "", "application/json"},
	} {
		for _, path := range []string{"/debug/ledgers", "/debug/ledgers/" + id("a").String()} {
			got := get(t, node(), path+c.query, c.accept)
			require.Equal(t, http.StatusOK, got.Code)
			require.Equal(t, c.want, got.Header().Get("Content-Type"), "%+v", c)
			require.Equal(t, "Accept", got.Header().Get("Vary"))
		}
	}
}

func TestListAsJSON(t *testing.T) {
	var got struct {
		Self      peer.ID          `json:"self"`
		Stat      Stat             `json:"stat"`
		Peers     int              `json:"peers"`
		Connected int              `json:"connected"`
		Ledgers   []ledger.Receipt `json:"ledgers"`
	}
	decode(t, get(t, node(), "/debug/ledgers", ""), &got)
	require.Equal(t, node().Self(), got.Self)
	require.Equal(t, node().Stat(), got.Stat)
	require.Equal(t, 3, got.Peers)
	require.Equal(t, 1, got.Connected)
	require.Equal(t, node().Ledgers(), got.Ledgers)

	empty := get(t, &source{}, "/debug/ledgers", "")
	require.Contains(t, empty.Body.String(), `"ledgers": []`)
}

func TestListIsSortedByAnyColumnInBothDirections(t *testing.T) {
	for _, c := range columns {
		first := order(t, "?sort="+c.key)
		other := order(t, "?sort=-"+c.key)
		require.Len(t, first, 3)
		require.NotEqual(t, first, other, c.key)
		require.ElementsMatch(t, first, other)
	}
	require.Equal(t, []peer.ID{id("b"), id("a"), id("c")}, order(t, "?sort=received"))
	require.Equal(t, []peer.ID{id("a"), id("b"), id("c")}, order(t, "?sort=latency"), "not measured comes last")
	require.Equal(t, []peer.ID{id("a"), id("b"), id("c")}, order(t, "?sort=resolver_latency"))
	require.Equal(t, []peer.ID{id("c"), id("b"), id("a")}, order(t, "?sort=last"))
	require.Equal(t, []peer.ID{id("c")}, order(t, "?sort=faults&limit=1"))
}

func TestBadParametersAreNamed(t *testing.T) {
	for query, want := range map[string]string{
		"?sort=shoe":                           `sort: no column "shoe"`,
		"?sort=-":                              `sort: no column ""`,
		"?limit=-1":                            `limit: "-1"`,
		"?refresh=soon":                        `refresh: "soon"`,
		"?state=sad":                           `state: "sad"`,
		"?after=here":                          `after: "here"`,
		"?after=-1." + id("a").String():        `after: `,
		"?q=" + strings.Repeat("x", maxText+1): "q: more than 128",
		"?q=%ff":                               "q: more than 128",
	} {
		got := get(t, node(), "/debug/ledgers"+query, "")
		require.Equal(t, http.StatusBadRequest, got.Code)
		var body struct{ Error string }
		decode(t, got, &body)
		require.Contains(t, body.Error, want)
	}
	got := get(t, node(), "/debug/ledgers?sort=<script>", browser)
	require.Equal(t, http.StatusBadRequest, got.Code)
	require.Contains(t, got.Body.String(), "&lt;script&gt;")
	require.NotContains(t, got.Body.String(), "<script>")
}

func TestListForAPerson(t *testing.T) {
	page := get(t, node(), "/debug/ledgers?sort=received", browser).Body.String()
	for _, want := range []string{
		"/debug/ledgers/" + id("a").String(),
		"2.00 MiB", "5\u202f000 blocks", "12.5 MiB/s", "40 ms", "30 s ago", "lied: 1, never-sent: 2",
		`aria-sort="descending"`, `href="?sort=-received"`, `href="?sort=score"`,
		"All 3 peers", "<small>1 connected</small>", "1 to 3 of 3",
	} {
		requireHas(t, page, want)
	}
	requireHasNot(t, page, "http-equiv")
	requireHasNot(t, page, "No ledgers yet")
	requireHasNot(t, page, "Next")
	requireHasNot(t, page, "<script>")
	requireHasNot(t, page, "ZgotmplZ") // what a template writes for a value that it refuses
}

func TestThePageOfLedgersHasClassesWhereThereAreSome(t *testing.T) {
	page := get(t, busy(), "/debug/ledgers", "text/html").Body.String()
	for _, text := range []string{"By class", ">friends<", "9.00 MiB", "20MB/s", "each 2MB/s"} {
		require.Contains(t, page, text)
	}
	var l struct{ Classes []souk.ClassStat }
	require.NoError(t, json.Unmarshal(get(t, busy(), "/debug/ledgers", "application/json").Body.Bytes(), &l))
	require.Equal(t, busy().classes, l.Classes)
	s := busy()
	s.classes = s.classes[:1]
	require.NotContains(t, get(t, s, "/debug/ledgers", "text/html").Body.String(), "By class", "everybody is in the same")
}

func TestLongListIsPagedThrough(t *testing.T) {
	src := &source{}
	for i := range 2*personRows + 1 {
		src.ledgers = append(src.ledgers, ledger.Receipt{Peer: id(fmt.Sprint(i))})
	}
	page := get(t, src, "/debug/ledgers", browser).Body.String()
	require.Equal(t, personRows, strings.Count(page, `<th scope="row"><span`))
	requireHas(t, page, "1 to 100 of 201")
	requireHasNot(t, page, `rel="first"`)
	page = get(t, src, "/debug/ledgers?limit=0", browser).Body.String()
	require.Equal(t, 2*personRows+1, strings.Count(page, `<th scope="row"><span`))

	var seen []peer.ID
	for after := ""; ; {
		var got struct {
			Next    string
			Ledgers []ledger.Receipt
		}
		decode(t, get(t, src, "/debug/ledgers?sort=peer&limit=70&after="+after, ""), &got)
		for _, r := range got.Ledgers {
			seen = append(seen, r.Peer)
		}
		if got.Next == "" {
			break
		}
		after = got.Next
	}
	require.Len(t, seen, 2*personRows+1)
	require.True(t, slices.IsSortedFunc(seen, func(a, b peer.ID) int { return strings.Compare(a.String(), b.String()) }))
}

func TestACursorFollowsItsPeer(t *testing.T) {
	src := node()
	var first struct {
		Next    string
		Ledgers []ledger.Receipt
	}
	decode(t, get(t, src, "/debug/ledgers?limit=1", ""), &first)
	require.Equal(t, id("a"), first.Ledgers[0].Peer)
	src.ledgers = []ledger.Receipt{src.ledgers[2], src.ledgers[0], src.ledgers[1]} // Another has come to the front.
	var then struct{ Ledgers []ledger.Receipt }
	decode(t, get(t, src, "/debug/ledgers?limit=1&after="+first.Next, ""), &then)
	require.Equal(t, id("b"), then.Ledgers[0].Peer)
	src.ledgers = src.ledgers[2:] // The peer of the cursor is forgotten.
	decode(t, get(t, src, "/debug/ledgers?limit=1&after="+first.Next, ""), &then)
	require.Empty(t, then.Ledgers)
}

func TestListIsFiltered(t *testing.T) {
	for query, want := range map[string][]peer.ID{
		"?state=open":             {id("a")},
		"?state=closed":           {id("b"), id("c")},
		"?state=busy":             {id("a"), id("b")},
		"?state=faulty":           {id("c")},
		"?q=KUBO":                 {id("a")},
		"?q=souk%2F":              {id("b")},
		"?q=" + id("c").String():  {id("c")},
		"?q=souk&state=open":      nil,
		"?q=nobody":               nil,
		"?q=%20kubo%20&sort=peer": {id("a")},
	} {
		require.Equal(t, want, order(t, query), query)
	}
	page := get(t, busy(), "/debug/ledgers?q=nobody", browser).Body.String()
	requireHas(t, page, "No peer is like that")
	requireHas(t, page, `value="nobody"`)
}

func TestEmptyListSaysSo(t *testing.T) {
	page := get(t, &source{}, "/debug/ledgers", browser).Body.String()
	requireHas(t, page, "No ledgers yet")
	requireHasNot(t, page, "<table")
}

func TestPageRefreshesWhenAsked(t *testing.T) {
	for _, path := range []string{"/debug/ledgers", "/debug/ledgers/" + id("a").String()} {
		page := get(t, node(), path+"?refresh=2", browser).Body.String()
		requireHas(t, page, `<meta http-equiv="refresh" content="2">`)
		requireHas(t, page, ">stop</a>")
		page = get(t, node(), path+"?refresh=99999", browser).Body.String()
		requireHas(t, page, `content="3600"`)
	}
}

func TestOneLedger(t *testing.T) {
	want, _ := node().Ledger(id("c"))
	var got ledger.Receipt
	path := "/debug/ledgers/" + id("c").String()
	decode(t, get(t, node(), path, ""), &got)
	require.Equal(t, want, got)

	page := get(t, node(), path, browser).Body.String()
	for _, text := range []string{id("c").String(), "never-sent", "lied", "not connected", "∞"} {
		requireHas(t, page, text)
	}
	require.Contains(t, get(t, node(), "/debug/ledgers/"+id("a").String(), browser).Body.String(), "None.")
}

func TestUnknownPages(t *testing.T) {
	for path, status := range map[string]int{
		"/debug/ledgers/" + id("nobody").String(): http.StatusNotFound,
		"/debug/ledgers/not-a-peer":               http.StatusBadRequest,
		"/debug/other":                            http.StatusNotFound,
	} {
		require.Equal(t, status, get(t, node(), path, "").Code, path)
		require.Equal(t, status, get(t, node(), path, browser).Code, path)
	}
	require.Equal(t, "/debug/", get(t, node(), "/", "").Header().Get("Location"))
	post := httptest.NewRecorder()
	Handler(node().config()).ServeHTTP(post, httptest.NewRequest(http.MethodPost, "/debug/ledgers", nil))
	require.Equal(t, http.StatusMethodNotAllowed, post.Code)
}

func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	for _, path := range []string{"/debug/ledgers", "/debug/style.css", "/debug/souk.js", "/debug/other", "/"} {
		header := get(t, node(), path, browser).Header()
		require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'", path)
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"))
		require.Equal(t, "no-store", header.Get("Cache-Control"))
	}
	css := get(t, node(), "/debug/style.css", "")
	require.Equal(t, "text/css; charset=utf-8", css.Header().Get("Content-Type"))
	require.NotContains(t, css.Body.String(), "url(", "nothing from elsewhere")
	js := get(t, node(), "/debug/souk.js", "")
	require.Equal(t, "text/javascript; charset=utf-8", js.Header().Get("Content-Type"))
}

func get(t *testing.T, src *source, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	Handler(src.config()).ServeHTTP(w, r)
	return w
}

func decode(t *testing.T, w *httptest.ResponseRecorder, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), into))
}

func order(t *testing.T, query string) []peer.ID {
	t.Helper()
	var got struct{ Ledgers []ledger.Receipt }
	decode(t, get(t, busy(), "/debug/ledgers"+query, ""), &got)
	var peers []peer.ID
	for _, r := range got.Ledgers {
		peers = append(peers, r.Peer)
	}
	return peers
}

// requireHas and requireHasNot keep a whole page out of the failure.
func requireHas(t *testing.T, page, text string) {
	t.Helper()
	require.True(t, strings.Contains(page, text), "%q is missing", text)
}

func requireHasNot(t *testing.T, page, text string) {
	t.Helper()
	require.False(t, strings.Contains(page, text), "%q is there", text)
}
