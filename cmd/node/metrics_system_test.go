//go:build system

package main

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// promtool runs Prometheus' own checks, which Debian has in the package prometheus.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Dir = "../../dist/prometheus"
	cmd.Stdin = strings.NewReader(input)
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
}

func TestPromtoolTakesTheAlerts(t *testing.T) {
	promtool(t, "", "check", "rules", "--lint=all", "--lint-fatal", "alerts.yml")
}

func TestTheAlertsFireWhenTheyShould(t *testing.T) {
	promtool(t, "", "test", "rules", "alerts_test.yml")
}

func TestPromtoolTakesTheMetrics(t *testing.T) {
	d := start(t, t.TempDir(), "--tracker")
	resp, err := http.Get(strings.TrimSuffix(d.Debug, "/debug/") + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	promtool(t, readAll(t, resp.Body), "check", "metrics")
}
