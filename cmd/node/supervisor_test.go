package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/souk-p2p/souk/cmd/node/internal/repo"
	"github.com/souk-p2p/souk/cmd/node/internal/systemd"
	"github.com/souk-p2p/souk/test/eventually"
)

// serviceManager is told how the service is, as systemd would be.
func serviceManager(t *testing.T) (told func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(eventually.Patience)))
		var b [4096]byte
		n, err := conn.Read(b[:])
		require.NoError(t, err)
		first, _, _ := strings.Cut(string(b[:n]), "\n")
		return first
	}
}

func TestAServiceManagerHearsOfTheLifeOfANode(t *testing.T) {
	told := serviceManager(t)
	t.Setenv("WATCHDOG_USEC", "3600000000")
	d := start(t, t.TempDir())
	require.Equal(t, "READY=1", told())
	require.Equal(t, "WATCHDOG=1", told())
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	require.Equal(t, "RELOADING=1", told())
	require.Equal(t, "READY=1", told())
	d.stop()
	require.Equal(t, "STOPPING=1", told())
}

func TestAServiceManagerThatCannotBeToldIsNamed(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "nonsense")
	o := command(t, t.TempDir(), "run", "--listen=/ip4/127.0.0.1/tcp/0", "--debug=off")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, `NOTIFY_SOCKET "nonsense"`)
}

func TestSocketsThatWereOpenedAreServed(t *testing.T) {
	dir := t.TempDir()
	r, err := repo.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	h := hosted{repo: r, debug: "127.0.0.1:0", manager: supervisor{log: zap.NewNop(), sockets: systemd.Sockets{}}}
	own, err := h.listen()
	require.NoError(t, err)
	require.NoError(t, own.Close())

	opened, err := net.Listen("unix", filepath.Join(dir, "control.sock"))
	require.NoError(t, err)
	h.manager.sockets[socketControl] = opened
	l, err := h.listen()
	require.NoError(t, err)
	require.Equal(t, opened, l)
	require.NoError(t, l.Close())

	elsewhere, err := net.Listen("unix", filepath.Join(t.TempDir(), "control.sock"))
	require.NoError(t, err)
	h.manager.sockets[socketControl] = elsewhere
	_, err = h.listen()
	require.ErrorContains(t, err, "commands look for it at "+dir)
}

func TestASocketWithoutUseIsClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := supervisor{log: zap.NewNop(), sockets: systemd.Sockets{socketRouting: l}}
	s.dismiss()
	_, err = http.Get("http://" + l.Addr().String())
	require.Error(t, err)
}
