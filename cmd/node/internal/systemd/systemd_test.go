package systemd

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// manager is who is told.
type manager struct{ conn *net.UnixConn }

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{conn}
}

// told returns the lines of the next message.
func (m *manager) told(t *testing.T) []string {
	t.Helper()
	require.NoError(t, m.conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	var b [4096]byte
	n, err := m.conn.Read(b[:])
	require.NoError(t, err)
	return strings.Split(string(b[:n]), "\n")
}

func TestTheManagerIsToldOfTheLifeOfAService(t *testing.T) {
	m := newManager(t)
	n, err := FromEnvironment()
	require.NoError(t, err)
	require.Empty(t, os.Getenv("NOTIFY_SOCKET"), "children are not meant")

	require.NoError(t, n.Ready("serving\n3 peers"))
	require.Equal(t, []string{"READY=1", "STATUS=serving; 3 peers"}, m.told(t))
	require.NoError(t, n.Reloading())
	said := m.told(t)
	require.Equal(t, "RELOADING=1", said[0])
	micros, err := strconv.ParseInt(strings.TrimPrefix(said[1], "MONOTONIC_USEC="), 10, 64)
	require.NoError(t, err)
	require.Positive(t, micros)
	require.NoError(t, n.Stopping("draining", 9*time.Second))
	require.Equal(t, []string{"STOPPING=1", "EXTEND_TIMEOUT_USEC=9000000", "STATUS=draining"}, m.told(t))
}

func TestWithoutAManagerNobodyIsTold(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n, err := FromEnvironment()
	require.NoError(t, err)
	require.Nil(t, n)
	require.NoError(t, n.Ready("serving"))
	require.NoError(t, n.Stopping("", 0))
	n.Watch(t.Context(), func() error { return nil }, nil)
}

func TestTheWatchdogHearsOfLifeAndNothingElse(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "30000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	n, err := FromEnvironment()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	looks, complaints := 0, 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.Watch(ctx, func() error {
			if looks++; looks == 2 {
				return errors.New("stuck")
			}
			if looks == 3 {
				cancel()
			}
			return nil
		}, func(error) { complaints++ })
	}()
	<-done
	require.Equal(t, []string{"WATCHDOG=1"}, m.told(t))
	require.Equal(t, []string{"WATCHDOG=1"}, m.told(t))
	require.Equal(t, 1, complaints)
	require.NoError(t, m.conn.SetReadDeadline(time.Now().Add(-time.Second)))
	_, err = m.conn.Read(make([]byte, 1))
	require.Error(t, err, "nothing was said when it was stuck")
}

func TestTheWatchdogOfAnotherProcessIsNotOurs(t *testing.T) {
	newManager(t)
	t.Setenv("WATCHDOG_USEC", "30000")
	t.Setenv("WATCHDOG_PID", "1")
	n, err := FromEnvironment()
	require.NoError(t, err)
	n.Watch(t.Context(), func() error { panic("it is not wanted") }, nil)
}

func TestAnOddRequestToBeToldIsNamed(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "vsock:2:1234")
	_, err := FromEnvironment()
	require.ErrorContains(t, err, `NOTIFY_SOCKET "vsock:2:1234"`)
	newManager(t)
	t.Setenv("WATCHDOG_USEC", "soon")
	_, err = FromEnvironment()
	require.ErrorContains(t, err, `WATCHDOG_USEC "soon"`)
}

// passed are the descriptors of sockets, as a manager leaves them behind: in a row,
// and with nobody who would close them.
func passed(t *testing.T, n int) (first int) {
	t.Helper()
	dir := t.TempDir()
	const row = 200 // Far from those that are open.
	for i := range n {
		l, err := net.Listen("unix", filepath.Join(dir, strconv.Itoa(i)))
		require.NoError(t, err)
		f, err := l.(*net.UnixListener).File()
		require.NoError(t, err)
		require.NoError(t, unix.Dup3(int(f.Fd()), row+i, 0))
		require.NoError(t, f.Close())
		t.Cleanup(func() { _ = l.Close() })
	}
	return row
}

func TestSocketsComeByTheirNames(t *testing.T) {
	first := passed(t, 2)
	s, err := adopt(first, 2, []string{"debug", "control"}, []string{"control", "debug"})
	require.NoError(t, err)
	l := s.Take("control")
	require.True(t, strings.HasSuffix(l.Addr().String(), "/1"), l.Addr())
	require.Nil(t, s.Take("control"))
	require.NoError(t, l.Close())
	require.FileExists(t, l.Addr().String(), "the socket is the manager's")
	require.NoError(t, s.Close())
	_, err = unix.FcntlInt(uintptr(first), unix.F_GETFD, 0)
	require.ErrorIs(t, err, unix.EBADF)
}

func TestASocketOfNoKnownNameIsAnError(t *testing.T) {
	_, err := adopt(passed(t, 1), 1, []string{"souk.socket"}, []string{"control", "debug"})
	require.ErrorContains(t, err, `socket "souk.socket"`)
	require.ErrorContains(t, err, "one of control, debug")
	_, err = adopt(passed(t, 2), 2, []string{"debug", "debug"}, []string{"debug"})
	require.ErrorContains(t, err, `two sockets "debug"`)
}

func TestSocketsOfAnotherProcessAreNotOurs(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	s, err := Inherited("debug")
	require.NoError(t, err)
	require.Empty(t, s)
	require.Empty(t, os.Getenv("LISTEN_FDS"))
	t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	t.Setenv("LISTEN_FDS", "many")
	_, err = Inherited("debug")
	require.ErrorContains(t, err, `LISTEN_FDS "many"`)
}
