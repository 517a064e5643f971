package routingv1

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/providers/record"
)

func TestClientFindsWhomAHandlerLists(t *testing.T) {
	s := &fakeSource{listed: crowd(t, 3)}
	c := newClient(t, Config{Base: serve(t, Handler(s)), Namespaced: true})
	found, err := find(t, c, films, 8)
	require.NoError(t, err)
	require.Equal(t, infos(s.listed), found)
	q := s.question(t)
	require.Equal(t, record.Namespace(films), q.namespace)
	require.Equal(t, key, q.key)
}

func TestNamespaceIsToldToTrackersOnly(t *testing.T) {
	for namespaced, want := range map[bool]record.Namespace{true: films, false: ""} {
		s := &fakeSource{}
		_, err := find(t, newClient(t, Config{Base: serve(t, Handler(s)), Namespaced: namespaced}), films, 8)
		require.NoError(t, err)
		require.Equal(t, want, s.question(t).namespace)
	}
}

func TestEveryNamespaceArrivesAsItIs(t *testing.T) {
	s := &fakeSource{}
	c := newClient(t, Config{Base: serve(t, Handler(s)), Namespaced: true})
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.OneOf(
			rapid.StringMatching(`[./%?#&=+; a-z]{1,40}`),
			rapid.StringN(1, 32, record.MaxNamespace),
		).Filter(func(text string) bool { return record.Namespace(text).Check() == nil }).Draw(t, "namespace")
		require.NoError(t, c.Find(context.Background(), providers.Query{Namespace: ns, CIDs: []cid.Cid{key}, Most: 1}, nil))
		all := s.questions()
		require.Equal(t, record.Namespace(ns), all[len(all)-1].namespace)
	})
}

func TestBaseMayHaveAPath(t *testing.T) {
	s := &fakeSource{}
	base := serve(t, http.StripPrefix("/at/home", Handler(s)))
	for _, end := range []string{"", "/", "/routing/v1", "/routing/v1/"} {
		_, err := find(t, newClient(t, Config{Base: base + "/at/home" + end, Namespaced: true}), "a/b", 8)
		require.NoError(t, err)
	}
	require.Len(t, s.questions(), 4)
	_, err := find(t, newClient(t, Config{Base: base + "/at/home/ns/a%2Fb"}), films, 8)
	require.NoError(t, err)
	for _, q := range s.questions() {
		require.Equal(t, record.Namespace("a/b"), q.namespace)
	}
}

func TestBasesThatAreRefused(t *testing.T) {
	for _, base := range []string{
		"", "tracker.example", "tracker.example:80", "ftp://tracker.example", "file:///etc/passwd", "http:tracker.example",
		"http://", "http:///path", "http://tracker.example?namespace=films", "http://tracker.example#films", "http://a b", "http://tracker.example/%zz",
		"unix:///run/tracker",
	} {
		_, err := NewClient(Config{Base: base})
		require.Error(t, err, base)
	}
}

// CIDs are asked for in the one form that caches know, whatever form they come in.
func TestQuestionIsTheSameForEveryFormOfACID(t *testing.T) {
	c := newClient(t, Config{Base: "http://tracker.example"})
	v1, err := c.urlOf("", cid.NewCidV1(cid.DagProtobuf, key.Hash()))
	require.NoError(t, err)
	v0, err := c.urlOf("", cid.NewCidV0(key.Hash()))
	require.NoError(t, err)
	require.Equal(t, v1.String(), v0.String())
	require.Equal(t, "filter-protocols=unknown,transport-bitswap", v1.RawQuery)
	_, err = c.urlOf("", cid.Undef)
	require.Error(t, err)
}

// Who hands a question on may take dots for steps in its path.
func TestNamespaceOfDotsIsNoStepInAPath(t *testing.T) {
	c := newClient(t, Config{Base: "http://tracker.example", Namespaced: true})
	for _, ns := range []string{".", "..", "..."} {
		u, err := c.urlOf(ns, key)
		require.NoError(t, err)
		require.NotContains(t, u.String(), "/.")
	}
}

// Texts that say something right, but in more characters than are parsed.
func TestTextsThatAreTooLongAreNotParsed(t *testing.T) {
	id := newPeer(t)
	long, err := peer.ToCid(id).StringOfBase('0') // base 2
	require.NoError(t, err)
	_, err = peer.Decode(long)
	require.NoError(t, err)
	_, ok := (&entry{Schema: schemaPeer, ID: long}).candidate(record.ScopePublic)
	require.False(t, ok)
	for zeros, want := range map[int]bool{10: true, maxAddrText: false} {
		_, ok := parseAddr("/ip4/8.8.8.8/tcp/"+strings.Repeat("0", zeros)+"4001", id)
		require.Equal(t, want, ok)
	}
}

func TestSampleIsAskedForOneAfterTheOther(t *testing.T) {
	x, y, z := cidOf("x"), cidOf("y"), cidOf("z")
	s := &fakeSource{listed: crowd(t, 2)}
	c := newClient(t, Config{Base: serve(t, Handler(s))})
	found, err := findAll(t, c, providers.Query{CIDs: []cid.Cid{x, y, z}, Most: 3})
	require.NoError(t, err)
	require.Len(t, found, 3)
	require.Equal(t, []cid.Cid{x, y}, []cid.Cid{s.questions()[0].key, s.questions()[1].key})
	require.Len(t, s.questions(), 2)
}

func TestWithoutASampleAnybodyInTheNamespaceIsAskedFor(t *testing.T) {
	s := &fakeSource{listed: crowd(t, 1)}
	c := newClient(t, Config{Base: serve(t, Handler(s)), Namespaced: true})
	found, err := findAll(t, c, providers.Query{Namespace: films, Most: 8})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, cid.Undef, s.question(t).key)
}

func TestNothingIsAskedWithoutAQuestion(t *testing.T) {
	s := &fakeSource{listed: crowd(t, 1)}
	c := newClient(t, Config{Base: serve(t, Handler(s))})
	for _, q := range []providers.Query{{Most: 8}, {CIDs: []cid.Cid{key}}, {CIDs: []cid.Cid{key}, Most: -1}} {
		found, err := findAll(t, c, q)
		require.NoError(t, err)
		require.Empty(t, found)
	}
	require.Empty(t, s.questions())
}

func TestNoMoreIsFoundThanIsWanted(t *testing.T) {
	c := newClient(t, Config{Base: serve(t, Handler(&fakeSource{listed: crowd(t, 9)}))})
	found, err := find(t, c, "", 4)
	require.NoError(t, err)
	require.Len(t, found, 4)
	n := 0
	require.NoError(t, c.Find(t.Context(), providers.Query{CIDs: []cid.Cid{key}, Most: 8}, func(peer.AddrInfo) bool {
		n++
		return n < 2
	}))
	require.Equal(t, 2, n)
}

func TestClientIsContentDiscovery(t *testing.T) {
	s := &fakeSource{listed: crowd(t, 5)}
	c := newClient(t, Config{Base: serve(t, Handler(s))})
	for count, want := range map[int]int{0: 5, 2: 2} {
		n := 0
		for p := range c.FindProvidersAsync(t.Context(), key, count) {
			require.Equal(t, s.listed[n].Info, p)
			n++
		}
		require.Equal(t, want, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	<-c.FindProvidersAsync(ctx, key, 0)
	cancel() // The search of whom nobody reads has to end: see TestMain.
}

// A candidate is told of while the router still looks for the next.
func TestStreamIsReadAsItComes(t *testing.T) {
	heard, first := make(chan struct{}), newPeer(t)
	c := newClient(t, Config{Base: serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", typeNDJSON)
		_, _ = io.WriteString(w, line(first, ""))
		w.(http.Flusher).Flush()
		select {
		case <-heard:
		case <-r.Context().Done():
		}
	}))})
	var found []peer.ID
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, c.Find(ctx, providers.Query{CIDs: []cid.Cid{key}, Most: 8}, func(p peer.AddrInfo) bool {
		found = append(found, p.ID)
		close(heard)
		return true
	}))
	require.Equal(t, []peer.ID{first}, found)
}

// What routers write of other makes and ages is understood.
func TestFormsOfAnswers(t *testing.T) {
	a, b := newPeer(t), newPeer(t)
	one, two := line(a, ""), line(b, "")
	list := func(entries ...string) string { return `{"Providers":[` + strings.Join(entries, ",") + `]}` }
	for name, tt := range map[string]struct {
		media, body string
		want        []peer.ID
	}{
		"list":                        {typeJSON, list(one, two), []peer.ID{a, b}},
		"list with a charset":         {typeJSON + "; charset=utf-8", list(one), []peer.ID{a}},
		"empty list":                  {typeJSON, list(), nil},
		"no list":                     {typeJSON, `{}`, nil},
		"null":                        {typeJSON, `{"Providers":null, "More": 1}`, nil},
		"other fields around":         {typeJSON, `{"A":{"b":[1,{}]},"Providers":[` + one + `],"Z":[]}`, []peer.ID{a}},
		"field in other letters":      {typeJSON, `{"providers":[` + one + `]}`, []peer.ID{a}},
		"lines":                       {typeNDJSON, one + two, []peer.ID{a, b}},
		"lines with returns":          {typeNDJSON, strings.ReplaceAll(one+two, "\n", "\r\n"), []peer.ID{a, b}},
		"empty lines":                 {typeNDJSON, "\n\n" + one + "\n\n" + two, []peer.ID{a, b}},
		"last line without an end":    {typeNDJSON, one + strings.TrimSpace(two), []peer.ID{a, b}},
		"no line":                     {typeNDJSON, "", nil},
		"identity as a CID":           {typeNDJSON, `{"Schema":"peer","ID":"` + peer.ToCid(a).String() + `"}`, []peer.ID{a}},
		"older schema":                {typeNDJSON, `{"Schema":"bitswap","Protocol":"transport-bitswap","ID":"` + a.String() + `"}`, []peer.ID{a}},
		"older schema, other use":     {typeNDJSON, `{"Schema":"bitswap","Protocol":"transport-other","ID":"` + a.String() + `"}` + two, []peer.ID{b}},
		"unknown schema":              {typeNDJSON, `{"Schema":"graphsync-filecoinv1","ID":"` + a.String() + `"}` + two, []peer.ID{b}},
		"no schema":                   {typeNDJSON, `{"ID":"` + a.String() + `"}` + two, []peer.ID{b}},
		"Bitswap among others":        {typeNDJSON, line(a, `,"Protocols":["transport-other","transport-bitswap"],"transport-other":{"x":1}`), []peer.ID{a}},
		"others only":                 {typeNDJSON, line(a, `,"Protocols":["transport-ipfs-gateway-http"]`) + two, []peer.ID{b}},
		"protocols that are not said": {typeNDJSON, line(a, `,"Protocols":[]`), []peer.ID{a}},
		"entries of other types":      {typeNDJSON, `1 "x" [] null {"Schema":7} {"Schema":"peer","ID":{}} ` + two, []peer.ID{b}},
		"list of other types":         {typeJSON, list(`1`, `"x"`, `[]`, `null`, `{"Schema":7}`, line(a, `,"Addrs":"x"`), two), []peer.ID{b}},
		"as many as are read":         {typeNDJSON, strings.Repeat("{}", maxEntries-1) + two, []peer.ID{b}},
		"identities that are none":    {typeNDJSON, `{"Schema":"peer","ID":""}{"Schema":"peer"}{"Schema":"peer","ID":"QmX"}` + two, []peer.ID{b}},
		"identity without an end":     {typeNDJSON, `{"Schema":"peer","ID":"` + strings.Repeat("z", 500<<10) + `"}` + two, []peer.ID{b}},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := find(t, newClient(t, Config{Base: serve(t, answering(200, tt.media, tt.body))}), "", 8)
			require.NoError(t, err)
			var ids []peer.ID
			for _, p := range found {
				ids = append(ids, p.ID)
			}
			require.Equal(t, tt.want, ids)
		})
	}
}

func TestAddressesThatAreOfNoUse(t *testing.T) {
	id, other := newPeer(t), newPeer(t)
	good := "/ip4/8.8.8.8/tcp/4001"
	many := slices.Repeat([]string{good}, 100)
	for name, tt := range map[string]struct {
		addrs []string
		want  []string // nil: the peer is not told of
	}{
		"its own identity at the end":     {[]string{good + "/p2p/" + id.String()}, []string{good}},
		"of another peer":                 {[]string{good + "/p2p/" + other.String(), good}, []string{good}},
		"of another peer alone":           {[]string{good + "/p2p/" + other.String()}, nil},
		"behind a relay":                  {[]string{good + "/p2p/" + other.String() + "/p2p-circuit"}, []string{good + "/p2p/" + other.String() + "/p2p-circuit"}},
		"of a protocol that is not known": {[]string{"/ip4/8.8.8.8/warp/9", good}, []string{good}},
		"rubbish":                         {[]string{"", "/", "x", "/ip4/8.8.8.8/tcp/99999", "/p2p/" + id.String(), good}, []string{good}},
		"long":                            {[]string{"/dns4/" + strings.Repeat("a", 300<<10) + "/tcp/1", "/dns4/" + strings.Repeat("a", 400) + "/tcp/1", good}, []string{good}},
		"no host's":                       {[]string{"/ip4/0.0.0.0/tcp/1", "/ip4/224.0.0.1/tcp/1", "/ip6/::/tcp/1", "/unix/run/x", good}, []string{good}},
		"too many":                        {many, many[:16]},
	} {
		t.Run(name, func(t *testing.T) {
			body := line(id, fmt.Sprintf(`,"Addrs":["%s"]`, strings.Join(tt.addrs, `","`)))
			found, err := find(t, newClient(t, Config{Base: serve(t, answering(200, typeNDJSON, body))}), "", 8)
			require.NoError(t, err)
			if tt.want == nil {
				require.Empty(t, found)
				return
			}
			require.Equal(t, []peer.AddrInfo{info(t, id, tt.want...)}, found)
		})
	}
}

// A router on the internet does not get the client to dial into its own network.
func TestScopeOfAddressesIsThatOfTheRouter(t *testing.T) {
	id := newPeer(t)
	public, private, local := "/ip4/8.8.8.8/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1"
	e := entry{Schema: schemaPeer, ID: id.String(), Addrs: []string{public, private, local}}
	for seen, want := range map[record.Scope][]string{
		record.ScopeNone:     {public},
		record.ScopePublic:   {public},
		record.ScopePrivate:  {public, private},
		record.ScopeLoopback: {public, private, local},
	} {
		p, ok := e.candidate(seen)
		require.True(t, ok)
		require.Equal(t, info(t, id, want...), p)
	}
	found, err := find(t, newClient(t, Config{Base: serve(t, answering(200, typeNDJSON, line(id, `,"Addrs":["`+local+`"]`)))}), "", 8)
	require.NoError(t, err)
	require.Equal(t, []peer.AddrInfo{info(t, id, local)}, found, "the router of this test is on loopback, and seen there")
}

func TestRefusalsAreTyped(t *testing.T) {
	for _, tt := range []struct {
		status  int
		headers []string
		after   time.Duration
	}{
		{http.StatusBadRequest, nil, 0},
		{http.StatusForbidden, []string{"Retry-After", "7"}, 0},
		{http.StatusInternalServerError, nil, 0},
		{http.StatusNotImplemented, nil, 0},
		{http.StatusNoContent, nil, 0},
		{http.StatusTooManyRequests, nil, 0},
		{http.StatusTooManyRequests, []string{"Retry-After", "7"}, 7 * time.Second},
		{http.StatusServiceUnavailable, []string{"Retry-After", "999999999"}, maxAfter},
		{http.StatusServiceUnavailable, []string{"Retry-After", "-1"}, 0},
		{http.StatusServiceUnavailable, []string{"Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT"}, 0},
		{http.StatusServiceUnavailable, []string{"Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"}, maxAfter},
	} {
		c := newClient(t, Config{Base: serve(t, answering(tt.status, "text/plain", strings.Repeat("no\n", 1000), tt.headers...))})
		_, err := find(t, c, "", 8)
		var refused *StatusError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, tt.status, refused.Status)
		require.Equal(t, tt.after, refused.After)
		require.LessOrEqual(t, len(refused.Text), maxText)
	}
}

func TestNotFoundIsNobody(t *testing.T) {
	found, err := find(t, newClient(t, Config{Base: serve(t, answering(404, "text/plain", "not found"))}), "", 8)
	require.NoError(t, err)
	require.Empty(t, found)
}

// roundTrips is a transport without a network.
type roundTrips func(*http.Request) (*http.Response, error)

func (f roundTrips) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRouterThatAsksForItIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := newClient(t, Config{Base: "http://router.example", Transport: roundTrips(func(*http.Request) (*http.Response, error) {
			asked++
			w := httptest.NewRecorder()
			answering(429, "text/plain", "slow down", "Retry-After", "60").ServeHTTP(w, nil)
			return w.Result(), nil
		})})
		for _, pause := range []time.Duration{0, 30 * time.Second, 29 * time.Second} {
			time.Sleep(pause)
			_, err := find(t, c, "", 8)
			require.ErrorAs(t, err, new(*StatusError))
			require.Equal(t, 1, asked)
		}
		time.Sleep(time.Second)
		_, err := find(t, c, "", 8)
		require.ErrorAs(t, err, new(*StatusError))
		require.Equal(t, 2, asked)
	})
}

func TestQuestionTakesNoLongerThanItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := roundTrips(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		start := time.Now()
		err := newClient(t, Config{Base: "http://router.example", Transport: stuck}).
			Find(t.Context(), providers.Query{CIDs: []cid.Cid{key}, Most: 1}, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, askTimeout, time.Since(start))
	})
}

// A router that begins to answer and then hangs, or drips, is given up as well.
func TestAnswerTakesNoLongerThanTheTimeout(t *testing.T) {
	for name, pace := range map[string]time.Duration{"hangs": time.Hour, "drips": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			first := newPeer(t)
			c := newClient(t, Config{Timeout: 200 * time.Millisecond, Base: serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", typeNDJSON)
				_, _ = io.WriteString(w, line(first, ""))
				for {
					_, _ = io.WriteString(w, " ")
					w.(http.Flusher).Flush()
					select {
					case <-time.After(pace):
					case <-r.Context().Done():
						return
					}
				}
			}))})
			found, err := find(t, c, "", 8)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, []peer.AddrInfo{{ID: first}}, found, "what came before counts")
		})
	}
}

func TestRedirects(t *testing.T) {
	s := &fakeSource{listed: crowd(t, 1)}
	target := serve(t, Handler(s))
	secure := httptest.NewTLSServer(Handler(s))
	defer secure.Close()
	to := func(url func(r *http.Request) string) *Client {
		return newClient(t, Config{Base: serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, url(r), http.StatusTemporaryRedirect)
		}))})
	}
	found, err := find(t, to(func(r *http.Request) string { return target + r.URL.RequestURI() }), "", 8)
	require.NoError(t, err)
	require.Len(t, found, 1)
	for name, url := range map[string]func(r *http.Request) string{
		"to itself":         func(r *http.Request) string { return r.URL.RequestURI() },
		"to another scheme": func(r *http.Request) string { return secure.URL + r.URL.RequestURI() },
		"to a file":         func(*http.Request) string { return "file:///etc/passwd" },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := find(t, to(url), "", 8)
			require.ErrorIs(t, err, ErrRedirect)
		})
	}
	require.Len(t, s.questions(), 1)
}

// endless writes something and then the same for ever, until nobody reads it.
func endless(media, first, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		_, _ = io.WriteString(w, first)
		for {
			if _, err := io.WriteString(w, text); err != nil {
				return
			}
		}
	})
}

// Answers that are wrong end with an error of their kind.
func TestAnswersThatAreRefused(t *testing.T) {
	a := newPeer(t)
	for name, tt := range map[string]struct {
		router http.Handler
		err    error
	}{
		"a page":                  {answering(200, "text/html", "<html>"), ErrContentType},
		"no type":                 {answering(200, "", "{}"), ErrContentType},
		"rubbish for a type":      {answering(200, "; ;", "{}"), ErrContentType},
		"no JSON":                 {answering(200, typeJSON, "<html>"), ErrEncoding},
		"no JSON in a line":       {answering(200, typeNDJSON, line(a, "")+"<html>"), ErrEncoding},
		"nothing":                 {answering(200, typeJSON, ""), ErrEncoding},
		"a list only":             {answering(200, typeJSON, "[]"), ErrEncoding},
		"null":                    {answering(200, typeJSON, "null"), ErrEncoding},
		"a list that is a text":   {answering(200, typeJSON, `{"Providers":"x"}`), ErrEncoding},
		"an object for a list":    {answering(200, typeJSON, `{"Providers":{}}`), ErrEncoding},
		"a list without an end":   {answering(200, typeJSON, `{"Providers":[`+line(a, "")), ErrEncoding},
		"a line without an end":   {answering(200, typeNDJSON, `{"Schema":"peer"`), ErrEncoding},
		"a closing brace":         {answering(200, typeNDJSON, `}`), ErrEncoding},
		"depth":                   {answering(200, typeNDJSON, strings.Repeat("[", 500<<10)), ErrEncoding},
		"a text for ever":         {endless(typeNDJSON, `"`, strings.Repeat("a", 1<<10)), ErrSize},
		"white space for ever":    {endless(typeJSON, "", strings.Repeat(" ", 1<<10)), ErrSize},
		"an entry too many":       {answering(200, typeNDJSON, strings.Repeat("{} ", maxEntries)+line(a, "")), ErrSize},
		"an odd entry too many":   {answering(200, typeNDJSON, strings.Repeat("7 ", maxEntries+1)), ErrSize},
		"small entries for ever":  {endless(typeNDJSON, "", "{}\n"), ErrSize},
		"fields for ever":         {endless(typeJSON, "", `{"a":`), ErrEncoding},
		"numbers for ever":        {endless(typeNDJSON, "", "1"), ErrSize},
		"entries of others again": {endless(typeNDJSON, "", line(a, `,"Protocols":["other"]`)), ErrSize},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := find(t, newClient(t, Config{Base: serve(t, tt.router)}), "", 8)
			require.ErrorIs(t, err, tt.err)
		})
	}
}

func TestRouterThatIsNotThere(t *testing.T) {
	gone := httptest.NewServer(Handler(&fakeSource{}))
	gone.Close()
	_, err := find(t, newClient(t, Config{Base: gone.URL}), "", 8)
	require.Error(t, err)
}
