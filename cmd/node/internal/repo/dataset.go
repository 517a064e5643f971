package repo

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/souk-p2p/souk/providers/record"
)

const datasetFile = "dataset"

// Dataset returns the namespace of what the repository in dir shares, and makes
// up one when there is none: one for all of it, because announcing costs the same
// however much a namespace holds. It does not need the repository's lock.
func Dataset(dir string) (string, error) {
	if err := Prepare(dir); err != nil {
		return "", err
	}
	path := filepath.Join(dir, datasetFile)
	name, err := readDataset(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return name, err
	}
	made := "dataset-" + strings.ToLower(rand.Text()) // 130 bits: nobody else has the same
	if err := createOnce(path, []byte(made+"\n")); err != nil {
		return "", fmt.Errorf("name the repository's dataset: %w", err)
	}
	return readDataset(path)
}

func readDataset(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the name of the repository's dataset: %w", err)
	}
	name := strings.TrimSpace(string(text))
	if err := record.Namespace(name).Check(); err != nil {
		return "", fmt.Errorf("%s holds no namespace (remove it and another is made up): %w", path, err)
	}
	return name, nil
}
