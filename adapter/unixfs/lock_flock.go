//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package unixfs

import (
	"os"
	"syscall"
)

// tryLock takes the lock of an open directory, which ends with the process, and
// fails at once when somebody else has it.
func tryLock(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var lockErr error
	err = conn.Control(func(fd uintptr) { lockErr = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) })
	if err != nil {
		return err
	}
	return lockErr
}
