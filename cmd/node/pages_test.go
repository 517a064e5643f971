package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A script that asks a Kubo daemon for its counters, once it has the address.
func TestAScriptForKuboFindsWhatItAsksFor(t *testing.T) {
	holder, reader := t.TempDir(), t.TempDir()
	root := add(t, holder, tree(t))
	h := start(t, holder)
	r := start(t, reader, "--kubo-api")
	must(t, reader, "get", "--peer", h.address(), "-o", filepath.Join(t.TempDir(), "out"), root)

	var stat struct {
		Wantlist       []map[string]string
		Peers          []string
		BlocksReceived uint64
		DataReceived   uint64
	}
	require.NoError(t, json.Unmarshal(post(t, r, "/api/v0/bitswap/stat"), &stat))
	require.Contains(t, stat.Peers, h.ID.String())
	require.Positive(t, stat.BlocksReceived)
	require.NotNil(t, stat.Wantlist)

	var ledger struct {
		Peer            string
		Recv, Exchanged uint64
	}
	require.NoError(t, json.Unmarshal(post(t, r, "/api/v0/bitswap/ledger?arg="+h.ID.String()), &ledger))
	require.Equal(t, h.ID.String(), ledger.Peer)
	require.Equal(t, stat.DataReceived, ledger.Recv)
	require.Equal(t, stat.BlocksReceived, ledger.Exchanged)
	require.JSONEq(t, `{"Keys":[]}`, string(post(t, r, "/api/v0/bitswap/wantlist")))

	answer, err := http.Post(pageOf(h, "/api/v0/bitswap/stat"), "", nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode, "only where it was asked for")
}

func TestEveryPageOfARunningNodeIsServed(t *testing.T) {
	d := start(t, t.TempDir(), "--debug-pprof")
	for _, path := range []string{"/debug/", "/debug/ledgers", "/debug/wants", "/debug/sessions", "/debug/actors", "/debug/vars", "/debug/pprof/"} {
		require.NotEmpty(t, httpGet(t, pageOf(d, path)), path)
	}
	var actors struct{ Actors []struct{ Name string } }
	require.NoError(t, json.Unmarshal(httpGet(t, pageOf(d, "/debug/actors")), &actors))
	require.NotEmpty(t, actors.Actors)
	without := start(t, t.TempDir())
	answer, err := http.Get(pageOf(without, "/debug/pprof/"))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
}

func TestThePagesAskForTheToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("correct horse battery\n"), 0o600))
	d := start(t, t.TempDir(), "--debug-token-file", file)
	for header, status := range map[string]int{"": http.StatusUnauthorized, "Bearer correct horse battery": http.StatusOK} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.Debug, nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", header)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, status, answer.StatusCode)
	}
}

func TestABundleOfARunningNodeHasItsSettingsAndNoToken(t *testing.T) {
	d := start(t, t.TempDir(), "--debug-host", "node.example")
	body := httpGet(t, pageOf(d, "/debug/bundle"))
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	f, err := z.Open("settings.txt")
	require.NoError(t, err)
	text, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Contains(t, string(text), `debug-host = "node.example"`)
}

func TestRunSaysWhatIsWrongWithItsToken(t *testing.T) {
	dir := t.TempDir()
	loose, empty := filepath.Join(dir, "loose"), filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(loose, []byte("correct horse battery"), 0o644))
	require.NoError(t, os.WriteFile(empty, []byte("\n"), 0o600))
	for _, c := range []struct {
		says string
		code int
		args []string
	}{
		{"chmod 600", exitFailed, []string{"--debug-token-file", loose}},
		{"is empty", exitFailed, []string{"--debug-token-file", empty}},
		{"no such file", exitFailed, []string{"--debug-token-file", filepath.Join(dir, "none")}},
		{"one is enough", exitUsage, []string{"--debug-token-file", loose, "--debug-token", "correct horse battery"}},
		{"fewer than 16", exitFailed, []string{"--debug-token", "short"}},
		{"--debug-token-file or --debug-client-ca", exitFailed, []string{"--debug", "0.0.0.0:0"}},
	} {
		o := command(t, t.TempDir(), append([]string{"run", "--listen", "/ip4/127.0.0.1/tcp/0", "--debug", "127.0.0.1:0"}, c.args...)...)
		require.Equal(t, c.code, o.code, o.err)
		require.Contains(t, o.err, c.says)
		require.NotContains(t, o.err, "correct horse battery")
	}
}

// pageOf is the address of a page of a node.
func pageOf(d *daemon, path string) string { return strings.TrimSuffix(d.Debug, "/debug/") + path }

func post(t *testing.T, d *daemon, path string) []byte {
	t.Helper()
	answer, err := http.Post(pageOf(d, path), "", nil)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, string(body))
	return body
}
