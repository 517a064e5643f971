package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestAnOutputIsReplacedWholeOrNotAtAll(t *testing.T) {
	path := file(t, "out", "before")
	broken := errors.New("broken")
	require.ErrorIs(t, replaceFile(path, func(to *os.File) error {
		_, err := to.WriteString("half")
		return errors.Join(err, broken)
	}), broken)
	requireContent(t, "before", path)
	require.NoError(t, replaceWith(path, []byte("after")))
	requireContent(t, "after", path)
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestAnOutputBehindALinkIsReplacedThere(t *testing.T) {
	path, link := file(t, "out", "before"), filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(path, link))
	require.NoError(t, replaceWith(link, []byte("after")))
	requireContent(t, "after", path)
	target, err := os.Readlink(link)
	require.NoError(t, err)
	require.Equal(t, path, target)
}

// As /dev/null and /dev/stdout, which the superuser could put a file in place of.
func TestAnOutputThatIsNoFileIsWrittenTo(t *testing.T) {
	repo, pipe := t.TempDir(), filepath.Join(t.TempDir(), "pipe")
	cid := add(t, repo, file(t, "hello", "hello, world\n"))
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	for _, args := range [][]string{
		{"block", "get", cid, "-o", pipe}, {"car", "export", cid, "-o", pipe}, {"trackers", "sign", "--sequence", "1", "-o", pipe, trackerA},
	} {
		reader, err := os.OpenFile(pipe, os.O_RDWR, 0) // Does not wait for a writer.
		require.NoError(t, err)
		must(t, repo, args...)
		n, err := reader.Read(make([]byte, 1<<10))
		require.NoError(t, err)
		require.Positive(t, n, args)
		require.NoError(t, reader.Close())
		info, err := os.Stat(pipe)
		require.NoError(t, err)
		require.Equal(t, os.ModeNamedPipe, info.Mode().Type(), args)
	}
	require.Equal(t, exitFailed, command(t, repo, "block", "get", cid, "-o", t.TempDir()).code, "a directory")
}

func requireContent(t *testing.T, want, path string) {
	t.Helper()
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}
