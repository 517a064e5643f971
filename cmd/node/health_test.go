package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealthIsThatOfTheRunningNode(t *testing.T) {
	d := start(t, t.TempDir())
	require.Equal(t, "healthy\n", must(t, d.repo, "health"))
	require.Equal(t, "healthy\n", must(t, d.repo, "health", "--live"))
	var h healthInfo
	require.NoError(t, json.Unmarshal([]byte(must(t, d.repo, "health", "--json")), &h))
	require.True(t, h.Healthy)
	require.JSONEq(t, `{"healthy":true,"checks":[{"name":"actors"},{"name":"serving"},{"name":"store"},{"name":"control"}]}`,
		must(t, d.repo, "health", "--json"))
	d.stop()
	o := command(t, d.repo, "health")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "no node runs on "+d.repo)
}

func TestSupervisorsSeeHowTheNodeIs(t *testing.T) {
	d := start(t, t.TempDir())
	base, _, _ := strings.Cut(d.Debug, "/debug")
	for _, path := range []string{"/livez", "/readyz"} {
		resp, err := http.Get(base + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
	}
}

func TestHealthMakesNoRepository(t *testing.T) {
	repo := filepath.Join(t.TempDir(), "absent")
	o := command(t, repo, "health")
	require.Equal(t, exitFailed, o.code)
	require.NoDirExists(t, repo)
}
