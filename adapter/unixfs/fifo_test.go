//go:build unix

package unixfs

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAddNamesWhatUnixFSCannotHold(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o666))
	_, err := Add(t.Context(), newMapStore(), filepath.Dir(pipe), AddOptions{})
	require.ErrorIs(t, err, ErrUnsupported)
	require.ErrorContains(t, err, pipe)
}
