package debug

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// personRows is how many rows a person gets: more are not looked at, and a
	// page that is drawn anew every two seconds has to be drawn quickly.
	personRows     = 100
	mostPersonRows = 1000
	// mostRows is how many a program gets, far above what the ledger keeps by
	// default.
	mostRows = 20_000
	// slowestRefresh is an hour: above it nobody is looking.
	slowestRefresh = 3600
	// maxText is more than a peer ID or an agent string that anybody types.
	maxText = 128
)

// query is what a request asks for.
type query struct {
	html    bool
	events  bool   // a stream of pages
	sort    string // a column's key, "-" before it for the other direction; "" as the source has it
	limit   int    // rows
	refresh int    // seconds, 0 for never
	text    string // that has to be in a row
	state   string // that a row has to be in
	after   string // cursor of the row before the first
	cookie  bool   // whether it is from somebody who can log out
	values  url.Values
}

func parse(r *http.Request) (query, error) {
	v := r.URL.Query()
	q := query{
		html: wantsHTML(r), events: accepts(r, "text/event-stream"), values: v,
		sort: v.Get("sort"), text: strings.TrimSpace(v.Get("q")), state: v.Get("state"), after: v.Get("after"),
	}
	q.cookie, _ = r.Context().Value(loggedIn{}).(bool)
	if len(q.text) > maxText || !utf8.ValidString(q.text) {
		return q, fmt.Errorf("q: more than %d bytes, or no text", maxText)
	}
	if err := number(v, "limit", &q.limit); err != nil {
		return q, err
	}
	q.limit = q.rows(v.Get("limit") != "")
	if err := number(v, "refresh", &q.refresh); err != nil {
		return q, err
	}
	q.refresh = min(q.refresh, slowestRefresh)
	return q, nil
}

// rows is how many rows are answered with; a limit of 0 asks for as many as
// there may be.
func (q *query) rows(given bool) int {
	usual, most := mostRows, mostRows
	if q.html {
		usual, most = personRows, mostPersonRows
	}
	switch {
	case !given:
		return usual
	case q.limit == 0:
		return most
	}
	return min(q.limit, most)
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

// kept are the parameters that stay when another one is changed.
var kept = []string{"sort", "limit", "refresh", "q", "state", "dir", "peer"}

// with returns the address of the same page with one parameter changed, or
// without it when the value is empty.
func (q *query) with(name, value string) template.URL {
	v := url.Values{}
	for _, key := range kept {
		if text := q.values.Get(key); text != "" {
			v.Set(key, text)
		}
	}
	v.Set(name, value)
	if value == "" {
		v.Del(name)
	}
	return template.URL("?" + v.Encode()) // Encode has escaped what came from the request.
}

// With is, for templates, the address of the same page with one parameter changed.
func (p page) With(name, value string) template.URL { return p.query.with(name, value) }

// Value is a parameter of the request.
func (p page) Value(name string) string { return p.query.values.Get(name) }

// LoggedIn is whether there is somebody to log out.
func (p page) LoggedIn() bool { return p.query.cookie }

// Then is, for templates, the address of the wants in one direction that come after
// a cursor.
func (p page) Then(direction, after string) template.URL {
	v := url.Values{"dir": {direction}, "after": {after}}
	for _, key := range []string{"limit", "peer"} {
		if text := p.query.values.Get(key); text != "" {
			v.Set(key, text)
		}
	}
	return template.URL("?" + v.Encode())
}
