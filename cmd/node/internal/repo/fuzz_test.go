package repo

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzFiles reads the files of a repository whatever is in them.
func FuzzFiles(f *testing.F) {
	f.Add([]byte("1\n"), []byte("key"), []byte("17\n"), []byte("/tmp/souk-control-1/control.sock\n"), []byte(`{"announced":[{"namespace":"n"}]}`))
	f.Add([]byte("99999999999999999999"), []byte("\x08\x01\x12\x40"), []byte("-1"), []byte("../souk-control-x/control.sock"), []byte(`{"announced":[{"shards":["00-0f"]}]}`))
	f.Add([]byte{}, []byte{}, []byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, version, key, lock, redirect, announcements []byte) {
		dir := t.TempDir()
		for name, content := range map[string][]byte{
			versionFile: version, identityFile: key, lockFile: lock, redirectFile: redirect,
			announcedFile: announcements,
		} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
		}
		if _, err := Identity(dir); err != nil {
			require.ErrorContains(t, err, dir, "an error says where")
		}
		held, err := acquire(filepath.Join(dir, lockFile))
		require.NoError(t, err)
		require.NoError(t, held.Close())
		if path, err := socketPath(dir); err == nil {
			require.Equal(t, socketFile, filepath.Base(path))
		}
		r := &Repo{dir: dir}
		if all, err := r.Announced(); err == nil {
			for _, a := range all {
				require.NoError(t, r.Announce(a), "what was read is within the rules")
			}
		}
		after, err := os.ReadFile(filepath.Join(dir, identityFile))
		require.NoError(t, err)
		require.Equal(t, string(key), string(after), "a key is never replaced")
	})
}
