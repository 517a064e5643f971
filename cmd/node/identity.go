package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/crypto"

	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

const (
	identityVariable = "SOUK_IDENTITY"
	// What systemd passes (LoadCredential=) is a file of this name.
	credentialsVariable = "CREDENTIALS_DIRECTORY"
	identityCredential  = "souk-identity"
)

// identity returns the private key of a node: that of the file if one is given, else
// that in the environment, else the credential of the service, else the
// repository's. An error names where the key was looked for, and never says what was
// there.
func (a *app) identity(file, dir string) (crypto.PrivKey, error) {
	if file != "" {
		key, err := repo.ReadKey(file)
		if err != nil {
			return nil, fmt.Errorf("--identity-file: %w", err)
		}
		return key, nil
	}
	if text, ok := a.environment(identityVariable); ok && text != "" {
		return keyFromText(text)
	}
	if credentials, ok := a.environment(credentialsVariable); ok && credentials != "" {
		key, err := keyFromCredential(filepath.Join(credentials, identityCredential))
		if !errors.Is(err, fs.ErrNotExist) {
			return key, err
		}
	}
	return repo.Identity(dir)
}

func keyFromText(text string) (crypto.PrivKey, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, usagef("%s is not base64", identityVariable) // The cause would show a part of it.
	}
	key, err := crypto.UnmarshalPrivateKey(raw)
	if err != nil {
		return nil, usagef("%s holds no private key: it is the base64 of one in libp2p's encoding, as in Kubo's Identity.PrivKey or of a repository's identity.key", identityVariable)
	}
	return key, nil
}

// keyFromCredential reads a key that the service manager passes. Who may read it is
// the manager's affair: the mode shows its access list.
func keyFromCredential(path string) (crypto.PrivKey, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the credential %s: %w", identityCredential, err)
	}
	key, err := crypto.UnmarshalPrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("the credential %s holds no private key, as in a repository's identity.key", path)
	}
	return key, nil
}
