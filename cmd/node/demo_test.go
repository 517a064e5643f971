package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/demo"
)

// shared is a file large enough for three peers.
func shared(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shared")
	require.NoError(t, os.WriteFile(path, []byte(noise(8<<20)), 0o644))
	return path
}

func TestDemoPrintsWhatItShows(t *testing.T) {
	o := command(t, t.TempDir(), "demo", shared(t))
	require.Equal(t, exitOK, o.code, o.err)
	for _, line := range []string{
		`CID +bafy`, `tracker +12D3`, `everything +12D3`, `first half +12D3`, `downloader +12D3`,
		`files +1`, `bytes +8388608 \(8\.0 MiB\)`, `blocks +33`, `seconds +\d`, `MB/s +\d`,
		`requests per block +\d`, `duplicates +\d`, `everything stopped at +[5-7]\d\.\d %`, `other half +\d+\.\d [KM]iB`, `identical`,
		`tracker was told +3 announcements of souk-demo`, `tracker was asked +\d time`, `tracker has named +\d+ peers`,
	} {
		require.Regexp(t, "(?m)^"+line, o.out)
	}
	require.Contains(t, o.err, "fetching: 50 %")
}

func TestDemoInJSON(t *testing.T) {
	o := command(t, t.TempDir(), "--json", "demo", shared(t))
	var r demo.Report
	requireSchema(t, "souk demo", o.out)
	require.NoError(t, json.Unmarshal([]byte(o.out), &r), o.out)
	require.True(t, r.Identical)
	require.GreaterOrEqual(t, len(r.Ledgers), 2, "so small a file may be there before all three were asked")
	require.Empty(t, o.err)
}

func TestDemoFailsWithTheReason(t *testing.T) {
	o := command(t, t.TempDir(), "demo", "/no/such/place")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "PATH cannot be shared")

	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o644))
	o = command(t, t.TempDir(), "demo", empty)
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "choose a larger PATH")
}

func TestDemoStaysUntilItIsInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	done := make(chan int, 1)
	path := shared(t)
	go func() {
		done <- execute(ctx, newApp(nil, writer, &bytes.Buffer{}), []string{"demo", "--stay", path})
		writer.Close()
	}()
	var page string
	lines := bufio.NewScanner(reader)
	for page == "" && lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "debug page: "); ok {
			page, _, _ = strings.Cut(rest, " ")
		}
	}
	resp, err := http.Get(page)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	require.NoError(t, err)
	require.Contains(t, string(body), "bytes_received")
	http.DefaultClient.CloseIdleConnections()
	interrupt()
	require.Equal(t, exitOK, <-done)
}
