package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// metricsOf are what a node tells at /metrics.
func metricsOf(t *testing.T, d *daemon) string {
	t.Helper()
	resp, err := http.Get(strings.TrimSuffix(d.Debug, "/debug/") + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(page)
}

func TestANodeKeepsAsManyConnectionsAsItIsTold(t *testing.T) {
	for high, flags := range map[string][]string{
		"512":  nil,
		"4096": {"--tracker"},
		"100":  {"--connections-high", "100", "--connections-low", "50"},
	} {
		page := metricsOf(t, start(t, t.TempDir(), flags...))
		require.Contains(t, page, "souk_libp2p_connections_high "+high+"\n")
		require.Contains(t, page, `souk_libp2p_refused_total{reason="address",what="connection"} 0`)
	}
}

func TestNumbersOfConnectionsThatCannotBeAreUsageErrors(t *testing.T) {
	o := command(t, t.TempDir(), "run", "--connections-high", "5")
	require.Equal(t, exitUsage, o.code)
	require.Contains(t, o.err, "--connections-high 5 and --connections-low 4: 5 is not from 16 to 65536")
	o = command(t, t.TempDir(), "run", "--connections-high", "100", "--connections-low", "200")
	require.Equal(t, exitUsage, o.code)
	require.Contains(t, o.err, "the low number is not from 1 to the high one")
}
