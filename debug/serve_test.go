package debug

import (
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAListenerThatIsThereIsServed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s, err := Serve(t.Context(), l, http.NotFoundHandler(), ListenConfig{})
	require.NoError(t, err)
	resp, err := http.Get("http://" + s.Addr().String())
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	require.NoError(t, s.Close())
}

func TestAListenerForOthersNeedsAToken(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	require.NoError(t, err)
	_, err = Serve(t.Context(), l, http.NotFoundHandler(), ListenConfig{})
	var open *NotLoopbackError
	require.ErrorAs(t, err, &open)
	require.Error(t, l.Close(), "it is closed")
}
