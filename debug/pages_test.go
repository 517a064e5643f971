package debug

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/ledger"
)

// every is the path of each page.
func every() []string {
	return []string{
		"/debug/", "/debug/ledgers", "/debug/ledgers/" + id("a").String(), "/debug/wants", "/debug/sessions", "/debug/sessions/7",
		"/debug/actors", "/debug/resolver", "/debug/downloads",
	}
}

func TestEveryPageIsThereForPeopleAndPrograms(t *testing.T) {
	for _, path := range every() {
		page := get(t, busy(), path, browser)
		require.Equal(t, http.StatusOK, page.Code, path)
		requireHas(t, page.Body.String(), "<h1")
		requireHas(t, page.Body.String(), `aria-current="page"`)
		requireHasNot(t, page.Body.String(), "ZgotmplZ")
		program := get(t, busy(), path, "")
		require.Equal(t, "application/json", program.Header().Get("Content-Type"))
		var got map[string]any
		decode(t, program, &got)
		require.NotEmpty(t, got)
	}
}

func TestATopicThatIsNotToldIsSaidSo(t *testing.T) {
	src := node()
	for _, path := range []string{"/debug/wants", "/debug/sessions", "/debug/sessions/7", "/debug/actors", "/debug/resolver", "/debug/downloads"} {
		for accept, want := range map[string]string{browser: "This node does not tell.", "": `"unavailable"`} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			r.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			Handler(Config{Source: src}).ServeHTTP(w, r)
			require.Equal(t, http.StatusOK, w.Code)
			requireHas(t, w.Body.String(), want)
		}
	}
	for _, path := range []string{"/debug/", "/debug/ledgers", "/debug/ledgers/" + id("a").String(), "/debug/vars", "/debug/bundle"} {
		w := httptest.NewRecorder()
		Handler(Config{Source: src}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		require.Equal(t, http.StatusOK, w.Code, path)
	}
}

func TestTheFirstPageSaysWhatIsWrong(t *testing.T) {
	src := busy()
	src.tracker = &Tracker{Bytes: 99, Budget: 100}
	src.ledgers[0].Connected = false
	var got struct {
		Findings []struct{ Level, Text, Page string }
	}
	decode(t, get(t, src, "/debug/", ""), &got)
	var texts []string
	for _, f := range got.Findings {
		texts = append(texts, f.Level+": "+f.Text)
	}
	require.Equal(t, []string{
		"warning: No peer is connected.",
		"warning: 1 session waits for blocks and gets none, for 30 s or longer.",
		"warning: engine is saturated: busy 97 % of the time.",
		"warning: The store is nearly full: 99 B of 100 B.",
		"warning: 1 tracker of 2 cannot be reached.",
		"warning: The table of this tracker takes 99.0 % of its memory: rows are evicted.",
		"note: 1 peer did wrong: lied: 1, never-sent: 2.",
		"note: Refused to peers: access: 12, too large: 1.",
	}, texts)
	require.Equal(t, "/debug/sessions/7", got.Findings[1].Page)

	src.actors[1].Panics, src.store.Bytes, src.trackers = 2, 100, src.trackers[:1]
	decode(t, get(t, src, "/debug/", ""), &got)
	texts = nil
	for _, f := range got.Findings[:3] {
		texts = append(texts, f.Level+": "+f.Text)
	}
	require.Equal(t, []string{
		"trouble: ledger has panicked, 2 times: the log says why.", "trouble: The store is full: 100 B of 100 B.",
		"trouble: No tracker can be reached, of 1.",
	}, texts, "the worst come first")

	src.broken = errors.New("disk gone")
	requireHas(t, get(t, src, "/debug/", browser).Body.String(), "The store does not answer: disk gone")
}

func TestTheFirstPageSaysThatNothingIsWrong(t *testing.T) {
	src := node()
	src.ledgers = src.ledgers[:2]
	requireHas(t, get(t, src, "/debug/", browser).Body.String(), "Nothing is wrong that this node knows of.")
	requireHas(t, get(t, src, "/debug/", "").Body.String(), `"findings": []`)
}

func TestTheFirstPageDoesNotWaitForAStoreThatCounts(t *testing.T) {
	src := busy()
	src.broken = context.DeadlineExceeded
	page := get(t, src, "/debug/", browser)
	require.Equal(t, http.StatusOK, page.Code)
	requireHasNot(t, page.Body.String(), "The store does not answer")
}

func TestTheFirstPageSaysThatTheNodeDrains(t *testing.T) {
	cfg := node().config()
	cfg.Draining = func() bool { return true }
	w := httptest.NewRecorder()
	Handler(cfg).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/", nil))
	requireHas(t, w.Body.String(), "The node drains")
}

func TestTheFirstPageNamesWhoMovesMost(t *testing.T) {
	page := get(t, busy(), "/debug/", browser).Body.String()
	for _, want := range []string{"4.00 MiB/s", "5.00 MiB/s", "kubo/0.42.0", "souk 1.2.3", "12 ms"} {
		requireHas(t, page, want)
	}
	require.Less(t, strings.Index(page, "kubo/0.42.0"), strings.Index(page, "souk/1.2.3"), "it sends most")
}

func TestEverythingAboutAPeer(t *testing.T) {
	page := get(t, busy(), "/debug/ledgers/"+id("a").String(), browser).Body.String()
	for _, want := range []string{
		"kubo/0.42.0", "3.00 MiB/s", "/ip4/192.0.2.7/tcp/4101", "dialled by the peer", "3 streams", block("x").String(), "3 of 64", "proven",
		"Last hour", "Last day", `<path class="received" d="M0 80L`, "up to 3.63 MiB/s", "11:00 UTC",
	} {
		requireHas(t, page, want)
	}
	requireHasNot(t, page, block("y").String())
	page = get(t, busy(), "/debug/ledgers/"+id("c").String(), browser).Body.String()
	requireHas(t, page, "Nothing passed within a day.")
}

func TestAGraphStaysWithinItsEdges(t *testing.T) {
	require.Nil(t, draw(nil, time.Minute))
	require.Nil(t, draw([]ledger.Traffic{{From: noon}}, time.Minute))
	g := draw([]ledger.Traffic{{From: noon, Received: 60 << 10}, {From: noon.Add(time.Minute), Sent: 120 << 10}}, time.Minute)
	require.Equal(t, "M0 80L0.0 40.0L360.0 40.0L360.0 80.0L720.0 80.0L720 80Z", g.Received)
	require.Equal(t, "M0 80L0.0 80.0L360.0 80.0L360.0 160.0L720.0 160.0L720 80Z", g.Sent)
	require.Equal(t, 2048.0, g.Top)
	require.Equal(t, "60.0 KiB received and 120 KiB sent, at most 2.00 KiB/s", g.Sum)
}

func TestWantsAreFiltered(t *testing.T) {
	for query, want := range map[string][2]int{
		"": {1, 1}, "?dir=sent": {1, -1}, "?dir=received": {-1, 1}, "?peer=" + id("b").String(): {0, 1},
	} {
		var got wanting
		decode(t, get(t, busy(), "/debug/wants"+query, ""), &got)
		for i, page := range []*souk.WantPage{got.Sent, got.Received} {
			if want[i] < 0 {
				require.Nil(t, page, query)
				continue
			}
			require.Len(t, page.Wants, want[i], query)
		}
	}
	for _, query := range []string{"?dir=up", "?peer=nobody", "?after=x", "?after=" + id("a").String() + ".x"} {
		require.Equal(t, http.StatusBadRequest, get(t, busy(), "/debug/wants"+query, "").Code)
	}
	requireHas(t, get(t, &source{}, "/debug/wants", browser).Body.String(), "Nothing.")
	requireHas(t, get(t, &source{}, "/debug/wants", "").Body.String(), `"wants": []`)
}

func TestWantsArePagedThrough(t *testing.T) {
	src := &source{}
	for i := range 5 {
		src.sent = append(src.sent, souk.WantStat{CID: block(fmt.Sprint(i)), Peer: id("a"), Kind: "block"})
	}
	seen, after := 0, ""
	for pages := 1; ; pages++ {
		var got wanting
		decode(t, get(t, src, "/debug/wants?dir=sent&limit=2&after="+after, ""), &got)
		require.Equal(t, 5, got.Sent.Total)
		seen += len(got.Sent.Wants)
		if after = got.SentNext; after == "" {
			require.Equal(t, 3, pages)
			break
		}
	}
	require.Equal(t, 5, seen)
	requireHas(t, get(t, src, "/debug/wants?limit=2", browser).Body.String(), `dir=sent&amp;limit=2" rel="next"`)
}

func TestASessionThatIsStuckIsMarked(t *testing.T) {
	page := get(t, busy(), "/debug/sessions", browser).Body.String()
	require.Equal(t, 1, strings.Count(page, ">stuck for 90 s<"), "one for which blocks are on their way is not")
	for _, want := range []string{"photos", "300 MiB", "/debug/sessions/7"} {
		requireHas(t, page, want)
	}
	page = get(t, busy(), "/debug/sessions/7", browser).Body.String()
	for _, want := range []string{block("x").String(), "for answers", "unreachable", "dial: &lt;timeout&gt;", "peers were asked and had sent nothing", "240.0 s", "12 ms", `class="fill" width="80"`, ">stuck<"} {
		requireHas(t, page, want)
	}
	require.Equal(t, http.StatusNotFound, get(t, busy(), "/debug/sessions/99", browser).Code)
	require.Equal(t, http.StatusBadRequest, get(t, busy(), "/debug/sessions/-1", browser).Code)
	requireHas(t, get(t, &source{}, "/debug/sessions", browser).Body.String(), "No session is open")
}

func TestActorsThatAreLateAreMarked(t *testing.T) {
	page := get(t, busy(), "/debug/actors", browser).Body.String()
	require.Equal(t, 1, strings.Count(page, ">late<"))
	for _, want := range []string{"97 %", "3.2 s", "of 64"} {
		requireHas(t, page, want)
	}
}

func TestHostileAgentsAreText(t *testing.T) {
	for agent, want := range map[string]string{
		`<script>alert(1)</script>`:      `&lt;script&gt;alert(1)&lt;/script&gt;`,
		`"><img src=x onerror=alert(1)>`: `&#34;&gt;&lt;img src=x onerror=alert(1)&gt;`,
		"kubo\u202egnp.exe":              `&#34;kubo\u202egnp.exe&#34;`,
		"\xff\x00":                       `&#34;\xff\x00&#34;`,
		`{{.Self}}`:                      `{{.Self}}`,
		"</small></th></table>":          `&lt;/small&gt;`,
	} {
		src := busy()
		src.ledgers[0].Agent = agent
		for _, path := range []string{"/debug/", "/debug/ledgers", "/debug/ledgers/" + id("a").String()} {
			page := get(t, src, path, browser).Body.String()
			requireHas(t, page, want)
			requireHasNot(t, page, "<script>")
			requireHasNot(t, page, "<img")
		}
	}
}

func TestPathTricksLeadNowhere(t *testing.T) {
	s, err := Listen(t.Context(), "127.0.0.1:0", Handler(busy().config()), ListenConfig{})
	require.NoError(t, err)
	defer s.Close()
	base := "http://" + s.Addr().String()
	for _, path := range []string{
		"/debug/pages/style.css", "/pages/ledgers.html", "/debug/../../etc/passwd", "/debug/style.css/../../../etc/passwd", "/debug/%2e%2e/%2e%2e/etc/passwd",
		"/debug/ledgers/..%2f..%2fetc%2fpasswd", "/debug/ledgers/%00", "/debug/sessions/%3Cscript%3E", "/debug/sessions/..%2factors", "/debug/pprof/", "/debug/pprof/heap",
		"/debug/style.css%00", "//etc/passwd", "/debug//ledgers//x", "/metrics", "/livez", "/api/v0/bitswap/stat", "/debug/ledgers/" + strings.Repeat("a", 5000),
	} {
		r := request(t, http.MethodGet, base+path, nil)
		r.Header.Set("Accept", browser)
		status, body := do(t, client, r)
		require.Contains(t, []int{http.StatusNotFound, http.StatusBadRequest}, status, path)
		requireHasNot(t, body, "root:")
		requireHasNot(t, body, "<script>")
	}
}

func TestPagesAreReadOnly(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, "BREW"} {
		for _, path := range every() {
			w := httptest.NewRecorder()
			Handler(busy().config()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
			require.Equal(t, http.StatusMethodNotAllowed, w.Code, "%s %s", method, path)
		}
	}
}

func TestHandlersOfTheCallerAreMounted(t *testing.T) {
	cfg := node().config()
	cfg.Metrics, cfg.Live, cfg.Ready, cfg.API, cfg.Profiling = hello, hello, hello, hello, true
	for _, path := range []string{"/metrics", "/livez", "/readyz", "/api/v0/bitswap/stat"} {
		w := httptest.NewRecorder()
		Handler(cfg).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		require.Equal(t, "hello", w.Body.String())
	}
	w := httptest.NewRecorder()
	Handler(cfg).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/pprof/goroutine?debug=1", nil))
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), "goroutine profile")
}

func TestVarsHaveNoCommandLine(t *testing.T) {
	var got map[string]any
	decode(t, get(t, busy(), "/debug/vars", ""), &got)
	require.Contains(t, got, "memstats")
	require.EqualValues(t, 3, got["peers"])
	require.NotContains(t, got, "cmdline")
}

func TestABundleTellsNothingThatItShouldNot(t *testing.T) {
	files := unpack(t, "/debug/bundle")
	for _, name := range []string{"version.txt", "goroutines.txt", "settings.txt", "log.txt", "overview.json", "ledgers.json", "wants.json", "sessions.json", "actors.json", "resolver.json", "downloads.json", "vars.json"} {
		require.NotEmpty(t, files[name], name)
	}
	require.Equal(t, "debug-token = \"(left out)\"\nlisten = \""+mark(t, files["settings.txt"], "address")+"/tcp/4101\"\n", files["settings.txt"])
	for name, text := range files {
		for _, not := range []string{id("a").String(), id("self").String(), block("x").String(), "192.0.2.7", "2001:db8::1", "sesame"} {
			require.False(t, strings.Contains(text, not), "%s has %s", name, not)
		}
	}
	require.Contains(t, files["ledgers.json"], mark(t, files["log.txt"], "id"), "the same peer has the same mark")
	require.NotEqual(t, files["ledgers.json"], unpack(t, "/debug/bundle")["ledgers.json"], "and another one in another bundle")
	require.Contains(t, files["ledgers.json"], "kubo/0.42.0")
}

func TestABundleHasPeersAndAddressesWhenAskedFor(t *testing.T) {
	files := unpack(t, "/debug/bundle?peers=plain&addresses=plain")
	require.Contains(t, files["ledgers.json"], id("a").String())
	require.Contains(t, files["log.txt"], "192.0.2.7")
	require.NotContains(t, files["settings.txt"], "sesame", "no secrets in any case")
	require.Equal(t, http.StatusBadRequest, get(t, busy(), "/debug/bundle?peers=some", "").Code)
}

// Ten thousand is what the ledger keeps by default, and what is kept of peers that are
// gone. A page of ten times as many peers takes about ten times as long: what looked at
// every peer for each of them would take a hundred times.
func TestTenThousandPeersTakeTenTimesAsLongAsAThousand(t *testing.T) {
	thousand, all := Handler(crowd(1_000).config()), Handler(crowd(10_000).config())
	for _, path := range []string{"/debug/ledgers", "/debug/ledgers?sort=sent&q=kubo", "/debug/ledgers?sort=peer&limit=0", "/debug/"} {
		few, many := time.Hour, time.Hour
		for i := 0; i < 3 || i < 20 && many > 40*few; i++ { // Others use this machine, too.
			few, many = min(few, timeOf(t, thousand, path)), min(many, timeOf(t, all, path))
		}
		require.LessOrEqual(t, many, 40*few, path)
	}
}

// timeOf returns how long a page takes.
func timeOf(t *testing.T, h http.Handler, path string) time.Duration {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Accept", browser)
	w := httptest.NewRecorder()
	began := time.Now()
	h.ServeHTTP(w, r)
	took := time.Since(began)
	require.Equal(t, http.StatusOK, w.Code)
	return took
}

func BenchmarkTenThousandPeers(b *testing.B) {
	h := Handler(crowd(10_000).config())
	for _, path := range []string{"/debug/ledgers", "/debug/ledgers?sort=sent&q=kubo", "/debug/ledgers?format=json"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Header.Set("Accept", browser)
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}

// crowd is a node with many peers.
func crowd(n int) *source {
	s := busy()
	few := s.ledgers
	few[0].History = nil // as in a list
	s.ledgers = make([]ledger.Receipt, n)
	for i := range s.ledgers {
		s.ledgers[i] = few[i%len(few)]
		s.ledgers[i].Peer, s.ledgers[i].BytesSent = id(fmt.Sprint(i)), uint64(i*7919%n)
	}
	return s
}

// unpack returns the files of a bundle of a node with secrets.
func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	cfg := busy().config()
	cfg.Settings = func() map[string]string {
		return map[string]string{"listen": "/ip4/192.0.2.7/tcp/4101", "debug-token": "open sesame"}
	}
	cfg.Log = func() []byte {
		return []byte("dialled " + id("a").String() + " at 192.0.2.7:4101 and [2001:db8::1]:4101 and /ip6/2001:db8::1/tcp/1\n")
	}
	w := httptest.NewRecorder()
	Handler(cfg).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Header().Get("Content-Disposition"), "souk-20260102-120000.zip")
	z, err := zip.NewReader(bytes.NewReader(w.Body.Bytes()), int64(w.Body.Len()))
	require.NoError(t, err)
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		files[f.Name] = string(text)
	}
	return files
}

// mark finds the first mark of a kind in a text.
func mark(t *testing.T, text, kind string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, kind+"-")
	require.True(t, ok, "%q has no %s", text, kind)
	return kind + "-" + rest[:12]
}
