package health

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// fixed is a source of which one answer never changes.
type fixed struct{ live, ready []Check }

func (f fixed) Live(context.Context) []Check  { return f.live }
func (f fixed) Ready(context.Context) []Check { return f.ready }

func get(t *testing.T, src Source, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	Handler(src).ServeHTTP(w, r)
	return w
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	src := fixed{
		live:  []Check{Passed("actors", nil)},
		ready: []Check{Passed("exchange", nil), Passed("store", errors.New("does not answer"))},
	}
	live := get(t, src, "/livez", "*/*")
	require.Equal(t, http.StatusOK, live.Code)
	require.Equal(t, "ok actors\n", live.Body.String())
	ready := get(t, src, "/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, ready.Code)
	require.Equal(t, "ok exchange\nfailed store: does not answer\n", ready.Body.String())
	require.Equal(t, "no-store", ready.Header().Get("Cache-Control"))
	require.Equal(t, "store: does not answer", Failures(src.ready))
}

func TestProgramsGetJSON(t *testing.T) {
	src := fixed{ready: []Check{Passed("store", errors.New("full"))}}
	ready := get(t, src, "/readyz", "application/json")
	require.Equal(t, http.StatusServiceUnavailable, ready.Code)
	require.JSONEq(t, `{"ok":false,"checks":[{"name":"store","error":"full"}]}`, ready.Body.String())
}

func TestOnlyReadingIsAnswered(t *testing.T) {
	w := httptest.NewRecorder()
	Handler(fixed{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/livez", nil))
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Equal(t, http.StatusNotFound, get(t, fixed{}, "/", "").Code)
}

// slow answers when nobody waits any more.
type slow struct{ fixed }

func (slow) Ready(ctx context.Context) []Check {
	<-ctx.Done()
	return []Check{Passed("store", ctx.Err())}
}

func TestAnAnswerDoesNotTakeLong(t *testing.T) {
	require.Equal(t, http.StatusServiceUnavailable, get(t, slow{}, "/readyz", "").Code)
}
