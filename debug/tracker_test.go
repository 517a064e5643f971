package debug

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// trackingNode returns a node that is a tracker with these namespaces.
func trackingNode(names ...string) *source {
	t := &Tracker{
		Namespaces: len(names), Announcers: 7, Rows: 1234567, Watches: 2, Bytes: 64 << 20, Budget: 512 << 20,
		Announced: 11, Touched: 12, Queries: 13, Answered: 104, Feedback: 15, Probed: 16, Expired: 17, Evicted: 18,
		Refused: map[string]uint64{"rate": 3, "full": 1, "late": 0}, Top: []Namespace{},
	}
	for i, name := range names {
		t.Top = append(t.Top, Namespace{
			Name: name, Rows: 1000 - i, Announcers: 900 - i, Announces: 1500, Queries: 25000, AnnounceRate: 0.25, QueryRate: 12,
		})
	}
	if len(names) > 1 {
		t.Top[1].Shard = "a0"
	}
	return &source{tracker: t}
}

func TestANodeThatIsNoTrackerSaysSo(t *testing.T) {
	got := get(t, node(), "/debug/tracker", "")
	require.Equal(t, http.StatusNotFound, got.Code)
	var body struct{ Error string }
	decode(t, got, &body)
	require.Contains(t, body.Error, "this node is no tracker")

	got = get(t, node(), "/debug/tracker", browser)
	require.Equal(t, http.StatusNotFound, got.Code)
	require.Contains(t, got.Body.String(), "this node is no tracker")
}

func TestTheTrackerAsJSON(t *testing.T) {
	src := trackingNode("photos", "maps")
	var got Tracker
	decode(t, get(t, src, "/debug/tracker", ""), &got)
	require.Equal(t, *src.tracker, got)

	empty := get(t, trackingNode(), "/debug/tracker", "").Body.String()
	require.Contains(t, empty, `"top": []`)
}

func TestTheTrackerForAPerson(t *testing.T) {
	page := get(t, trackingNode("photos", "maps"), "/debug/tracker?refresh=2", browser).Body.String()
	for _, want := range []string{
		"1\u202f234\u202f567", "64.0 MiB", "12.5 % of 512 MiB", "photos", `maps</code> <span class="quiet">shard a0`, "0.25 a second", "12 a second",
		`<dd>4 <small>18 rows evicted, 17 expired`, `<th scope="row">rate</th><td>3</td>`, `<th scope="row">full</th><td>1</td>`,
		`<meta http-equiv="refresh" content="2">`,
	} {
		requireHas(t, page, want)
	}
	for _, not := range []string{"late", "namespaces shown", "ZgotmplZ", "<script>"} {
		requireHasNot(t, page, not)
	}
	page = get(t, trackingNode(), "/debug/tracker", browser).Body.String()
	requireHas(t, page, "No namespaces yet")
}

func TestHostileNamespacesDoNothingToThePage(t *testing.T) {
	for name, want := range map[string]string{
		`<script>alert(1)</script>`:         "<code>&lt;script&gt;alert(1)&lt;/script&gt;</code>",
		`"><img src=x onerror=alert(1)>`:    "<code>&#34;&gt;&lt;img src=x onerror=alert(1)&gt;</code>",
		`{{.Bytes}}`:                        "<code>{{.Bytes}}</code>",
		"photos\u202egnp.exe":               `<code>&#34;photos\u202egnp.exe&#34;</code>`,
		"zero\u200bwidth":                   `<code>&#34;zero\u200bwidth&#34;</code>`,
		"not UTF-8: \xff":                   `<code>&#34;not UTF-8: \xff&#34;</code>`,
		strings.Repeat("w", 128):            strings.Repeat("w", 128),
		"javascript:alert(1)":               "<code>javascript:alert(1)</code>",
		"</code></td></table><h1>Gone</h1>": "<code>&lt;/code&gt;&lt;/td&gt;&lt;/table&gt;&lt;h1&gt;Gone&lt;/h1&gt;</code>",
	} {
		page := get(t, trackingNode(name), "/debug/tracker", browser).Body.String()
		requireHas(t, page, want)
		requireHasNot(t, page, "<script>")
		requireHasNot(t, page, "<img")
		requireHasNot(t, page, "<h1>Gone")
	}
}

func TestOnlyTheLargestNamespacesAreShown(t *testing.T) {
	names := make([]string, mostNamespaces+1)
	for i := range names {
		names[i] = fmt.Sprint("namespace ", i)
	}
	for query, want := range map[string]int{
		"": defaultNamespaces, "?limit=3": 3, "?limit=0": mostNamespaces, "?limit=99999": mostNamespaces,
	} {
		var got Tracker
		decode(t, get(t, trackingNode(names...), "/debug/tracker"+query, ""), &got)
		require.Len(t, got.Top, want, query)
	}
	page := get(t, trackingNode(names...), "/debug/tracker", browser).Body.String()
	requireHas(t, page, "50 of 1\u202f001 namespaces shown")
	require.Equal(t, http.StatusBadRequest, get(t, trackingNode(), "/debug/tracker?limit=x", "").Code)
}
