package debug

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

const token = "a token of some length"

func TestWithoutTheTokenNothingIsShown(t *testing.T) {
	s := listenWith(t, t.Context(), ListenConfig{Token: token})
	for header, status := range map[string]int{
		"":                    401,
		"Bearer " + token:     200,
		"bearer " + token:     200,
		"Bearer " + token[1:]: 401,
		"Bearer":              401,
		"Bearer ":             401,
		"Basic " + token:      401,
		token:                 401,
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := request(t, method, s.URL(), nil)
			r.Header.Set("Authorization", header)
			got, body := do(t, client, r)
			require.Equal(t, status, got, "%s %q", method, header)
			require.Equal(t, status == 200, body == "hello", "%s %q", method, header)
		}
	}
}

func TestWhetherTheNodeLivesIsToldWithoutAToken(t *testing.T) {
	s := listenWith(t, t.Context(), ListenConfig{Token: token})
	base := strings.TrimSuffix(s.URL(), "/debug/")
	for path, status := range map[string]int{
		"/livez": 200, "/readyz": 200, "/debug/style.css": 200,
		"/livez/": 401, "/livez/../debug/ledgers": 401, "//debug/ledgers": 401, "/debug/style.css/..": 401, "/LIVEZ": 401,
		"/metrics": 401, "/api/v0/bitswap/stat": 401, "/debug/login/x": 401,
	} {
		got, _ := do(t, client, request(t, http.MethodGet, base+path, nil))
		require.Equal(t, status, got, path)
	}
}

func TestPeopleLogInWithAForm(t *testing.T) {
	s := listenWith(t, t.Context(), ListenConfig{Token: token})
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	person := &http.Client{Jar: jar, Transport: client.Transport}

	r := request(t, http.MethodGet, s.URL()+"ledgers?sort=sent", nil)
	r.Header.Set("Accept", browser)
	status, form := do(t, person, r)
	require.Equal(t, 200, status)
	requireHas(t, form, `type="password"`)
	requireHas(t, form, `value="/debug/ledgers?sort=sent"`)

	status, form = logIn(t, person, s, "not the token at all", "/")
	require.Equal(t, 403, status)
	requireHas(t, form, "That is not the token.")
	require.Empty(t, jar.Cookies(mustParse(t, s.URL())))

	status, body := logIn(t, person, s, token, "/debug/ledgers?sort=sent")
	require.Equal(t, 200, status)
	require.Equal(t, "hello", body, "where they wanted to go")

	status, _ = do(t, person, request(t, http.MethodPost, s.URL()+"logout", nil))
	require.Equal(t, 200, status)
	status, _ = do(t, person, request(t, http.MethodGet, s.URL(), nil))
	require.Equal(t, 401, status)
}

func TestTheCookieIsForThisServerAlone(t *testing.T) {
	s := listenWith(t, t.Context(), ListenConfig{Token: token})
	once := &http.Client{Transport: client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := once.PostForm(s.URL()+"login", url.Values{"token": {token}, "next": {"//evil.example"}})
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusSeeOther, answer.StatusCode)
	require.Equal(t, "/debug/", answer.Header.Get("Location"))
	cookie := answer.Header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} {
		require.Contains(t, cookie, want)
	}
	require.NotContains(t, cookie, token)
}

func TestCookiesEndAndCannotBeMade(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	g := newGate(token, false, &net.TCPAddr{Port: 4180})
	g.now = func() time.Time { return now }
	good := g.sign(now.Add(loginTime))
	require.True(t, g.signed(good))
	text, sum, _ := strings.Cut(good, ".")
	for _, bad := range []string{"", ".", text, text + ".", "9" + text + "." + sum, text + "." + sum[2:], text + ".zz", newGate(token, false, nil).sign(now.Add(loginTime))} {
		require.False(t, g.signed(bad), bad)
	}
	now = now.Add(loginTime)
	require.False(t, g.signed(good), "its time is over")
}

func TestAfterTheFormNobodyIsSentElsewhere(t *testing.T) {
	for next, want := range map[string]string{
		"/debug/ledgers?sort=sent": "/debug/ledgers?sort=sent", "/": "/", "": "/debug/",
		"//evil.example": "/debug/", `/\evil.example`: "/debug/", "https://evil.example/": "/debug/",
		"javascript:alert(1)": "/debug/", "evil": "/debug/", "/a\r\nb": "/debug/", "/%zz": "/debug/",
		"/\t/evil.example": "/debug/", "///evil.example": "/debug/",
	} {
		require.Equal(t, want, localPath(next), next)
	}
}

func TestAnyAddressMayBeListenedAtWithAToken(t *testing.T) {
	s, err := Listen(t.Context(), "0.0.0.0:0", hello, ListenConfig{Token: token})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func TestListenConfigSaysWhatIsWrong(t *testing.T) {
	for says, cfg := range map[string]ListenConfig{
		"fewer than 16":         {Token: "short"},
		"needs a key":           {CertFile: "cert.pem"},
		"a key a certificate":   {KeyFile: "key.pem"},
		"over TLS only":         {ClientCAFile: "ca.pem"},
		"certificate: open non": {CertFile: "none", KeyFile: "none"},
	} {
		_, err := Listen(t.Context(), "127.0.0.1:0", hello, cfg)
		require.ErrorContains(t, err, says)
	}
	pair := newPair(t, t.TempDir())
	_, err := Listen(t.Context(), "127.0.0.1:0", hello, ListenConfig{CertFile: pair.cert, KeyFile: pair.key, ClientCAFile: pair.key})
	require.ErrorContains(t, err, "no certificate in PEM")
}

func TestWithCertificatesOfClientsNobodyElseGetsIn(t *testing.T) {
	pair := newPair(t, t.TempDir())
	s := listenWith(t, t.Context(), ListenConfig{CertFile: pair.cert, KeyFile: pair.key, ClientCAFile: pair.cert})
	require.True(t, strings.HasPrefix(s.URL(), "https://"))
	roots := x509.NewCertPool()
	roots.AddCert(pair.leaf)
	stranger := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	_, err := stranger.Get(s.URL())
	require.Error(t, err)

	known, err := tls.LoadX509KeyPair(pair.cert, pair.key)
	require.NoError(t, err)
	friend := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{known}}}}
	status, body := do(t, friend, request(t, http.MethodGet, s.URL(), nil))
	require.Equal(t, 200, status)
	require.Equal(t, "hello", body)

	other := newPair(t, t.TempDir())
	forged, err := tls.LoadX509KeyPair(other.cert, other.key)
	require.NoError(t, err)
	forger := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{forged}}}}
	_, err = forger.Get(s.URL())
	require.Error(t, err)
}

func TestListensOnAUnixSocketOfThisUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := Listen(t.Context(), "unix:"+path, hello, ListenConfig{})
	require.NoError(t, err)
	require.Equal(t, "unix:"+path, s.URL())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	local := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	status, body := do(t, local, request(t, http.MethodGet, "http://localhost/", nil))
	require.Equal(t, 200, status)
	require.Equal(t, "hello", body)

	_, err = Listen(t.Context(), "unix:"+path, hello, ListenConfig{})
	require.ErrorContains(t, err, "address already in use", "it is answered at")
	require.NoError(t, s.Close())
}

func TestAnAbandonedSocketIsReplacedAndNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	left.SetUnlinkOnClose(false)
	require.NoError(t, left.Close())
	s, err := Listen(t.Context(), "unix:"+path, hello, ListenConfig{})
	require.NoError(t, err)
	require.NoError(t, s.Close())

	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	_, err = Listen(t.Context(), "unix:"+path, hello, ListenConfig{})
	require.Error(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}

func logIn(t *testing.T, c *http.Client, s *Server, token, next string) (int, string) {
	t.Helper()
	r := request(t, http.MethodPost, s.URL()+"login", strings.NewReader(url.Values{"token": {token}, "next": {next}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(t, c, r)
}

func request(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	return r
}

// do returns the status and the body of the answer to a request.
func do(t *testing.T, c *http.Client, r *http.Request) (int, string) {
	t.Helper()
	answer, err := c.Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode, string(body)
}

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

// answered sends a request over a connection and waits for the answer.
func answered(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1))
	require.NoError(t, err)
}

func withLocal(ctx context.Context, addr net.Addr) context.Context {
	return context.WithValue(ctx, http.LocalAddrContextKey, addr)
}

var silent = zap.NewNop()

// pair is a certificate for 127.0.0.1 that has signed itself, with its key.
type pair struct {
	cert, key string
	leaf      *x509.Certificate
}

func newPair(t *testing.T, dir string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "node"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	p := pair{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), leaf: leaf}
	require.NoError(t, os.WriteFile(p.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(p.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return p
}

// pipes is a listener without sockets, so that time may stand still.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
}

func newPipes() *pipes {
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.done) })
	return p
}

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.close(); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
