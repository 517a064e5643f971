package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/ledger"
)

// A tree goes from one node to a second that runs, from there to a third that
// does not, and is the same everywhere.
func TestATreePassesFromNodeToNode(t *testing.T) {
	dir, first, second, third := tree(t), t.TempDir(), t.TempDir(), t.TempDir()
	source := start(t, first)
	root := add(t, first, dir, "--hidden") // through the running node

	middle := start(t, second)
	output := filepath.Join(t.TempDir(), "out")
	must(t, second, "get", root, "-o", output, "--peer", source.address())
	requireSame(t, dir, output)
	source.stop()

	output = filepath.Join(t.TempDir(), "out")
	require.Eventually(t, func() bool { // a node delivers before it stores, and serves what is stored
		return command(t, third, "get", root, "-o", output, "--peer", middle.address()).code == exitOK
	}, eventually, tick)
	requireSame(t, dir, output)
	require.Equal(t, "hello, world\n", must(t, third, "cat", root+"/hello.txt"), "without a network now")
}

func TestARunningNodeKeepsItsPeers(t *testing.T) {
	holder := t.TempDir()
	source := start(t, holder)
	root := add(t, holder, tree(t))
	reader := t.TempDir()
	start(t, reader, "--peer", source.address())

	require.Eventually(t, func() bool { // the first dial is not waited for
		return command(t, reader, "cat", root+"/hello.txt").out == "hello, world\n"
	}, eventually, tick)
	require.Contains(t, must(t, holder, "ledger"), "B ", "what was sent")
}

func TestLedgersOfBothSidesAgree(t *testing.T) {
	sender, receiver := t.TempDir(), t.TempDir()
	source, sink := start(t, sender), start(t, receiver)
	root := add(t, sender, tree(t))
	must(t, receiver, "get", root, "-o", filepath.Join(t.TempDir(), "out"), "--peer", source.address())

	received := ledgerOf(t, receiver, source)
	sent := ledgerOf(t, sender, sink)
	require.Greater(t, received.BytesReceived, uint64(1_600_000))
	require.Equal(t, received.BytesReceived, sent.BytesSent)
	require.Contains(t, must(t, receiver, "ledger"), source.ID.String())
	require.Contains(t, must(t, receiver, "ledger", source.ID.String()), "duplicates")
	require.Contains(t, must(t, receiver, "--json", "ledger"), `"bytes_received"`)
}

func ledgerOf(t *testing.T, repo string, d *daemon) (r ledger.Receipt) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(must(t, repo, "--json", "ledger", d.ID.String())), &r))
	return r
}

func TestLedgerSaysWhatToDo(t *testing.T) {
	o := command(t, t.TempDir(), "ledger")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "souk run")

	repo := t.TempDir()
	d := start(t, repo)
	require.Equal(t, "nothing was exchanged with anybody yet\n", must(t, repo, "ledger"))
	require.Equal(t, exitNotFound, command(t, repo, "ledger", d.ID.String()).code)
	require.Equal(t, exitUsage, command(t, repo, "ledger", "nonsense").code)
}

func TestTheDebugPageIsServed(t *testing.T) {
	d := start(t, t.TempDir())
	resp, err := http.Get(d.Debug)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Contains(t, string(body), d.ID.String())
}

func TestOneRepositoryHasOneNode(t *testing.T) {
	repo := t.TempDir()
	start(t, repo)
	o := command(t, repo, "run", "--listen", "/ip4/127.0.0.1/tcp/0")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "in use by process")
}

func TestOnePortHasOneNode(t *testing.T) {
	d := start(t, t.TempDir())
	address, _, _ := strings.Cut(d.address(), "/p2p/")
	o := command(t, t.TempDir(), "run", "--listen", address)
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "--listen")
}

func TestRunSaysWhatIsWrongWithItsFlags(t *testing.T) {
	for flag, says := range map[string]string{
		"--listen=nonsense":   "not an address",
		"--log=loud":          "debug, info, warn or error",
		"--peer=/ip4/1.2.3.4": "/p2p/ID",
	} {
		o := command(t, t.TempDir(), "run", flag)
		require.Equal(t, exitUsage, o.code, o.err)
		require.Contains(t, o.err, says)
	}
	o := command(t, t.TempDir(), "run", "--debug=0.0.0.0:0", "--listen=/ip4/127.0.0.1/tcp/0")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "loopback")
}

func TestRunWarnsOfFlooding(t *testing.T) {
	o := command(t, t.TempDir(), "run", "--flood", "--debug=0.0.0.0:0", "--listen=/ip4/127.0.0.1/tcp/0")
	require.Contains(t, o.err, "flooding")
}

func TestNothingIsLeftOfARunningNode(t *testing.T) {
	repo := t.TempDir()
	d := start(t, repo)
	require.FileExists(t, d.Control)
	d.stop()
	_, err := os.Stat(d.Control)
	require.ErrorIs(t, err, os.ErrNotExist)
	must(t, repo, "add", tree(t))
}
