package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// DifferentError says where a copy differs.
type DifferentError struct {
	Name string // below the root
	Why  string
}

func (e *DifferentError) Error() string {
	return fmt.Sprintf("the copy of %s differs: %s", e.Name, e.Why)
}

// compare returns nil when two trees have the same names and every file the same
// bytes.
func compare(want, got string) error {
	entries, err := compareEntries(want, got)
	if err != nil {
		return err
	}
	extra, err := count(got)
	if err != nil {
		return err
	}
	if extra != entries {
		return &DifferentError{Name: filepath.Base(want), Why: fmt.Sprintf("%d entries, not %d", extra, entries)}
	}
	return nil
}

func compareEntries(want, got string) (entries int, err error) {
	err = filepath.WalkDir(want, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		entries++
		name, err := filepath.Rel(want, path)
		if err != nil {
			return err
		}
		return compareEntry(name, path, filepath.Join(got, name), e.Type())
	})
	return entries, err
}

func count(root string) (entries int, err error) {
	err = filepath.WalkDir(root, func(_ string, _ fs.DirEntry, err error) error {
		entries++
		return err
	})
	return entries, err
}

func compareEntry(name, want, got string, kind fs.FileMode) error {
	info, err := os.Lstat(got)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &DifferentError{Name: name, Why: "it is missing"}
	case err != nil:
		return err
	case info.Mode().Type() != kind:
		return &DifferentError{Name: name, Why: fmt.Sprintf("it is %v, not %v", info.Mode().Type(), kind)}
	case kind.IsDir():
		return nil
	case kind == fs.ModeSymlink:
		return compareLinks(name, want, got)
	default:
		return compareFiles(name, want, got)
	}
}

func compareLinks(name, want, got string) error {
	a, err := os.Readlink(want)
	if err != nil {
		return err
	}
	b, err := os.Readlink(got)
	if err == nil && a != b {
		err = &DifferentError{Name: name, Why: fmt.Sprintf("it points to %q, not %q", b, a)}
	}
	return err
}

func compareFiles(name, want, got string) error {
	a, err := os.Open(want)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := os.Open(got)
	if err != nil {
		return err
	}
	defer b.Close()
	same, err := equal(a, b)
	if err == nil && !same {
		err = &DifferentError{Name: name, Why: "other bytes"}
	}
	return err
}

// equal reads two streams to their ends or to the first difference.
func equal(a, b io.Reader) (bool, error) {
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := fill(a, x)
		if err != nil {
			return false, err
		}
		m, err := fill(b, y)
		if err != nil {
			return false, err
		}
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		if n < len(x) {
			return true, nil
		}
	}
}

// fill reads until the buffer is full or the stream ends.
func fill(r io.Reader, buffer []byte) (int, error) {
	n, err := io.ReadFull(r, buffer)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}
