// Package command builds souk for tests that run it as a program.
package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

var built struct {
	once sync.Once
	dir  string
	err  error
}

// Souk builds the command, the first time, and returns its path.
func Souk() (string, error) {
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "souk-command-"); built.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", filepath.Join(built.dir, "souk"), "github.com/souk-p2p/souk/cmd/node").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("build souk: %w: %s", err, out)
		}
	})
	return filepath.Join(built.dir, "souk"), built.err
}

// Remove takes away what was built. A test's main calls it at the end.
func Remove() {
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
}
