package section

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func document(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "README.md")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestOnlyTheNamedPartIsReplaced(t *testing.T) {
	file := document(t, "a\n<!-- x: written by make y -->\nold\n<!-- end of x -->\nb\n<!-- z: written by make y -->\nz\n<!-- end of z -->\n")
	require.NoError(t, Replace(file, "x", "y", "new\n"))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "a\n<!-- x: written by make y -->\nnew\n<!-- end of x -->\nb\n<!-- z: written by make y -->\nz\n<!-- end of z -->\n", string(text))
}

func TestAPartWithoutAnEndIsLeftAsItIs(t *testing.T) {
	const text = "a\n<!-- x: written by make y -->\nold\n"
	file := document(t, text)
	require.ErrorContains(t, Replace(file, "x", "y", "new\n"), "end of x")
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}
