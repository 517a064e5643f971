package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// WriteError says that a directory of the repository is not for this process to write.
type WriteError struct {
	Dir string
	UID int // of the process
	Err error
}

func (e *WriteError) Error() string {
	return fmt.Sprintf("user %d cannot write %s: %v (%s)", e.UID, e.Dir, e.Err, e.advice())
}

// Unwrap returns what the kernel has said.
func (e *WriteError) Unwrap() error { return e.Err }

// Denied tells that something is not allowed.
func (e *WriteError) Denied() bool { return true }

// advice is what would be right.
func (e *WriteError) advice() string {
	if errors.Is(e.Err, unix.EROFS) {
		return "mount it for writing, name it in ReadWritePaths= of the service, or choose another repository with --repo"
	}
	info, err := os.Stat(e.Dir)
	if err != nil {
		return "choose another repository with --repo"
	}
	if !info.IsDir() {
		return "it is no directory: move it away"
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != e.UID {
		return fmt.Sprintf("it belongs to user %d: run souk as that user, or give the repository away with chown -R", owner.Uid)
	}
	return "its mode is " + info.Mode().String() + ": run chmod u+rwx " + e.Dir
}

// requireWritable finds out whether the database in dir could write, since Pebble ends
// the process when it finds that it cannot. One that is not there yet is for Pebble to
// make, which returns an error.
func requireWritable(dir string) error {
	err := unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return &WriteError{Dir: dir, UID: os.Getuid(), Err: err}
}
