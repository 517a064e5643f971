package repo

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A file in place of the directory is refused to the superuser, too.
func TestBlocksThatCannotBeWrittenAreNamed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, blocksDir), nil, 0o600))
	_, err := Open(dir)
	var refused *WriteError
	require.ErrorAs(t, err, &refused)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, filepath.Join(dir, blocksDir)+": permission denied (it is no directory: move it away)")

	require.NoError(t, os.Remove(filepath.Join(dir, blocksDir)))
	require.NoError(t, open(t, dir).Close(), "nothing was left behind")
}

func TestWhatWouldBeRightIsSaid(t *testing.T) {
	dir, own := t.TempDir(), os.Getuid()
	require.NoError(t, os.Chmod(dir, 0o500))
	says := func(dir string, uid int, err error) string {
		return (&WriteError{Dir: dir, UID: uid, Err: err}).Error()
	}
	require.Equal(t, fmt.Sprintf("user %d cannot write %s: permission denied (its mode is dr-x------: run chmod u+rwx %[2]s)", own, dir),
		says(dir, own, syscall.EACCES))
	require.Contains(t, says(dir, own+1, syscall.EACCES), fmt.Sprintf("it belongs to user %d: run souk as that user", own))
	require.Contains(t, says(dir, own, syscall.EROFS), "ReadWritePaths=")
	require.Contains(t, says(filepath.Join(dir, "gone"), own, syscall.EACCES), "--repo")
}
