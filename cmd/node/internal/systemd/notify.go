// Package systemd speaks with the service manager that has started this process: it
// tells how the service is (sd_notify(3), with the watchdog), and takes the sockets
// that the manager has opened for it (sd_listen_fds(3)).
package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Notifier tells the service manager how this service is. A nil Notifier tells
// nobody, which is right where no manager asked to be told.
type Notifier struct {
	addr     *net.UnixAddr
	watchdog time.Duration // within which it wants a sign of life; 0 for none
}

// FromEnvironment returns who asked to be told in the environment of this process,
// from which it takes the request: children are not meant. It is nil when nobody
// did.
func FromEnvironment() (*Notifier, error) {
	path := take("NOTIFY_SOCKET")
	limit, of := take("WATCHDOG_USEC"), take("WATCHDOG_PID")
	if path == "" {
		return nil, nil
	}
	if path[0] != '/' && path[0] != '@' {
		return nil, fmt.Errorf("NOTIFY_SOCKET %q is neither a path nor an abstract socket", path)
	}
	n := &Notifier{addr: &net.UnixAddr{Name: path, Net: "unixgram"}}
	if limit == "" || of != "" && of != strconv.Itoa(os.Getpid()) {
		return n, nil
	}
	micros, err := strconv.ParseInt(limit, 10, 64)
	if err != nil || micros <= 0 || micros > int64(time.Hour/time.Microsecond)*24*365 {
		return nil, fmt.Errorf("WATCHDOG_USEC %q is not a number of microseconds", limit)
	}
	n.watchdog = time.Duration(micros) * time.Microsecond
	return n, nil
}

func take(name string) string {
	value := os.Getenv(name)
	_ = os.Unsetenv(name) // Fails for names that no variable can have.
	return value
}

// Ready says that the service does its work, for the first time or after a reload.
func (n *Notifier) Ready(status string) error { return n.send("READY=1", statusLine(status)) }

// Reloading says that settings are read again; Ready follows.
func (n *Notifier) Reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("read the monotonic clock: %w", err)
	}
	return n.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
}

// Stopping says that the service ends, which may take as long as is given.
func (n *Notifier) Stopping(status string, takes time.Duration) error {
	return n.send("STOPPING=1", fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", takes.Microseconds()), statusLine(status))
}

// Watch gives signs of life, as often as they are wanted, while live returns no
// error, until ctx ends. It returns at once when none are wanted. What could not be
// sent, and why there is no sign, is given to complain.
func (n *Notifier) Watch(ctx context.Context, live func() error, complain func(error)) {
	if n == nil || n.watchdog == 0 {
		return
	}
	beat := time.NewTicker(n.watchdog / 3) // Two may be late.
	defer beat.Stop()
	for {
		err := live()
		if err == nil {
			err = n.send("WATCHDOG=1")
		}
		if err != nil {
			complain(err)
		}
		select {
		case <-beat.C:
		case <-ctx.Done():
			return
		}
	}
}

// statusLine is a status in one line.
func statusLine(status string) string {
	return "STATUS=" + strings.ReplaceAll(status, "\n", "; ")
}

func (n *Notifier) send(lines ...string) error {
	if n == nil {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, n.addr)
	if err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return nil
}
