//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package unixfs

import (
	"errors"
	"os"
)

// tryLock cannot tell a live temporary from a stale one here: none is removed.
func tryLock(*os.File) error { return errors.ErrUnsupported }
