package repo

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatAKilledProcessLeftIsRemoved(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	leave := func(name string, age time.Duration) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte("half"), 0o600))
		require.NoError(t, os.Chtimes(path, now, now.Add(-age)))
		return path
	}
	var gone, stays []string
	for _, name := range []string{versionFile, identityFile, announcedFile, datasetFile, redirectFile, "config"} {
		tmp, err := os.CreateTemp(t.TempDir(), "."+name+"-") // as they are written
		require.NoError(t, err)
		require.NoError(t, tmp.Close())
		gone = append(gone, leave(filepath.Base(tmp.Name()), 2*staleAge))
	}
	stays = append(stays, leave(".identity.key-1", 0)) // Somebody may be at it.
	for _, name := range []string{".identity.key-", ".identity.key-backup", "identity.key-1", ".notes-1", ".config-1.old"} {
		stays = append(stays, leave(name, 2*staleAge))
	}
	require.NoError(t, open(t, dir).Close())
	for _, path := range gone {
		require.NoFileExists(t, path)
	}
	for _, path := range stays {
		require.FileExists(t, path)
	}
}
