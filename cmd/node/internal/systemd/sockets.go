package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	firstSocket = 3  // after standard input, output and error
	mostSockets = 64 // a unit has a few
)

// Sockets are listening sockets that the service manager has opened, by their names
// (FileDescriptorName= of the socket unit).
type Sockets map[string]net.Listener

// Inherited returns the sockets that were opened for this process, and takes note of
// them from its environment: children are not meant. None of them outlives an exec.
// It is an error when one has a name that is not known, or that another has.
func Inherited(known ...string) (Sockets, error) {
	pid, count, names := take("LISTEN_PID"), take("LISTEN_FDS"), take("LISTEN_FDNAMES")
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > mostSockets {
		return nil, fmt.Errorf("LISTEN_FDS %q is not a number of sockets from 0 to %d", count, mostSockets)
	}
	return adopt(firstSocket, n, strings.Split(names, ":"), known)
}

// adopt takes n sockets from a descriptor on.
func adopt(first, n int, names, known []string) (Sockets, error) {
	sockets := make(Sockets, n)
	for i := range n {
		unix.CloseOnExec(first + i)
	}
	for i := range n {
		name := "unknown"
		if i < len(names) {
			name = names[i]
		}
		l, err := listener(first+i, name)
		if err == nil {
			err = sockets.add(name, l, known)
		}
		if err != nil {
			return nil, errors.Join(err, sockets.Close())
		}
	}
	return sockets, nil
}

// listener makes a listener of a descriptor, which it closes.
func listener(fd int, name string) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), name)
	if f == nil {
		return nil, fmt.Errorf("socket %q: descriptor %d is none", name, fd)
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("socket %q: descriptor %d takes no connections: %w", name, fd, err)
	}
	return l, nil
}

func (s Sockets) add(name string, l net.Listener, known []string) (err error) {
	switch {
	case !slices.Contains(known, name):
		err = fmt.Errorf("socket %q (%s): FileDescriptorName= of a socket unit is one of %s", name, l.Addr(), strings.Join(known, ", "))
	case s[name] != nil:
		err = fmt.Errorf("there are two sockets %q: %s and %s", name, s[name].Addr(), l.Addr())
	}
	if err != nil {
		return errors.Join(err, l.Close())
	}
	s[name] = l
	return nil
}

// Take returns the socket of a name, which is the caller's from then on, or nil when
// there is none.
func (s Sockets) Take(name string) net.Listener {
	l := s[name]
	delete(s, name)
	return l
}

// Close closes those that were not taken.
func (s Sockets) Close() error {
	var errs []error
	for _, l := range s {
		errs = append(errs, l.Close())
	}
	clear(s)
	return errors.Join(errs...)
}
