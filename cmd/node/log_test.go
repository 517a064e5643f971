package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/logs"
)

// levelOf is the level of a subsystem of the node that runs on the repository.
func levelOf(t *testing.T, repo, subsystem string) string {
	t.Helper()
	for _, line := range lines(must(t, repo, "log", "ls", "--json")) {
		var s logs.Subsystem
		require.NoError(t, json.Unmarshal([]byte(line), &s))
		if s.Name == subsystem {
			return s.Level
		}
	}
	return ""
}

func TestLevelsChangeWhileTheNodeRuns(t *testing.T) {
	repo := t.TempDir()
	d := start(t, repo, "--log", "error,network=info", "--log-format", "json")
	require.Equal(t, "subsystem level", strings.ToLower(strings.Join(strings.Fields(lines(must(t, repo, "log", "ls"))[0])[:2], " ")))
	require.Equal(t, "info", levelOf(t, repo, "network"))

	require.Equal(t, "control: debug\n", must(t, repo, "log", "level", "control", "debug"))
	require.Equal(t, exitNotFound, command(t, repo, "ledger", d.ID.String()).code)
	must(t, repo, "log", "level", "warn")
	require.Equal(t, []string{"debug", "info", "warn", "off"},
		[]string{levelOf(t, repo, "control"), levelOf(t, repo, "network"), levelOf(t, repo, "debug"), levelOf(t, repo, "libp2p")})
	require.JSONEq(t, `{"subsystem": "all", "level": "info"}`, must(t, repo, "log", "level", "all", "info", "--json"))
	require.Equal(t, "info", levelOf(t, repo, "control"))

	d.stop()
	var failed struct{ Level, Logger, Msg, Path string }
	require.NoError(t, json.Unmarshal([]byte(lines(d.errors())[0]), &failed), d.errors())
	require.Equal(t, "debug", failed.Level)
	require.Equal(t, "control", failed.Logger)
	require.Contains(t, failed.Path, "/ledgers/")
}

func TestAWrongLevelIsAUsageError(t *testing.T) {
	for says, args := range map[string][]string{
		`is it "network"?`:                {"netwrok", "debug"},
		"debug, info, warn, error or off": {"network", "loud"},
		`"network" is not`:                {"network"},
	} {
		requireUsageError(t, says, t.TempDir(), append([]string{"log", "level"}, args...)...)
	}
	o := command(t, t.TempDir(), "log", "level", "info")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "no node is running")
}

func TestEveryLoggerHasANameThatIsListed(t *testing.T) {
	named := regexp.MustCompile(`\.Named\("([a-z]+)"\)`)
	var known []string
	for _, name := range logs.Names() {
		known = append(known, strings.Split(name, ".")...)
	}
	var found int
	for _, dir := range []string{"../..", ".", "internal/node", "internal/control", "../../debug"} {
		sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, path := range sources {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, name := range named.FindAllStringSubmatch(string(content), -1) {
				require.Contains(t, known, name[1], "%s: list it in internal/logs", path)
				found++
			}
		}
	}
	require.GreaterOrEqual(t, found, 10)
}
