package debug

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEventsFollowThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		s := start(t.Context(), l, nil, Handler(busy().config()), ListenConfig{Log: silent})
		conn, events := l.follow(t, "/debug/ledgers")
		began := time.Now()
		for i := range int(writeTime/eventEvery) + 5 { // Longer than the server allows any other answer or request.
			require.Contains(t, event(t, events), `"peers":3`)
			require.Equal(t, time.Duration(i)*eventEvery, time.Since(began))
		}
		end(t, s, conn)
	})
}

// However seldom the page is asked for: who forgets a stream is not to hold its place.
func TestAStreamOfEventsEndsAfterAWhile(t *testing.T) {
	for _, path := range []string{"/debug/ledgers", "/debug/ledgers?refresh=3600"} {
		synctest.Test(t, func(t *testing.T) {
			l := newPipes()
			s := start(t.Context(), l, nil, Handler(busy().config()), ListenConfig{Log: silent})
			began := time.Now()
			conn, events := l.follow(t, path)
			_, err := io.Copy(io.Discard, events)
			require.NoError(t, err, "it ends as an answer does")
			require.Equal(t, streamTime, time.Since(began), path)
			end(t, s, conn)
		})
	}
}

// Who does not read, or reads slowly, gives the place to others when an event has not
// been taken for as long as any answer.
func TestWhoDoesNotReadEventsIsCutOff(t *testing.T) {
	for name, read := range map[string]func(io.Reader){
		"nothing after the first event": func(io.Reader) {},
		"a byte a second": func(r io.Reader) {
			for b := make([]byte, 1); ; time.Sleep(time.Second) {
				if _, err := r.Read(b); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				s := start(t.Context(), l, nil, Handler(busy().config()), ListenConfig{Log: silent})
				for range maxListeners {
					conn, events := l.follow(t, "/debug/ledgers")
					defer conn.Close()
					event(t, events)
					go read(conn)
				}
				time.Sleep(answerTime - time.Millisecond)
				require.Equal(t, http.StatusServiceUnavailable, l.status(t), "all places are taken")
				time.Sleep(eventEvery + 2*time.Millisecond)
				require.Equal(t, http.StatusOK, l.status(t), "they are free again")
				require.NoError(t, s.Close())
				time.Sleep(2 * closeTime)
			})
		})
	}
}

func TestAnEventIsThePageForABrowser(t *testing.T) {
	w := newEvents()
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/debug/actors?format=html", nil)
	r.Header.Set("Accept", "text/event-stream")
	go func() { <-w.flushed; cancel() }()
	Handler(busy().config()).ServeHTTP(w, r)
	text := event(t, bufio.NewReader(w.Body))
	requireHas(t, text, `<div class="panel list" id="list" data-live>`)
	requireHas(t, text, "engine")
}

func TestNoMoreListenThanThereIsRoomFor(t *testing.T) {
	h := Handler(busy().config())
	ctx, cancel := context.WithCancel(t.Context())
	var listening []*events
	done := make(chan struct{}, maxListeners)
	for range maxListeners {
		w := newEvents()
		listening = append(listening, w)
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/debug/ledgers", nil)
		r.Header.Set("Accept", "text/event-stream")
		go func() { h.ServeHTTP(w, r); done <- struct{}{} }()
	}
	for _, w := range listening {
		<-w.flushed
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/ledgers", nil)
	r.Header.Set("Accept", "text/event-stream")
	late := httptest.NewRecorder()
	h.ServeHTTP(late, r)
	require.Equal(t, http.StatusServiceUnavailable, late.Code)
	require.Equal(t, "5", late.Header().Get("Retry-After"))
	cancel()
	for range maxListeners {
		<-done
	}
	again := newEvents()
	ctx, cancel = context.WithCancel(t.Context())
	go func() { <-again.flushed; cancel() }()
	h.ServeHTTP(again, r.WithContext(ctx))
	require.Equal(t, http.StatusOK, again.Code, "there is room again")
}

func TestEventsOfWhatIsNotThereAreAnError(t *testing.T) {
	for path, status := range map[string]int{"/debug/sessions/99": 404, "/debug/ledgers?sort=shoe": 400, "/debug/ledgers/x": 400} {
		require.Equal(t, status, get(t, busy(), path, "text/event-stream").Code, path)
	}
}

// event reads one event and returns its data.
func event(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	var data strings.Builder
	for {
		line, err := from.ReadString('\n')
		require.NoError(t, err)
		if line == "\n" {
			return data.String()
		}
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			data.WriteString(text)
		}
	}
}

// events is a recorder that says when something was flushed.
type events struct {
	*httptest.ResponseRecorder
	flushed chan struct{}
}

func newEvents() *events {
	return &events{ResponseRecorder: httptest.NewRecorder(), flushed: make(chan struct{}, 1000)}
}

func (e *events) FlushError() error { e.flushed <- struct{}{}; return nil }

func (e *events) SetReadDeadline(time.Time) error { return nil }

func (e *events) SetWriteDeadline(time.Time) error { return nil }

// follow opens a stream of events, and reads up to the first.
func (p *pipes) follow(t *testing.T, path string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, answer := p.ask(t, path)
	require.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	return conn, bufio.NewReader(answer.Body)
}

// status is what a stream of events would be answered with now.
func (p *pipes) status(t *testing.T) int {
	t.Helper()
	conn, answer := p.ask(t, "/debug/ledgers")
	conn.Close()
	return answer.StatusCode
}

func (p *pipes) ask(t *testing.T, path string) (net.Conn, *http.Response) {
	t.Helper()
	conn := p.dial()
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n", path)
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	return conn, answer
}
