package debug

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/souk-p2p/souk/ledger"
)

const (
	// defaultRows is how many rows a person gets: more make a page that is slow
	// to draw. Programs get all of them.
	defaultRows = 500

	// slowestRefresh is an hour: above it nobody is looking.
	slowestRefresh = 3600
)

// Stat is what a node did in total since it started.
type Stat struct {
	BlocksReceived   uint64 `json:"blocks_received"`
	DataReceived     uint64 `json:"data_received"` // bytes
	DupBlksReceived  uint64 `json:"dup_blks_received"`
	DupDataReceived  uint64 `json:"dup_data_received"` // bytes
	MessagesReceived uint64 `json:"messages_received"`
	BlocksSent       uint64 `json:"blocks_sent"`
	DataSent         uint64 `json:"data_sent"` // bytes
	MessagesSent     uint64 `json:"messages_sent"`
}

// Source is what the pages are about. Its methods are called from many
// goroutines and should answer at once.
type Source interface {
	Self() peer.ID
	Stat() Stat
	Ledgers() []ledger.Receipt // most bytes exchanged first; the caller may sort it
	Ledger(p peer.ID) (ledger.Receipt, bool)
	// Tracker returns what the node does as a tracker, with the most largest
	// namespaces, and false when it is none.
	Tracker(ctx context.Context, most int) (Tracker, bool)
}

// Handler returns the handler of the pages.
func Handler(src Source) http.Handler {
	return handler(src, time.Now)
}

func handler(src Source, now func() time.Time) http.Handler {
	p := pages{src: src, now: now}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", http.RedirectHandler("/debug/ledgers", http.StatusFound))
	mux.HandleFunc("GET /debug/ledgers", p.list)
	mux.HandleFunc("GET /debug/ledgers/{peer}", p.one)
	mux.HandleFunc("GET /debug/tracker", p.tracker)
	mux.HandleFunc("GET /debug/style.css", style)
	return withHeaders(mux)
}

//go:embed pages
var files embed.FS

var templates = template.Must(template.New("").Funcs(formats).ParseFS(files, "pages/*.html"))

// pages answers requests for pages about src.
type pages struct {
	src Source
	now func() time.Time
}

// listing is the page of all ledgers; what has a JSON name is its JSON form.
type listing struct {
	Self    peer.ID          `json:"self"`
	Stat    Stat             `json:"stat"`
	Peers   int              `json:"peers"`     // before the limit
	Up      int              `json:"connected"` // of those
	Total   ledger.Receipt   `json:"-"`
	Ledgers []ledger.Receipt `json:"ledgers"`
	Columns []heading        `json:"-"`
	page
}

// sheet is the page of one ledger.
type sheet struct {
	Self peer.ID
	ledger.Receipt
	page
}

// page is what every HTML page needs. It has no JSON form.
type page struct {
	Title             string       `json:"-"`
	Now               time.Time    `json:"-"`
	Refresh           int          `json:"-"` // seconds, 0 for never
	More, Live, Still template.URL `json:"-"` // this page without a limit, refreshing, not refreshing
}

func (p *pages) list(w http.ResponseWriter, r *http.Request) {
	asked, err := parse(r)
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	all := p.src.Ledgers()
	l := listing{
		Self: p.src.Self(), Stat: p.src.Stat(), Peers: len(all), Up: connected(all), Total: total(all),
		Ledgers: asked.rows(all), Columns: asked.headings(),
		page: asked.page("Ledgers", p.now()),
	}
	if !asked.html {
		writeJSON(w, http.StatusOK, l)
		return
	}
	writeHTML(w, http.StatusOK, "ledgers.html", l)
}

func (p *pages) one(w http.ResponseWriter, r *http.Request) {
	asked, err := parse(r)
	if err != nil {
		fail(w, r, http.StatusBadRequest, err.Error())
		return
	}
	id, err := peer.Decode(r.PathValue("peer"))
	if err != nil {
		fail(w, r, http.StatusBadRequest, "not a peer ID: "+r.PathValue("peer"))
		return
	}
	receipt, ok := p.src.Ledger(id)
	switch {
	case !ok:
		fail(w, r, http.StatusNotFound, "no ledger for "+id.String())
	case asked.html:
		writeHTML(w, http.StatusOK, "ledger.html",
			sheet{Self: p.src.Self(), Receipt: receipt, page: asked.page("Ledger of "+short(id), p.now())})
	default:
		writeJSON(w, http.StatusOK, receipt)
	}
}

// query is what a request asks for.
type query struct {
	html    bool
	sort    string // a column's key, "-" before it for the other direction; "" as the source has it
	limit   int    // 0 for all
	refresh int    // seconds, 0 for never
	values  url.Values
}

func parse(r *http.Request) (query, error) {
	v := r.URL.Query()
	q := query{html: wantsHTML(r), sort: v.Get("sort"), values: v}
	if q.html {
		q.limit = defaultRows
	}
	if _, ok := columnOf(q.sort); q.sort != "" && !ok {
		return q, fmt.Errorf("sort: no column %q", strings.TrimPrefix(q.sort, "-"))
	}
	if err := number(v, "limit", &q.limit); err != nil {
		return q, err
	}
	if err := number(v, "refresh", &q.refresh); err != nil {
		return q, err
	}
	q.refresh = min(q.refresh, slowestRefresh)
	return q, nil
}

// number reads a parameter that is a natural number, if it is there.
func number(v url.Values, name string, into *int) error {
	text := v.Get(name)
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return fmt.Errorf("%s: %q is not a number from 0 on", name, text)
	}
	*into = n
	return nil
}

// with returns the address of the same page with one parameter changed.
func (q *query) with(name, value string) template.URL {
	v := url.Values{}
	for _, key := range []string{"sort", "limit", "refresh"} {
		if text := q.values.Get(key); text != "" {
			v.Set(key, text)
		}
	}
	v.Set(name, value)
	return template.URL("?" + v.Encode()) // Encode has escaped what came from the request.
}

func (q *query) page(title string, now time.Time) page {
	return page{
		Title: title, Now: now, Refresh: q.refresh,
		More: q.with("limit", "0"), Live: q.with("refresh", "2"), Still: q.with("refresh", "0"),
	}
}

// wantsHTML reports whether the answer is for a browser.
func wantsHTML(r *http.Request) bool {
	switch r.URL.Query().Get("format") {
	case "json":
		return false
	case "html":
		return true
	}
	for accepted := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		media, params, err := mime.ParseMediaType(accepted)
		if err != nil || media != "text/html" {
			continue
		}
		quality, err := strconv.ParseFloat(cmp.Or(params["q"], "1"), 64)
		return err == nil && quality > 0
	}
	return false
}

func fail(w http.ResponseWriter, r *http.Request, status int, message string) {
	if wantsHTML(r) {
		writeHTML(w, status, "error.html", struct {
			page
			Message string
		}{page{Title: http.StatusText(status)}, message})
		return
	}
	writeJSON(w, status, map[string]string{"error": message})
}

// writeJSON and writeHTML write an answer. That the client is gone by then is
// its own affair.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	_ = out.Encode(v)
}

func writeHTML(w http.ResponseWriter, status int, name string, v any) {
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, name, v); err != nil { // Half a page would look like a whole one.
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w)
}

func style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, files, "pages/style.css")
}
