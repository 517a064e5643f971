package routingv1

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/providers"
	"github.com/souk-p2p/souk/providers/record"
	"github.com/souk-p2p/souk/providers/tracker"
	"github.com/souk-p2p/souk/test/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what should take a moment.
const patience = eventually.Patience

const films = "films"

var key = cidOf("The Third Man")

// asked is what a source was asked.
type asked struct {
	asker     netip.Addr
	namespace record.Namespace
	key       cid.Cid
	most      int
}

// fakeSource lists the same providers to everybody.
type fakeSource struct {
	listed []tracker.Listed
	err    error
	hold   chan struct{} // if there is one, answers wait until it is closed

	mu    sync.Mutex
	asked []asked
}

func (s *fakeSource) Providers(ctx context.Context, asker netip.Addr, ns record.Namespace, c cid.Cid, k int) ([]tracker.Listed, error) {
	s.mu.Lock()
	s.asked = append(s.asked, asked{asker, ns, c, k})
	s.mu.Unlock()
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s.listed[:min(k, len(s.listed))], s.err
}

func (s *fakeSource) questions() []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]asked(nil), s.asked...)
}

// question returns the one thing that was asked.
func (s *fakeSource) question(t testing.TB) asked {
	t.Helper()
	all := s.questions()
	require.Len(t, all, 1)
	return all[0]
}

func cidOf(data string) cid.Cid {
	c, err := cid.Prefix{Version: 1, Codec: cid.Raw, MhType: multihash.SHA2_256, MhLength: -1}.Sum([]byte(data))
	if err != nil {
		panic(err) // sha2-256 is always there
	}
	return c
}

func newPeer(t testing.TB) peer.ID {
	t.Helper()
	priv, _, err := crypto.GenerateEd25519Key(rand.Reader)
	require.NoError(t, err)
	id, err := peer.IDFromPrivateKey(priv)
	require.NoError(t, err)
	return id
}

func info(t testing.TB, id peer.ID, addrs ...string) peer.AddrInfo {
	t.Helper()
	p := peer.AddrInfo{ID: id}
	for _, text := range addrs {
		a, err := multiaddr.NewMultiaddr(text)
		require.NoError(t, err)
		p.Addrs = append(p.Addrs, a)
	}
	return p
}

// someone returns a provider at a public address.
func someone(t testing.TB) tracker.Listed {
	t.Helper()
	return tracker.Listed{Info: info(t, newPeer(t), "/ip4/8.8.8.8/tcp/4001")}
}

// crowd returns n providers.
func crowd(t testing.TB, n int) []tracker.Listed {
	t.Helper()
	all := make([]tracker.Listed, n)
	for i := range all {
		all[i] = someone(t)
	}
	return all
}

func infos(listed []tracker.Listed) []peer.AddrInfo {
	all := make([]peer.AddrInfo, len(listed))
	for i, l := range listed {
		all[i] = l.Info
	}
	return all
}

// get asks a handler without a network in between, and as someone with a public
// address. Headers are names and values in turn.
func get(t testing.TB, h http.Handler, method, url string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, url, nil)
	r.RemoteAddr = "9.9.9.9:1234"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// serve starts a server that ends with the test and returns its base URL.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// answering returns a handler that answers everybody the same.
func answering(status int, contentType, body string, headers ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func newClient(t testing.TB, cfg Config) *Client {
	t.Helper()
	c, err := NewClient(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// find asks for one CID and returns whom the client found.
func find(t testing.TB, c *Client, namespace string, most int) ([]peer.AddrInfo, error) {
	t.Helper()
	return findAll(t, c, providers.Query{Namespace: namespace, CIDs: []cid.Cid{key}, Most: most})
}

func findAll(t testing.TB, c *Client, q providers.Query) (found []peer.AddrInfo, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = c.Find(ctx, q, func(p peer.AddrInfo) bool {
		found = append(found, p)
		return true
	})
	return found, err
}

// line is an entry as a router writes it.
func line(id peer.ID, more string) string {
	return fmt.Sprintf(`{"Schema":"peer","ID":%q%s}`, id.String(), more) + "\n"
}
