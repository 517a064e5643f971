package repo

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/crypto"
)

// Identity returns the private key of the repository in dir and makes one when
// there is none. It does not need the repository's lock. A key that others than
// its owner may read is refused.
func Identity(dir string) (crypto.PrivKey, error) {
	if err := Prepare(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, identityFile)
	key, err := ReadKey(path)
	switch {
	case errors.Is(err, errNoKey):
		return nil, fmt.Errorf("%w (move it away and a new identity is made)", err)
	case !errors.Is(err, fs.ErrNotExist):
		return key, err
	}
	if err := makeKey(path); err != nil {
		return nil, fmt.Errorf("make the node's identity: %w", err)
	}
	return ReadKey(path)
}

var errNoKey = errors.New("holds no private key")

// ReadKey reads a private key in the form of a repository's identity. One that
// others than its owner may read is refused.
func ReadKey(path string) (crypto.PrivKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the private key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o, so others may read the private key: run chmod 600 %s", path, mode, path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the private key: %w", err)
	}
	key, err := crypto.UnmarshalPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("%s %w: %w", path, errNoKey, err)
	}
	return key, nil
}

func makeKey(path string) error {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return err
	}
	raw, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		return err
	}
	return createOnce(path, raw)
}
