package routingv1

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/message"
	"github.com/souk-p2p/souk/providers/record"
)

// Whatever a router answers, whom the client tells of is well-formed and few, and
// is told of again when a handler lists it.
func FuzzAnswer(f *testing.F) {
	a, err := peer.Decode("QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN")
	require.NoError(f, err)
	whole := line(a, `,"Addrs":["/ip4/8.8.8.8/tcp/4001/p2p/`+a.String()+`","/dns4/a.example/udp/1/quic-v1","/ip4/127.0.0.1/tcp/1"],"Protocols":["transport-bitswap"]`)
	f.Add([]byte(whole+whole), false, uint8(record.ScopePublic))
	f.Add([]byte(`{"A":[{}],"Providers":[`+whole+`,null,7]}`), true, uint8(record.ScopeLoopback))
	f.Add([]byte(`{"Schema":"bitswap","Protocol":"transport-bitswap","ID":"`+peer.ToCid(a).String()+`"}`), false, uint8(0))
	f.Fuzz(func(t *testing.T, body []byte, listed bool, scope uint8) {
		media, seen := typeNDJSON, record.Scope(scope%4)
		if listed {
			media = typeJSON
		}
		found := 0
		err := readProviders(bytes.NewReader(body), media, seen, func(p peer.AddrInfo) bool {
			found++
			require.NoError(t, p.ID.Validate())
			require.LessOrEqual(t, len(p.ID), record.MaxPeer)
			require.LessOrEqual(t, len(p.Addrs), record.MaxAddrs)
			for _, addr := range p.Addrs {
				again, ok := parseAddr(addr.String(), p.ID)
				require.True(t, ok && again.Equal(addr) && reachable(again, seen), addr)
			}
			return true
		})
		require.LessOrEqual(t, found, maxEntries)
		if err != nil {
			require.True(t, errors.Is(err, ErrEncoding) || errors.Is(err, ErrSize), err)
		}
	})
}

// Whatever is asked, the source is asked for what is right, or who asks is told
// why not.
func FuzzRequest(f *testing.F) {
	f.Add(providersPath, "filter-addrs=tcp,!ip6&filter-protocols=unknown", "application/x-ndjson")
	f.Add("/ns/a%2Fb"+providersPath, "", "*/*;q=0.1")
	f.Add(providersPath, "namespace=%00", "")
	f.Add("/routing/v1/peers/x", "a;b", "text/html")
	f.Add("/ns//../routing/v1/providers/%2e%2e", "%zz", ",,")
	someone := crowd(f, 1)
	f.Fuzz(func(t *testing.T, path, query, accept string) {
		at, err := url.ParseRequestURI(path)
		if err != nil {
			return // The server refuses it.
		}
		at.RawQuery = query
		s := &fakeSource{listed: someone}
		w := httptest.NewRecorder()
		Handler(s).ServeHTTP(w, &http.Request{Method: "GET", URL: at, Header: http.Header{"Accept": {accept}}, RemoteAddr: "9.9.9.9:1"})
		for _, q := range s.questions() {
			require.True(t, q.namespace == "" || q.namespace.Check() == nil)
			require.True(t, q.namespace != "" && !q.key.Defined() || message.CheckCID(q.key) == nil)
		}
		require.Contains(t, []int{200, 400, 404, 406, 414, 501}, w.Code)
		require.True(t, w.Code == 200 || len(s.questions()) == 0)
		if w.Code == 200 {
			require.NoError(t, readProviders(w.Body, w.Header().Get("Content-Type"), record.ScopePublic, func(p peer.AddrInfo) bool {
				require.Equal(t, someone[0].Info, p)
				return true
			}))
		}
	})
}
