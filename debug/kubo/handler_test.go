package kubo

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/ledger"
)

const (
	self    = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
	partner = "QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC"
	silent  = "12D3KooWHdiAxVd8uMQR1hGWXccidmfCwLqcMpGwR6QcTP6QRMuD"
	first   = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
	second  = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
)

// What Kubo 0.42 answers with at these paths.
func TestAnswersHaveTheShapeOfKubos(t *testing.T) {
	for path, want := range map[string]string{
		"stat": `{"Wantlist":[{"/":"` + second + `"},{"/":"` + first + `"}],"Peers":["` + self + `","` + partner + `"],` +
			`"BlocksReceived":1,"DataReceived":2000000,"DupBlksReceived":3,"DupDataReceived":4,"MessagesReceived":5,"BlocksSent":6,"DataSent":7}` + "\n",
		"ledger?arg=" + partner:   `{"Peer":"` + partner + `","Value":2.5,"Sent":25,"Recv":9,"Exchanged":12}` + "\n",
		"ledger/" + partner:       `{"Peer":"` + partner + `","Value":2.5,"Sent":25,"Recv":9,"Exchanged":12}` + "\n",
		"ledger?arg=" + silent:    `{"Peer":"` + silent + `","Value":0,"Sent":0,"Recv":0,"Exchanged":0}` + "\n",
		"wantlist":                `{"Keys":[{"/":"` + second + `"},{"/":"` + first + `"}]}` + "\n",
		"wantlist?peer=" + self:   `{"Keys":[{"/":"` + second + `"},{"/":"` + first + `"}]}` + "\n",
		"wantlist?p=" + partner:   `{"Keys":[{"/":"` + first + `"}]}` + "\n",
		"wantlist?peer=" + silent: `{"Keys":null}` + "\n",
	} {
		got := ask(t, http.MethodPost, path, nil)
		require.Equal(t, http.StatusOK, got.Code, path)
		require.Equal(t, want, got.Body.String(), path)
		require.Equal(t, "application/json", got.Header().Get("Content-Type"))
	}
	require.Equal(t, `{"Keys":[]}`+"\n", askNode(t, &fake{}, http.MethodPost, "wantlist", nil).Body.String())
}

func TestTextIsWhatTheCommandLinePrints(t *testing.T) {
	status := "bitswap status\n\tblocks received: 1\n\tblocks sent: 6\n\tdata received: 2000000\n\tdata sent: 7\n" +
		"\tdup blocks received: 3\n\tdup data received: 4\n\twantlist [2 keys]\n\t\t" + second + "\n\t\t" + first + "\n\tpartners [2]\n"
	for path, want := range map[string]string{
		"stat?encoding=text":                  status,
		"stat?enc=text&verbose=true":          status + "\t\t" + self + "\n\t\t" + partner + "\n",
		"stat?encoding=text&v=":               status + "\t\t" + self + "\n\t\t" + partner + "\n",
		"ledger?encoding=text&arg=" + partner: "Ledger for " + partner + "\nDebt ratio:\t2.500000\nExchanges:\t12\nBytes sent:\t25\nBytes received:\t9\n\n",
		"wantlist?encoding=text":              second + "\n" + first + "\n",
	} {
		got := ask(t, http.MethodPost, path, nil)
		require.Equal(t, http.StatusOK, got.Code, path)
		require.Equal(t, want, got.Body.String(), path)
		require.Equal(t, "text/plain", got.Header().Get("Content-Type"))
	}
	require.Contains(t, ask(t, http.MethodPost, "stat?encoding=text&human=true", nil).Body.String(), "data received: 2.0 MB\n\tdata sent: 7 B\n")
}

func TestSizesForPeople(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 9: "9 B", 10: "10 B", 999: "999 B", 1000: "1.0 kB", 82_854_982: "83 MB", 1 << 63: "9.2 EB"} {
		require.Equal(t, want, human(n))
	}
}

func TestErrorsAreThoseOfKubo(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
		body, media  string
	}{
		{"GET", "stat", 405, "405 - Method Not Allowed\n", "text/plain; charset=utf-8"},
		{"HEAD", "stat", 405, "405 - Method Not Allowed\n", "text/plain; charset=utf-8"},
		{"PUT", "nothing", 405, "405 - Method Not Allowed\n", "text/plain; charset=utf-8"},
		{"OPTIONS", "stat", 204, "", ""},
		{"POST", "nothing", 404, "404 page not found\n", "text/plain; charset=utf-8"},
		{"POST", "", 404, "404 page not found\n", "text/plain; charset=utf-8"},
		{"POST", "ledger/a/b", 404, "404 page not found\n", "text/plain; charset=utf-8"},
		{"POST", "ledger", 400, "argument \"peer\" is required\n", "text/plain; charset=utf-8"},
		{"POST", "stat?encoding=morse", 400, "invalid encoding: morse\n", "text/plain; charset=utf-8"},
		{"POST", "stat?verbose=maybe", 400, "could not convert value \"maybe\" to type \"bool\" (for option \"-verbose\")\n", "text/plain; charset=utf-8"},
		{"POST", "wantlist?peer=a&peer=b", 400, "expected key peer to have only a single value, received [a b]\n", "text/plain; charset=utf-8"},
		{"POST", "ledger?arg=nobody", 500, `{"Message":"failed to parse peer ID: invalid cid: selected encoding not supported","Code":0,"Type":"error"}` + "\n", "application/json"},
		{"POST", "wantlist?peer=nobody", 500, `{"Message":"failed to parse peer ID: invalid cid: selected encoding not supported","Code":0,"Type":"error"}` + "\n", "application/json"},
		{"POST", "ledger?arg=nobody&encoding=text", 500, "failed to parse peer ID: invalid cid: selected encoding not supported", "text/plain"},
	} {
		got := ask(t, c.method, c.path, nil)
		require.Equal(t, c.status, got.Code, "%s %s", c.method, c.path)
		require.Equal(t, c.body, got.Body.String(), "%s %s", c.method, c.path)
		require.Equal(t, c.media, got.Header().Get("Content-Type"), "%s %s", c.method, c.path)
		if c.status == 405 || c.status == 204 {
			require.Equal(t, "OPTIONS, POST", got.Header().Get("Allow"))
		}
	}
}

// The command line of Kubo sends all of its options along.
func TestTheCommandLineOfKuboIsAnswered(t *testing.T) {
	got := ask(t, http.MethodPost, "stat?encoding=json&human=true&stream-channels=true&verbose=true", map[string]string{"User-Agent": "/kubo/0.39.0/", "Content-Type": "application/octet-stream"})
	require.Equal(t, http.StatusOK, got.Code)
	require.Contains(t, got.Body.String(), `"DataReceived":2000000`, "a size stays a number")
}

func TestBrowsersOfOtherPagesAreRefused(t *testing.T) {
	for _, c := range []struct {
		header map[string]string
		status int
	}{
		{map[string]string{"User-Agent": "curl/8.0"}, 200},
		{map[string]string{"User-Agent": "Mozilla/5.0"}, 403},
		{map[string]string{"User-Agent": "Mozilla/5.0 Electron/30"}, 200},
		{map[string]string{"User-Agent": "Mozilla/5.0", "Origin": "http://127.0.0.1:4180"}, 200},
		{map[string]string{"Origin": "http://localhost:4180"}, 200},
		{map[string]string{"Origin": "https://[::1]:4180"}, 200},
		{map[string]string{"Origin": "http://127.0.0.1:8080"}, 403},
		{map[string]string{"Origin": "https://evil.example"}, 403},
		{map[string]string{"Origin": "null"}, 403},
		{map[string]string{"Referer": "http://localhost:4180/debug/"}, 200},
		{map[string]string{"Referer": "https://evil.example/"}, 403},
		{map[string]string{"Referer": "%%"}, 403},
		{map[string]string{"Origin": "http://localhost:4180", "Referer": "https://evil.example/"}, 403},
	} {
		require.Equal(t, c.status, ask(t, http.MethodPost, "stat", c.header).Code, "%v", c.header)
	}
}

func ask(t *testing.T, method, path string, header map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	return askNode(t, &fake{
		stat:     souk.Stat{BlocksReceived: 1, DataReceived: 2_000_000, DupBlksReceived: 3, DupDataReceived: 4, MessagesReceived: 5, BlocksSent: 6, DataSent: 7},
		partners: []string{partner, self}, wants: []string{second, first},
	}, method, path, header)
}

func askNode(t *testing.T, n *fake, method, path string, header map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4180}))
	r := httptest.NewRequestWithContext(ctx, method, Path+"bitswap/"+path, nil)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	Handler(n).ServeHTTP(w, r)
	return w
}

// fake is a node with one partner that wants something.
type fake struct {
	stat            souk.Stat
	partners, wants []string
}

func (f *fake) Self() peer.ID { return decode(self) }

func (f *fake) Stat() souk.Stat { return f.stat }

func (f *fake) Partners() (all []peer.ID) {
	for _, text := range f.partners {
		all = append(all, decode(text))
	}
	return all
}

func (f *fake) Ledger(p peer.ID) (ledger.Receipt, bool) {
	if p != decode(partner) {
		return ledger.Receipt{}, false
	}
	return ledger.Receipt{Peer: p, Counters: ledger.Counters{BytesSent: 25, BytesReceived: 9}, Value: 2.5, Exchanged: 12}, true
}

func (f *fake) Wantlist() (all []cid.Cid) {
	for _, text := range f.wants {
		all = append(all, cid.MustParse(text))
	}
	return all
}

func (f *fake) WantlistOf(p peer.ID) []cid.Cid {
	if p != decode(partner) {
		return nil
	}
	return []cid.Cid{cid.MustParse(first)}
}

func decode(text string) peer.ID {
	p, err := peer.Decode(text)
	if err != nil {
		panic(err)
	}
	return p
}
