package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

const (
	socketFile   = "control.sock"
	redirectFile = "control.path"
	// The kernel's sun_path is 108 bytes on Linux and 104 on BSD and macOS, with
	// the final zero.
	maxSocketPath = 103
	redirectStem  = "souk-control-"
)

// Listen opens the repository's control socket, which only its owner may use,
// in place of one that an earlier process left. Closing the listener removes it.
func (r *Repo) Listen() (net.Listener, error) {
	if err := clearSocket(r.dir); err != nil {
		return nil, fmt.Errorf("remove the control socket of an earlier process: %w", err)
	}
	path, err := placeSocket(r.dir)
	if err != nil {
		return nil, fmt.Errorf("find a place for the control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the control socket: %w", err), clearSocket(r.dir))
	}
	// For the moment before, the mode of the directory keeps others out.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close(), clearSocket(r.dir))
	}
	return &listener{Listener: l, dir: r.dir}, nil
}

// Adopt checks that a listener that was opened for this process is where commands
// look for the control socket. Closing it leaves its file to who has opened it.
func (r *Repo) Adopt(l net.Listener) (net.Listener, error) {
	at, err := filepath.Abs(filepath.Join(r.dir, socketFile))
	if err == nil && l.Addr().String() != at {
		err = fmt.Errorf("the control socket was opened at %s, and commands look for it at %s", l.Addr(), at)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Dial connects to the control socket of the node that has the repository in
// dir open.
func Dial(ctx context.Context, dir string) (net.Conn, error) {
	path, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// listener takes the redirection away with the socket.
type listener struct {
	net.Listener
	dir  string
	once sync.Once
	err  error
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.err = errors.Join(l.Listener.Close(), clearSocket(l.dir))
	})
	return l.err
}

// errRedirect says that what stands where the way to the socket should is none
// that we have written.
var errRedirect = errors.New("holds no path of a control socket")

// socketPath is where the socket of the repository in dir is.
func socketPath(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, redirectFile))
	if errors.Is(err, fs.ErrNotExist) {
		return filepath.Join(dir, socketFile), nil
	}
	if err != nil {
		return "", err
	}
	path := strings.TrimSpace(string(text))
	if !filepath.IsAbs(path) || !isRedirected(path) {
		return "", fmt.Errorf("%s %w: %q", filepath.Join(dir, redirectFile), errRedirect, path)
	}
	return path, nil
}

// isRedirected reports whether a socket is in a directory of its own.
func isRedirected(path string) bool {
	return filepath.Base(path) == socketFile && strings.HasPrefix(filepath.Base(filepath.Dir(path)), redirectStem)
}

// placeSocket decides where the socket goes: into the repository, or, where
// that path is too long for a socket, into a new directory of our own under the
// user's runtime directory, with a note of it in the repository.
func placeSocket(dir string) (string, error) {
	if path := filepath.Join(dir, socketFile); len(path) <= maxSocketPath {
		return path, nil
	}
	short, err := os.MkdirTemp(os.Getenv("XDG_RUNTIME_DIR"), redirectStem) // mode 0700
	if err != nil {
		return "", err
	}
	path := filepath.Join(short, socketFile)
	if err := createOnce(filepath.Join(dir, redirectFile), []byte(path+"\n")); err != nil {
		return "", errors.Join(err, os.Remove(short))
	}
	return path, nil
}

// clearSocket removes the socket and its redirection, if there is one. Only the
// holder of the lock may call it.
func clearSocket(dir string) error {
	path, err := socketPath(dir)
	if errors.Is(err, errRedirect) {
		path, err = filepath.Join(dir, socketFile), nil // What it points at is not ours.
	}
	if err != nil {
		return err
	}
	err = remove(path)
	if isRedirected(path) {
		err = errors.Join(err, remove(filepath.Dir(path)))
	}
	return errors.Join(err, remove(filepath.Join(dir, redirectFile)))
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
