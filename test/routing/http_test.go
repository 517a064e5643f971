package routing

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/routingv1"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/test/internal/corpus"
	"github.com/souk-p2p/souk/test/internal/tally"
)

// counted is a source that knows nobody and counts how often it is asked.
type counted struct{ asked atomic.Int64 }

func (s *counted) Providers(context.Context, netip.Addr, record.Namespace, cid.Cid, int) ([]tracker.Listed, error) {
	s.asked.Add(1)
	return nil, nil
}

// open starts a server on loopback that ends with the test, and returns its address.
func open(t *testing.T, s routingv1.Source) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := routingv1.NewServer(routingv1.Handler(s))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
	return l.Addr().String()
}

// say sends what is given, byte for byte, and returns what comes back.
func say(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	go func() { _, _ = io.WriteString(conn, request) }() // The server may stop reading.
	answer, err := io.ReadAll(io.LimitReader(conn, 64<<10))
	if len(answer) == 0 {
		require.NoError(t, err)
	}
	return string(answer)
}

// What means nothing is refused before the source is asked.
func TestRefusedRequests(t *testing.T) {
	key := corpus.CIDs(corpus.Blocks(1, 1, 100))[0]
	path := "/routing/v1/providers/" + key.String()
	identity, err := cid.Prefix{Version: 1, Codec: cid.Raw, MhType: multihash.IDENTITY, MhLength: -1}.Sum([]byte("here"))
	require.NoError(t, err)
	wide, err := cid.Prefix{Version: 1, Codec: cid.Raw, MhType: multihash.SHA2_512, MhLength: -1}.Sum(nil)
	require.NoError(t, err)
	base2, err := wide.StringOfBase('0')
	require.NoError(t, err)
	ns := func(escaped string) string { return "/ns/" + escaped + path }
	tests := []struct {
		name, method, at string
		status           int
	}{
		{"no CID", "GET", "/routing/v1/providers/nonsense", 400},
		{"CID with a byte that is none", "GET", path + "%00", 400},
		{"CID with an escape that is none", "GET", "/routing/v1/providers/%FF%FE", 400},
		{"CID that proves nothing", "GET", "/routing/v1/providers/" + identity.String(), 400},
		{"CID in base 2", "GET", "/routing/v1/providers/" + base2, 400},
		{"long CID", "GET", "/routing/v1/providers/b" + strings.Repeat("a", 1000), 400},
		{"long CID in base 58", "GET", "/routing/v1/providers/z" + strings.Repeat("z", 1900), 400},
		{"CID and more", "GET", path + "/more", 501},
		{"two CIDs", "GET", path + "%2F" + key.String(), 400},
		{"namespace of control characters", "GET", ns("a%00b"), 400},
		{"namespace of line breaks", "GET", ns("a%0D%0Ab"), 400},
		{"namespace of no UTF-8", "GET", ns("%FF"), 400},
		{"namespace of 200 bytes", "GET", ns(strings.Repeat("a", 200)), 400},
		{"empty namespace", "GET", ns(""), 400},
		{"empty namespace in the query", "GET", path + "?namespace=", 400},
		{"two namespaces", "GET", path + "?namespace=a&namespace=b", 400},
		{"namespace in path and query", "GET", ns("a") + "?namespace=a", 400},
		{"query with an escape that is none", "GET", path + "?namespace=%zz", 400},
		{"query with semicolons", "GET", path + "?namespace=a;b", 400},
		{"namespace alone", "GET", "/ns/films", 404},
		{"namespace of a namespace", "GET", "/ns/a" + ns("b"), 404},
		{"root", "GET", "/", 404},
		{"elsewhere", "GET", "/debug/pprof", 404},
		{"older version", "GET", "/routing/v0/providers/" + key.String(), 404},
		{"path in capitals", "GET", "/Routing/v1/providers/" + key.String(), 404},
		{"unknown call", "GET", "/routing/v1/blocks/" + key.String(), 400},
		{"unknown call of a namespace", "GET", "/ns/films/routing/v1/", 400},
		{"peers", "GET", "/routing/v1/peers/12D3KooW", 501},
		{"names", "GET", "/routing/v1/ipns/" + key.String(), 501},
		{"names, published", "PUT", "/routing/v1/ipns/" + key.String(), 501},
		{"closest peers", "GET", "/routing/v1/dht/closest/peers/" + key.String(), 501},
		{"providing", "PUT", "/routing/v1/providers/", 501},
		{"posting", "POST", path, 501},
		{"deleting", "DELETE", ns("films"), 501},
		{"path with a byte that is none", "GET", "/routing/v1/providers/\x00", 400},
		{"path with an escape that is none", "GET", ns("%zz"), 400},
		{"no path", "GET", "*", 404},
		{"another server's", "CONNECT", "tracker:80", 404},
		{"unknown method", "BREW", path, 501},
		{"huge query", "GET", path + "?x=" + strings.Repeat("a", 4<<10), 414},
		{"huge path", "GET", ns(strings.Repeat("%41", 1000)), 414},
	}
	source := new(counted)
	addr := open(t, source)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tally.Add(t, tally.BadInputs, 1)
			answer := say(t, addr, tt.method+" "+tt.at+" HTTP/1.1\r\nHost: tracker\r\nConnection: close\r\n\r\n")
			status, rest, _ := strings.Cut(answer, "\r\n")
			require.True(t, strings.HasPrefix(status, fmt.Sprintf("HTTP/1.1 %d ", tt.status)), answer)
			_, text, _ := strings.Cut(rest, "\r\n\r\n")
			require.NotEmpty(t, strings.TrimSpace(text))
			require.Less(t, len(answer), 2000)
			require.Zero(t, source.asked.Load())
		})
	}
	require.Contains(t, say(t, addr, "GET "+path+" HTTP/1.0\r\n\r\n"), "200 OK")
}
