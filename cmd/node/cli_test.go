package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

// How long a test waits for what has no event, and how often it looks.
const (
	eventually = 10 * time.Second
	tick       = 20 * time.Millisecond
)

func TestMain(m *testing.M) {
	quietLibp2p()
	goleak.VerifyTestMain(m)
}

func mkdir(path string) error { return os.MkdirAll(path, 0o755) }

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }

func TestIDIsTheSameRunningOrNot(t *testing.T) {
	dir := t.TempDir()
	var before, during node.Info
	require.NoError(t, json.Unmarshal([]byte(must(t, dir, "--json", "id")), &before))
	require.False(t, before.Running)
	require.Contains(t, must(t, dir, "id"), "not running")

	d := start(t, dir)
	require.NoError(t, json.Unmarshal([]byte(must(t, dir, "--json", "id")), &during))
	require.True(t, during.Running)
	require.Equal(t, before.ID, during.ID)
	require.Equal(t, []string{during.ID.String(), d.address()}, lines(must(t, dir, "id")))

	key, err := repo.Identity(dir)
	require.NoError(t, err)
	id, err := peer.IDFromPrivateKey(key)
	require.NoError(t, err)
	require.Equal(t, id, before.ID)
}

func TestVersion(t *testing.T) {
	require.Contains(t, must(t, t.TempDir(), "version"), "control API v1")
	var v versionInfo
	require.NoError(t, json.Unmarshal([]byte(must(t, t.TempDir(), "--json", "version")), &v))
	require.Equal(t, 1, v.Repo)
}

func TestCatWritesARange(t *testing.T) {
	dir := t.TempDir()
	root := add(t, dir, tree(t))
	require.Equal(t, "hello, world\nhello, world\n", must(t, dir, "cat", root+"/hello.txt", root+"/hello.txt"))
	require.Equal(t, "world", must(t, dir, "cat", root+"/hello.txt", "--offset", "7", "--length", "5"))
	o := command(t, dir, "cat", root+"/deep")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "not a file")
	o = command(t, dir, "cat", root+"/nowhere")
	require.Equal(t, exitNotFound, o.code)
	require.Contains(t, o.err, "nowhere")
}

func TestLsNamesTheEntries(t *testing.T) {
	dir := t.TempDir()
	root := add(t, dir, tree(t))
	require.Equal(t, []string{"deep", "empty", "hello.txt", "link", "späce and tabs"}, lines(must(t, dir, "ls", root)))

	var types []string
	for _, line := range lines(must(t, dir, "--json", "ls", root)) {
		var e entry
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		types = append(types, e.Type)
	}
	require.Equal(t, []string{"directory", "file", "file", "symlink", "file"}, types)
	require.Regexp(t, `(?m)^bafkrei\w+ file +13 hello\.txt$`, must(t, dir, "ls", "-l", root))
}

func TestNamesCannotWriteToTheTerminal(t *testing.T) {
	dir, files := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(files, "\x1b[2Jname\n"), nil, 0o644))
	require.Equal(t, `"\x1b[2Jname\n"`+"\n", must(t, dir, "ls", add(t, dir, files)))
}

func TestAWrongCommandLineIsAUsageError(t *testing.T) {
	for _, args := range [][]string{{"fly"}, {"add", "--wings", "x"}, {"get"}, {"ls", "a", "b"}, {"id", "x"}} {
		o := command(t, t.TempDir(), args...)
		require.Equal(t, exitUsage, o.code, "%v: %s", args, o.err)
		require.Contains(t, o.err, "souk help")
	}
}

func TestErrorsInJSON(t *testing.T) {
	o := command(t, t.TempDir(), "--json", "cat", helloCID)
	var failure struct {
		Error string
		Exit  int
	}
	require.NoError(t, json.Unmarshal([]byte(o.err), &failure))
	require.Equal(t, exitNotFound, failure.Exit)
	require.Contains(t, failure.Error, helloCID)
}

func TestALockedRepositoryThatTakesNoCommandsIsNamed(t *testing.T) {
	dir := t.TempDir()
	r, err := repo.Open(dir)
	require.NoError(t, err)
	defer r.Close()
	_, err = tryOpen(t.Context(), dir)
	require.ErrorContains(t, err, "wait until it ends")
	var locked *repo.LockedError
	require.ErrorAs(t, err, &locked)
	require.Equal(t, os.Getpid(), locked.PID)
}

func TestSizesForPeople(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 256 << 20: "256.0 MiB", 1 << 63: "8.0 EiB",
	} {
		require.Equal(t, want, formatBytes(n))
	}
}
