package unixfs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/ipfs/go-cid"
)

const (
	// stagingPrefix begins the names of temporaries.
	stagingPrefix = ".souk-get-"
	// stagedName is what is got, while it is in its temporary directory.
	stagedName = "content"
)

// staging is a locked temporary directory next to the output, on the same file
// system, so that what is complete can be renamed into place.
type staging struct {
	parent *os.Root
	// base is the name of the output in parent, name that of the temporary.
	base, name string
	dir        *os.Root
	lock       *os.File
}

// newStaging creates the temporary directory for getting root to output, and
// removes those that other processes left of the same root.
func newStaging(output string, root cid.Cid) (*staging, error) {
	full, err := resolveOutput(output)
	if err != nil {
		return nil, err
	}
	parent, err := os.OpenRoot(filepath.Dir(full))
	if err != nil {
		return nil, fmt.Errorf("unixfs: get: output needs a directory to be in: %w", err)
	}
	s := &staging{parent: parent, base: filepath.Base(full)}
	prefix := stagingPrefix + tail(root.String(), 16) + "-"
	s.sweep(prefix)
	if err := s.create(prefix); err != nil {
		return nil, errors.Join(fmt.Errorf("unixfs: get: %w", err), s.remove())
	}
	return s, nil
}

// resolveOutput makes the output absolute, and follows it if it is a symbolic
// link to a directory: that one is the caller's own.
func resolveOutput(output string) (string, error) {
	if output == "" {
		return "", errors.New("unixfs: get: empty output path")
	}
	full, err := filepath.Abs(output)
	if err != nil {
		return "", fmt.Errorf("unixfs: get: %w", err)
	}
	if info, err := os.Stat(full); err == nil && info.IsDir() {
		if full, err = filepath.EvalSymlinks(full); err != nil {
			return "", fmt.Errorf("unixfs: get: %w", err)
		}
	}
	if filepath.Dir(full) == full {
		return "", fmt.Errorf("unixfs: get: output %s has no directory to be in; name one below it", full)
	}
	return full, nil
}

// create makes and locks the directory. Between the two another process may
// take it for a stale one and remove it: then there is another try.
func (s *staging) create(prefix string) error {
	const tries = 4
	var err error
	for range tries {
		s.name = prefix + rand.Text()[:8]
		if err = s.parent.Mkdir(s.name, 0o700); err != nil {
			return err
		}
		if err = s.open(); err == nil {
			return nil
		}
	}
	return err
}

// open locks the directory, where there are locks, and makes sure that the name
// still stands for it.
func (s *staging) open() error {
	lock, err := s.parent.Open(s.name)
	if err != nil {
		return err
	}
	err = tryLock(lock)
	if err == nil || errors.Is(err, errors.ErrUnsupported) {
		s.dir, err = s.parent.OpenRoot(s.name)
	}
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	s.lock = lock
	return nil
}

// sweep removes the temporaries whose lock nobody holds any more. What cannot
// be removed is left: it is in nobody's way.
func (s *staging) sweep(prefix string) {
	names, err := s.names(".")
	if err != nil {
		return
	}
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			s.sweepOne(name)
		}
	}
}

func (s *staging) sweepOne(name string) {
	lock, err := s.parent.Open(name)
	if err != nil {
		return
	}
	defer lock.Close()
	if tryLock(lock) == nil {
		_ = s.parent.RemoveAll(name)
	}
}

// install renames what is complete to its place.
func (s *staging) install(overwrite bool) error {
	return s.move(path.Join(s.name, stagedName), s.base, overwrite)
}

// move renames an entry, or merges a directory into the one that exists.
func (s *staging) move(from, to string, overwrite bool) error {
	source, err := s.parent.Lstat(from)
	if err != nil {
		return fmt.Errorf("unixfs: get: %w", err)
	}
	existing, err := s.parent.Lstat(to)
	switch {
	case err == nil:
		if err := checkReplace(existing, source.IsDir(), overwrite); err != nil {
			return &fs.PathError{Op: "get", Path: filepath.Join(s.parent.Name(), to), Err: err}
		}
		if source.IsDir() {
			return s.merge(from, to, overwrite)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("unixfs: get: %w", err)
	}
	if err := s.parent.Rename(from, to); err != nil {
		return fmt.Errorf("unixfs: get: %w", err)
	}
	return nil
}

func (s *staging) merge(from, to string, overwrite bool) error {
	names, err := s.names(from)
	if err != nil {
		return fmt.Errorf("unixfs: get: %w", err)
	}
	for _, name := range names {
		if err := s.move(path.Join(from, name), path.Join(to, name), overwrite); err != nil {
			return err
		}
	}
	return nil
}

func (s *staging) names(dir string) ([]string, error) {
	f, err := s.parent.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// remove deletes the temporary directory and all that is in it.
func (s *staging) remove() error {
	var errs []error
	if s.dir != nil {
		errs = append(errs, s.dir.Close())
	}
	if s.name != "" {
		errs = append(errs, s.parent.RemoveAll(s.name))
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(append(errs, s.parent.Close())...)
}

// tail returns the last n bytes of s.
func tail(s string, n int) string { return s[max(0, len(s)-n):] }
