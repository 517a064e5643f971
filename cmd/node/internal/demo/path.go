package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNoGo says that there is no standard library to share.
var ErrNoGo = errors.New("no Go installation with the source of its standard library was found: name a PATH to share")

// DefaultPath is the source tree of the standard library of the Go installation
// on this machine.
func DefaultPath(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("%w (go env GOROOT: %w)", ErrNoGo, err)
	}
	path := filepath.Join(strings.TrimSpace(string(out)), "src")
	if _, err := os.Stat(filepath.Join(path, "fmt", "print.go")); err != nil {
		return "", fmt.Errorf("%w (%w)", ErrNoGo, err)
	}
	return path, nil
}

// ResolvePath returns what a PATH is without symbolic links, or says in clear
// words why it cannot be shared.
func ResolvePath(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("PATH cannot be shared: %w", err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", fmt.Errorf("PATH cannot be shared: %w", err)
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return "", fmt.Errorf("PATH cannot be shared: %s is neither a file nor a directory", path)
	}
	return real, nil
}
