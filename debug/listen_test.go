package debug

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"
)

func TestListensOnLoopbackOnly(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0", "[::ffff:192.0.2.1]:0"} {
		_, err := Listen(t.Context(), addr, hello, ListenConfig{})
		var refused *NotLoopbackError
		require.ErrorAs(t, err, &refused, addr)
		require.Equal(t, addr, refused.Address)
	}
	for _, addr := range []string{"127.0.0.1", "", "127.0.0.1:shoe"} {
		_, err := Listen(t.Context(), addr, hello, ListenConfig{})
		require.ErrorContains(t, err, "debug:", addr)
	}
	for _, addr := range []string{"127.0.0.1:0", "127.9.9.9:0", "localhost:0"} {
		s, err := Listen(t.Context(), addr, hello, ListenConfig{Log: zaptest.NewLogger(t)})
		require.NoError(t, err, addr)
		require.True(t, s.Addr().(*net.TCPAddr).IP.IsLoopback())
		require.NoError(t, s.Close())
	}
}

func TestAddressInUseIsAnError(t *testing.T) {
	s := listen(t, t.Context())
	_, err := Listen(t.Context(), s.Addr().String(), hello, ListenConfig{})
	require.ErrorContains(t, err, "address already in use")
}

// A page of another site may let its own name resolve to 127.0.0.1 and then
// read what is there as its own origin.
func TestOtherNamesAreRefused(t *testing.T) {
	s := listen(t, t.Context())
	for host, status := range map[string]int{
		s.Addr().String():          http.StatusOK,
		"localhost":                http.StatusOK,
		"LocalHost:5001":           http.StatusOK,
		"127.0.0.1":                http.StatusOK,
		"[::1]:80":                 http.StatusOK,
		"[::1]":                    http.StatusOK,
		"evil.example":             http.StatusMisdirectedRequest,
		"evil.example:80":          http.StatusMisdirectedRequest,
		"localhost.evil.example":   http.StatusMisdirectedRequest,
		"127.0.0.1.evil.example:1": http.StatusMisdirectedRequest,
		"192.0.2.1":                http.StatusMisdirectedRequest,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String()+"/", nil)
		require.NoError(t, err)
		r.Host = host
		answer, err := client.Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, status, answer.StatusCode, host)
		require.Equal(t, status == http.StatusOK, string(body) == "hello", host)
		require.Contains(t, answer.Header.Get("Content-Security-Policy"), "default-src 'none'")
	}
}

func TestServerEndsWithItsContextAndTwice(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := listen(t, ctx)
	cancel()
	<-s.done
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err := net.Dial("tcp", s.Addr().String())
	require.Error(t, err)
}

func TestCloseEndsTheContextOfRequests(t *testing.T) {
	began := make(chan struct{})
	s, err := Listen(t.Context(), "127.0.0.1:0", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	}), ListenConfig{})
	require.NoError(t, err)
	conn, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	require.NoError(t, err)
	<-began
	require.NoError(t, s.Close())
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err, "it was let end")
	require.NoError(t, answer.Body.Close())
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "hello")
})

// client keeps no connection, so that none outlives a test.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func listen(t *testing.T, ctx context.Context) *Server {
	t.Helper()
	return listenWith(t, ctx, ListenConfig{})
}

func listenWith(t *testing.T, ctx context.Context, cfg ListenConfig) *Server {
	t.Helper()
	s, err := Listen(ctx, "127.0.0.1:0", hello, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
