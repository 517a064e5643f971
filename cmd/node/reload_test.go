package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/souk-p2p/souk/cmd/node/internal/config"
	"github.com/souk-p2p/souk/cmd/node/internal/logs"
	"github.com/souk-p2p/souk/test/eventually"
)

// writeConfig writes what the repository's file says.
func writeConfig(t *testing.T, repo, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(repo, config.FileName), []byte(content), 0o600))
}

func TestANodeRunsWithWhatTheFileSays(t *testing.T) {
	repo := t.TempDir()
	writeConfig(t, repo, `{"listen": ["/ip4/127.0.0.2/tcp/0"], "debug": "off", "log": "error"}`)
	var d daemon
	line := d.launch(t, "--repo", repo, "--json", "run")
	require.Contains(t, line, "/ip4/127.0.0.2/tcp/")
	require.NotContains(t, line, `"debug"`)
}

func TestRunNamesEveryFaultAndWhereItIs(t *testing.T) {
	repo := t.TempDir()
	writeConfig(t, repo, `{"listen": "nonsense", "trakcer": true, "tracker-http": ":1"}`)
	t.Setenv("SOUK_TRACKER_MEMORY", "lots")
	t.Setenv("SOUK_LOG", "loud")
	o := command(t, repo, "run", "--peer", "nobody")
	require.Equal(t, exitUsage, o.code)
	path := filepath.Join(repo, config.FileName)
	require.Contains(t, o.err, `--listen "nonsense" is not an address`)
	require.Contains(t, o.err, "(--listen comes from "+path+")")
	require.Contains(t, o.err, path+`: "trakcer" is no setting: is it "tracker"?`)
	require.Contains(t, o.err, `SOUK_TRACKER_MEMORY is "lots"`)
	require.Contains(t, o.err, "(--log comes from SOUK_LOG)")
	require.Contains(t, o.err, "--tracker-http is for trackers")
	require.Contains(t, o.err, `--peer "nobody"`)
	require.NotContains(t, o.err, "--peer comes from")

	writeConfig(t, repo, `{`)
	requireUsageError(t, path+" is not one JSON object", repo, "run")
}

// reloading is a reloader for a repository, what it would change, and its log.
func reloading(t *testing.T, repo string, args ...string) (*reloader, *running, *observer.ObservedLogs) {
	t.Helper()
	var o runOptions
	flags := o.flagSet()
	require.NoError(t, flags.Parse(args))
	a := newApp(nil, nil, nil)
	p, err := o.settle(flags, a.sources(repo))
	require.NoError(t, err)
	core, seen := observer.New(zapcore.DebugLevel)
	r := newReloader(p, a.sources(repo), zap.New(core))
	t.Cleanup(r.stop)
	return r, &running{logs: logs.New(io.Discard, o.levels, o.format), manager: &supervisor{}}, seen
}

func told(seen *observer.ObservedLogs) map[string]string {
	said := map[string]string{}
	for _, e := range seen.TakeAll() {
		key, _ := e.ContextMap()["key"].(string)
		said[key] = e.Message
	}
	return said
}

func TestAReloadAppliesWhatCanBeAndNamesWhatNeedsARestart(t *testing.T) {
	repo := t.TempDir()
	r, n, logs := reloading(t, repo, "--tracker-list-key", "")
	writeConfig(t, repo, `{"log": "debug", "listen": ["/ip4/127.0.0.1/tcp/0"]}`)
	r.reload(n)
	require.Equal(t, "debug", n.logs.Levels().String())
	require.Equal(t, map[string]string{"log": "setting applied", "listen": "setting needs a restart"}, told(logs))

	r.reload(n)
	require.Equal(t, map[string]string{"listen": "setting needs a restart"}, told(logs), "as long as it is so")
	writeConfig(t, repo, `{}`)
	r.reload(n)
	require.Equal(t, "warn", n.logs.Levels().String())
	require.Equal(t, map[string]string{"log": "setting applied"}, told(logs))
	r.reload(n)
	require.Equal(t, map[string]string{"": "settings read, none has changed"}, told(logs))
}

func TestAReloadLeavesWhatTheCommandLineSays(t *testing.T) {
	repo := t.TempDir()
	r, n, logs := reloading(t, repo, "--log", "error")
	writeConfig(t, repo, `{"log": "debug"}`)
	r.reload(n)
	require.Equal(t, "error", n.logs.Levels().String())
	require.Equal(t, map[string]string{"": "settings read, none has changed"}, told(logs))
}

func TestAReloadOfABrokenFileChangesNothing(t *testing.T) {
	repo := t.TempDir()
	writeConfig(t, repo, `{"log": "error"}`)
	r, n, logs := reloading(t, repo)
	for content, says := range map[string]string{
		`{"log": "debug"`:                        "ends too early",
		`{"log": "debug", "peer": "nobody"}`:     "nobody",
		`{"log": "debug", "tracker-memory": -1}`: "tracker-memory",
		`{"log": "debug", "lsiten": []}`:         `is it "listen"?`,
	} {
		writeConfig(t, repo, content)
		r.reload(n)
		require.Equal(t, "error", n.logs.Levels().String())
		all := logs.TakeAll()
		require.Len(t, all, 1)
		require.Equal(t, zapcore.ErrorLevel, all[0].Level)
		require.Contains(t, all[0].ContextMap()["error"], says)
	}
}

func TestASignalReloadsARunningNode(t *testing.T) {
	repo := t.TempDir()
	d := start(t, repo)
	writeConfig(t, repo, `{"log": "error,network=debug"}`)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	eventually.True(t, func() bool { return levelOf(t, repo, "network") == "debug" })
	require.Equal(t, "error", levelOf(t, repo, "control"))
	d.stop()
}

func TestEveryKeyThatCanBeReloadedIsASetting(t *testing.T) {
	flags := new(runOptions).flagSet()
	for _, r := range reloads {
		for _, key := range r.keys {
			require.NotNil(t, flags.Lookup(key), key)
		}
	}
}

// waitForPeer waits until a node is connected to another.
func waitForPeer(t *testing.T, repo string, to *daemon) {
	t.Helper()
	eventually.True(t, func() bool { _, connected := peersOf(t, repo)[to.ID.String()]; return connected })
}

func TestPeersAndTrackersAreReloaded(t *testing.T) {
	first, second, tracker := start(t, t.TempDir()), start(t, t.TempDir()), start(t, t.TempDir(), "--tracker")
	repo := t.TempDir()
	writeConfig(t, repo, `{"peer": ["`+first.address()+`"]}`)
	start(t, repo)
	waitForPeer(t, repo, first)
	require.Empty(t, must(t, repo, "--json", "trackers"))

	writeConfig(t, repo, `{"peer": ["`+second.address()+`"], "trackers": ["`+tracker.address()+`"]}`)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	waitForPeer(t, repo, second)
	eventually.True(t, func() bool { return strings.Contains(must(t, repo, "trackers"), tracker.ID.String()) })
	require.Contains(t, must(t, repo, "config", "show", "trackers"), tracker.address())
	must(t, repo, "announce", "films")

	writeConfig(t, repo, `{}`)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	eventually.True(t, func() bool { return !strings.Contains(must(t, repo, "trackers"), tracker.ID.String()) })
}

// Who is named is let in, also when it is named later, and nobody else stays.
func TestAPeerThatIsNamedLaterIsLetIn(t *testing.T) {
	first, second := start(t, t.TempDir()), start(t, t.TempDir())
	repo := t.TempDir()
	allow := `"allow-peers": ["` + absentPeer + `"], "peer": `
	writeConfig(t, repo, `{`+allow+`["`+first.address()+`"]}`)
	start(t, repo)
	waitForPeer(t, repo, first)
	writeConfig(t, repo, `{`+allow+`["`+second.address()+`"]}`)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	waitForPeer(t, repo, second)
	eventually.True(t, func() bool { return len(peersOf(t, repo)) == 1 })
}
