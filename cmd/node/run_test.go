package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/test/eventually"
)

func TestARunningNodeKeepsItsPeers(t *testing.T) {
	holder := t.TempDir()
	source := start(t, holder)
	root := add(t, holder, tree(t))
	reader := t.TempDir()
	start(t, reader, "--peer", source.address())

	eventually.True(t, func() bool { // the first dial is not waited for
		return command(t, reader, "cat", root+"/hello.txt").out == "hello, world\n"
	})
	require.Contains(t, must(t, holder, "ledger"), "B ", "what was sent")

	// Nobody has this one, but somebody may connect who does.
	o := command(t, reader, "cat", "--timeout", "100ms", helloCID)
	require.Equal(t, exitTimeout, o.code, o.err)
	require.Contains(t, o.err, "not done after 100ms")
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
	require.Equal(t, exitLocked, o.code)
	require.Contains(t, o.err, fmt.Sprintf("in use by process %d", os.Getpid()))
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
		"--log=loud":          "debug, info, warn, error or off",
		"--peer=/ip4/1.2.3.4": "/p2p/ID",
	} {
		requireUsageError(t, says, t.TempDir(), "run", flag)
	}
	o := command(t, t.TempDir(), "run", "--debug=0.0.0.0:0", "--listen=/ip4/127.0.0.1/tcp/0")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "loopback")
}

func TestRunPrintsWhereItIsReached(t *testing.T) {
	var out bytes.Buffer
	s := started{
		Info:  node.Info{Addresses: []string{trackerA}},
		Debug: "http://127.0.0.1:4180/debug/ledgers", Routing: "http://127.0.0.1:8181", Control: "/repo/control.sock",
	}
	require.NoError(t, s.print(newApp(nil, &out, nil)))
	require.Equal(t, []string{
		"listening " + trackerA, "debug http://127.0.0.1:4180/debug/ledgers", "routing http://127.0.0.1:8181",
		"control /repo/control.sock", "ready",
	}, lines(out.String())[2:])
}

func TestRunWarnsOfFlooding(t *testing.T) {
	o := command(t, t.TempDir(), "run", "--flood", "--log=error", "--debug=0.0.0.0:0", "--listen=/ip4/127.0.0.1/tcp/0")
	require.Contains(t, o.err, "FLOODING")
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
