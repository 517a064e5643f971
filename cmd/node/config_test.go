package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/config"
)

// settingsOf are those that `souk config show` prints.
func settingsOf(t *testing.T, repo string, flags ...string) map[string]config.Setting {
	t.Helper()
	all := map[string]config.Setting{}
	for _, line := range lines(must(t, repo, append([]string{"config", "show", "--json"}, flags...)...)) {
		var s config.Setting
		require.NoError(t, json.Unmarshal([]byte(line), &s))
		all[s.Key] = s
	}
	return all
}

func TestASettingIsSetShownAndUnset(t *testing.T) {
	repo := filepath.Join(t.TempDir(), "new")
	path := filepath.Join(repo, config.FileName)
	require.Equal(t, "log is debug; a node that runs takes it on SIGHUP\n", must(t, repo, "config", "set", "log", "debug"))
	require.Equal(t, "debug\n", must(t, repo, "config", "show", "log"))
	must(t, repo, "config", "set", "listen", "/ip4/127.0.0.1/tcp/1,/ip4/127.0.0.1/tcp/2", "/ip4/127.0.0.1/tcp/3")
	require.Equal(t, "listen is /ip4/127.0.0.1/tcp/4; a node that runs takes it when it is restarted\n",
		must(t, repo, "config", "set", "listen", "/ip4/127.0.0.1/tcp/4"))
	t.Setenv("SOUK_LOG_FORMAT", "json")

	table := must(t, repo, "config", "show")
	require.Regexp(t, `(?m)^KEY +VALUE +FROM$`, table)
	require.Regexp(t, `(?m)^log +debug +`+path+`$`, table)
	require.Regexp(t, `(?m)^listen +/ip4/127.0.0.1/tcp/4 +`+path+`$`, table)
	require.Regexp(t, `(?m)^log-format +json +SOUK_LOG_FORMAT$`, table)
	require.Regexp(t, `(?m)^tracker-memory +512 +default$`, table)

	require.Equal(t, "log is warn, the default; a node that runs takes it on SIGHUP\n", must(t, repo, "config", "unset", "log"))
	must(t, repo, "config", "unset", "log")
	require.JSONEq(t, `{"key": "log", "value": "warn", "origin": "default", "reload": true}`, must(t, repo, "config", "show", "log", "--json"))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.JSONEq(t, `{"listen": ["/ip4/127.0.0.1/tcp/4"]}`, string(content))

	require.JSONEq(t, `{"key": "tracker", "file": "`+path+`", "now": {"key": "tracker", "value": true, "origin": "file", "place": "`+path+`", "reload": false}}`,
		must(t, repo, "config", "set", "tracker", "true", "--json"))
}

func TestAValueCanComeFromStandardInput(t *testing.T) {
	repo := t.TempDir()
	o := commandReading(t, "error\r\nmore\n", repo, "config", "set", "log", "-")
	require.Equal(t, exitOK, o.code, o.err)
	require.Equal(t, "error\n", must(t, repo, "config", "show", "log"))
}

func TestASettingThatRunWouldRefuseIsNotWritten(t *testing.T) {
	repo := t.TempDir()
	writeConfig(t, repo, `{"log":"info"}`)
	for says, args := range map[string][]string{
		`is it "listen"?`:                   {"set", "lisetn", "x"},
		"is no setting":                     {"unset", "bandwidth"},
		"not an address":                    {"set", "listen", "nonsense"},
		"debug, info, warn, error or off":   {"set", "log", "loud"},
		"a whole number from 0 on is right": {"set", "tracker-memory", "lots"},
		"it takes one value":                {"set", "log", "info", "debug"},
		"give --tracker, too":               {"set", "tracker-http", "127.0.0.1:1"},
	} {
		requireUsageError(t, says, repo, append([]string{"config"}, args...)...)
	}
	content, err := os.ReadFile(filepath.Join(repo, config.FileName))
	require.NoError(t, err)
	require.Equal(t, `{"log":"info"}`, string(content))

	writeConfig(t, repo, `{"log":`)
	require.Equal(t, exitUsage, command(t, repo, "config", "set", "log", "info").code)
	content, err = os.ReadFile(filepath.Join(repo, config.FileName))
	require.NoError(t, err)
	require.Equal(t, `{"log":`, string(content), "nobody knows what it was to say")
}

func TestAFileWithSeveralFaultsIsMendedKeyByKey(t *testing.T) {
	repo := t.TempDir()
	writeConfig(t, repo, `{"log": "loud", "listen": "nonsense", "trakcers": []}`)
	o := command(t, repo, "config", "check")
	require.Equal(t, exitUsage, o.code)
	require.Len(t, lines(o.err), 4, o.err)
	require.Equal(t, exitUsage, command(t, repo, "config", "set", "log", "louder").code)
	must(t, repo, "config", "set", "log", "info")
	require.Equal(t, "trakcers is no setting, and is gone\n", must(t, repo, "config", "unset", "trakcers"))
	must(t, repo, "config", "unset", "listen")
	require.Equal(t, filepath.Join(repo, config.FileName)+" and the environment: nothing is wrong\n", must(t, repo, "config", "check"))
}

func TestCheckNamesAllFaultsAsJSON(t *testing.T) {
	repo := t.TempDir()
	require.JSONEq(t, `{"file": "`+filepath.Join(repo, config.FileName)+`", "ok": true, "faults": []}`, must(t, repo, "config", "check", "--json"))
	writeConfig(t, repo, `{"log": "loud"}`)
	t.Setenv("SOUK_LISTEN", "nonsense")
	t.Setenv("SOUK_TRACKER", "maybe")
	o := command(t, repo, "config", "check", "--json")
	require.Equal(t, exitUsage, o.code)
	var c checked
	require.NoError(t, json.Unmarshal([]byte(o.out), &c), o.out)
	require.False(t, c.OK)
	require.Len(t, c.Faults, 3)
	all := strings.Join(c.Faults, "\n")
	require.Contains(t, all, `SOUK_TRACKER is "maybe", where true or false is right`)
	require.Contains(t, all, "--listen comes from SOUK_LISTEN")
	require.Contains(t, all, "--log comes from "+c.File)
	_, err := os.Stat(filepath.Join(repo, "identity.key"))
	require.ErrorIs(t, err, os.ErrNotExist, "a check makes nothing")
}

func TestAMisspeltVariableIsNoted(t *testing.T) {
	t.Setenv("SOUK_TRAKCER_MEMORY", "64")
	o := command(t, t.TempDir(), "config", "check")
	require.Equal(t, exitOK, o.code)
	const says = "SOUK_TRAKCER_MEMORY has no effect: is it SOUK_TRACKER_MEMORY?"
	require.Equal(t, "souk: "+says+"\n", o.err)
	require.Contains(t, must(t, t.TempDir(), "config", "check", "--json"), says)
	d := start(t, t.TempDir())
	d.stop()
	require.Contains(t, d.errors(), says)
}

func TestARunningNodeShowsWhatItUses(t *testing.T) {
	repo := t.TempDir()
	writeConfig(t, repo, `{"log": "error"}`)
	start(t, repo, "--tracker")
	writeConfig(t, repo, `{"log": "info"}`)

	now := settingsOf(t, repo)
	require.Equal(t, config.FromFlag, now["tracker"].Origin)
	require.Equal(t, true, now["tracker"].Value)
	require.Equal(t, []string{"/ip4/127.0.0.1/tcp/0"}, now["listen"].Value)
	require.Equal(t, "error", now["log"].Value)
	next := settingsOf(t, repo, "--next")
	require.Equal(t, "info", next["log"].Value)
	require.Equal(t, config.FromDefault, next["tracker"].Origin)
	require.Len(t, next, len(now))
}

func TestShowSaysWhichKeyIsMeant(t *testing.T) {
	requireUsageError(t, `"logs" is no setting: is it "log"?`, t.TempDir(), "config", "show", "logs")
}
