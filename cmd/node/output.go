package main

import (
	"errors"
	"os"
	"path/filepath"
)

// replaceFile writes a file whole or not at all, in place of one that is there or that a
// symbolic link leads to. A device or a pipe is written to and stays.
func replaceFile(path string, write func(*os.File) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := errors.Join(write(tmp), tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// replaceWith is replaceFile for content that is there.
func replaceWith(path string, content []byte) error {
	return replaceFile(path, func(to *os.File) error {
		_, err := to.Write(content)
		return err
	})
}
