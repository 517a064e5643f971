package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCARFilesCarryATree(t *testing.T) {
	source, dir := t.TempDir(), tree(t)
	root := add(t, source, dir, "--hidden")
	v1, v2 := filepath.Join(t.TempDir(), "v1.car"), filepath.Join(t.TempDir(), "v2.car")
	require.Contains(t, must(t, source, "car", "export", root, "-o", v1), "exported ")
	must(t, source, "car", "export", root, "--version", "2", "-o", v2)
	streamed := must(t, source, "car", "export", root)
	written, err := os.ReadFile(v1)
	require.NoError(t, err)
	require.Equal(t, string(written), streamed)
	left, err := os.ReadDir(filepath.Dir(v1))
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing is left beside the file")

	hereAndThere(t, func(t *testing.T, repo string) {
		require.Contains(t, must(t, repo, "car", "import", v1), "pinned root "+root+"\n")
		got := decodeLines[carImported](t, must(t, repo, "--json", "car", "import", v2))[0]
		require.Equal(t, []string{root}, got.Roots)
		require.EqualValues(t, 2, got.Version)
		require.Equal(t, map[string]string{"v1.car": "recursive", "v2.car": "recursive"}, pinned(t, repo))
		must(t, repo, "gc")
		out := filepath.Join(t.TempDir(), "out")
		must(t, repo, "get", root, "-o", out)
		requireSame(t, dir, out)
		require.Equal(t, streamed, must(t, repo, "car", "export", root))
	})
	o := commandReading(t, streamed, t.TempDir(), "car", "import", "-")
	require.Equal(t, exitOK, o.code, o.err)
}

func TestADamagedCARFileKeepsWhatCameBefore(t *testing.T) {
	source, repo := t.TempDir(), t.TempDir()
	root := add(t, source, tree(t))
	whole := must(t, source, "car", "export", root)
	o := commandReading(t, whole[:len(whole)-100], repo, "car", "import", "-")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "cut off")
	require.Contains(t, o.err, "are stored")
	must(t, repo, "block", "stat", root)
	require.Empty(t, pinned(t, repo))
}

func TestAPartialCARFileIsPinnedByNobody(t *testing.T) {
	source := t.TempDir()
	root := add(t, source, tree(t))
	leaf := add(t, source, file(t, "leaf", "hello, world\n"), "--pin=false")
	must(t, source, "block", "rm", leaf)
	out := filepath.Join(t.TempDir(), "part.car")
	o := command(t, source, "car", "export", root, "-o", out)
	require.Equal(t, exitNotFound, o.code)
	require.Contains(t, o.err, leaf)
	require.NoFileExists(t, out)
	require.Contains(t, must(t, source, "car", "export", root, "-o", out, "--partial"), "1 block is missing")

	hereAndThere(t, func(t *testing.T, repo string) {
		o := command(t, repo, "car", "import", out)
		require.Equal(t, exitNotFound, o.code, o.err)
		require.Contains(t, o.err, "--pin-roots=false")
		require.Contains(t, must(t, repo, "car", "import", out, "--pin-roots=false"), "\nroot "+root+"\n")
		require.Empty(t, pinned(t, repo))
	})
}

func TestCARCommandsSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"car", "export", helloCID, "--version", "3"}, exitUsage, "neither 1 nor 2"},
		{[]string{"car", "export", helloCID, "--version", "2"}, exitUsage, "--output"},
		{[]string{"car", "export", "nonsense"}, exitUsage, "no CID"},
		{[]string{"car", "export", helloCID}, exitNotFound, helloCID},
		{[]string{"car", "import", "/no/such/file"}, exitFailed, "no such file"},
		{[]string{"car", "import", file(t, "text", "no CAR")}, exitFailed, "not a right CAR file"},
	} {
		o := command(t, t.TempDir(), c.args...)
		require.Equal(t, c.code, o.code, "%v: %s", c.args, o.err)
		require.Contains(t, o.err, c.says)
	}
}
