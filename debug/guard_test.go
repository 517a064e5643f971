package debug

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPagesOfOtherSitesGetNothing(t *testing.T) {
	s := listen(t, t.Context())
	own := "http://" + s.Addr().String()
	for _, c := range []struct {
		name, method string
		header       map[string]string
		status       int
	}{
		{"a program", "GET", nil, 200},
		{"a program that changes something", "POST", nil, 200},
		{"the page itself", "GET", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": own}, 200},
		{"a form of the page", "POST", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": own}, 200},
		{"an address typed in", "GET", map[string]string{"Sec-Fetch-Site": "none"}, 200},
		{"a link of another site", "GET", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
		{"a frame of another site", "GET", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403},
		{"an image of another site", "GET", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403},
		{"a script of another port of this machine", "GET", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403},
		{"events for another site", "GET", map[string]string{"Origin": "https://evil.example", "Accept": "text/event-stream"}, 403},
		{"a document without an origin", "GET", map[string]string{"Origin": "null"}, 403},
		{"an origin that is no address", "GET", map[string]string{"Origin": "%%"}, 403},
		{"a form of another site", "POST", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"a form of another site in an old browser", "POST", map[string]string{"Origin": "https://evil.example"}, 403},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, own+"/", nil)
		require.NoError(t, err)
		for name, value := range c.header {
			r.Header.Set(name, value)
		}
		status, body := do(t, client, r)
		require.Equal(t, c.status, status, c.name)
		require.Equal(t, c.status == 200, body == "hello", c.name)
	}
}

func TestNamesThatWereGivenAreAnsweredTo(t *testing.T) {
	s := listenWith(t, t.Context(), ListenConfig{Hosts: []string{"node.example"}})
	for host, status := range map[string]int{
		"node.example": 200, "NODE.example:8080": 200, "other.example": 421, "node.example.evil.example": 421,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String()+"/", nil)
		require.NoError(t, err)
		r.Host = host
		got, _ := do(t, client, r)
		require.Equal(t, status, got, host)
	}
}

// What is asked for at an IP address of this machine cannot be a site whose name
// was turned to it.
func TestTheAddressThatWasDialledIsAnsweredTo(t *testing.T) {
	local := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4180}
	for host, status := range map[string]int{"192.0.2.1:4180": 200, "192.0.2.1": 200, "192.0.2.2:4180": 421} {
		r := httptest.NewRequestWithContext(withLocal(t.Context(), local), http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		onlyNames(nil, hello).ServeHTTP(w, r)
		require.Equal(t, status, w.Code, host)
	}
}

func TestOversizedRequestsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		s := start(t.Context(), l, nil, hello, ListenConfig{Log: silent})
		conn := l.dial()
		go io.WriteString(conn, "GET /?text="+strings.Repeat("x", 2*maxHeader)+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, answer.StatusCode)
		end(t, s, conn)
	})
}

// Slowness is measured with a clock of its own, over pipes instead of sockets.
func TestAClientThatSendsItsHeaderSlowlyIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		s := start(t.Context(), l, nil, hello, ListenConfig{Log: silent})
		conn := l.dial()
		began := time.Now()
		go func() {
			for {
				if _, err := conn.Write([]byte("G")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.NotContains(t, string(answer), "hello")
		require.LessOrEqual(t, time.Since(began), headerTime+time.Second)
		end(t, s, conn)
	})
}

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		ended := make(chan time.Duration, 1)
		s := start(t.Context(), l, nil, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			began := time.Now()
			_, err := io.WriteString(w, strings.Repeat("x", 1<<20))
			if err != nil {
				ended <- time.Since(began)
			}
		}), ListenConfig{Log: silent})
		conn := l.dial()
		_, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		require.NoError(t, err)
		require.Equal(t, answerTime, <-ended)
		end(t, s, conn)
	})
}

// A profile is measured for 30 s unless it is asked for something else.
func TestAProfileMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		s := start(t.Context(), l, nil, patient(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(30 * time.Second):
				_, _ = io.WriteString(w, "profile")
			case <-r.Context().Done():
			}
		})), ListenConfig{Log: silent})
		conn := l.dial()
		_, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, "profile", string(body))
		end(t, s, conn)
	})
}

func TestNoMoreConnectionsThanAreServed(t *testing.T) {
	s := listen(t, t.Context())
	var open []net.Conn
	for range maxConns {
		conn, err := net.Dial("tcp", s.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		open = append(open, conn)
		answered(t, conn)
	}
	late, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	defer late.Close()
	_, err = late.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	require.NoError(t, err)
	require.NoError(t, late.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = late.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)

	require.NoError(t, open[0].Close())
	require.NoError(t, late.SetReadDeadline(time.Now().Add(10*time.Second)))
	answer, err := http.ReadResponse(bufio.NewReader(late), nil)
	require.NoError(t, err, "it is its turn")
	require.NoError(t, answer.Body.Close())
}

// end closes both sides and lets net/http give up what it waits for.
func end(t *testing.T, s *Server, conn net.Conn) {
	t.Helper()
	require.NoError(t, s.Close())
	conn.Close()
	time.Sleep(2 * closeTime)
}
