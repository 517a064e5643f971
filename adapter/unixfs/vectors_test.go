package unixfs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// vector is one line of testdata/unixfs.txt: an input, how it is cut, and the
// CID that Kubo gave.
type vector struct {
	input string
	chunk int
	cid   string
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/unixfs.txt")
	require.NoError(t, err)
	var out []vector
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		columns := strings.Split(strings.TrimSpace(line), " | ")
		require.Len(t, columns, 3, line)
		size, err := strconv.Atoi(columns[1])
		require.NoError(t, err)
		out = append(out, vector{columns[0], size, columns[2]})
	}
	return out
}

// seq writes the numbers from 1 to n, a line each, as the command does.
func seq(n int) []byte {
	var b []byte
	for i := 1; i <= n; i++ {
		b = append(strconv.AppendInt(b, int64(i), 10), '\n')
	}
	return b
}

// input builds what the first column describes.
func (v vector) reader(t *testing.T) io.Reader {
	t.Helper()
	fields := strings.Fields(v.input)
	switch fields[0] {
	case "empty":
		return strings.NewReader("")
	case "printf":
		return strings.NewReader(fields[1])
	case "head":
		n, err := strconv.Atoi(fields[2])
		require.NoError(t, err)
		return bytes.NewReader(make([]byte, n))
	case "seq":
		n, err := strconv.Atoi(fields[2])
		require.NoError(t, err)
		return bytes.NewReader(seq(n))
	}
	t.Fatalf("no way to make %q", v.input)
	return nil
}

// vectorTree writes the directory that the comment in the vectors describes.
func vectorTree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "t")
	write := func(name string, data []byte) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, data, 0o666))
	}
	write("a.txt", seq(100))
	write("docs/b.txt", seq(100000))
	write("docs/deep/er/c.txt", []byte("x\n"))
	write("with space.txt", []byte("hello"))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "empty"), 0o777))
	return dir
}

func TestCIDsEqualThoseOfKubo(t *testing.T) {
	ctx := context.Background()
	for _, v := range readVectors(t) {
		t.Run(fmt.Sprintf("%s/%d", v.input, v.chunk), func(t *testing.T) {
			var root Root
			var err error
			o := AddOptions{ChunkSize: v.chunk}
			if v.input == "tree t" {
				root, err = Add(ctx, newMapStore(), vectorTree(t), o)
			} else {
				root, err = AddReader(ctx, newMapStore(), v.reader(t), o)
			}
			require.NoError(t, err)
			require.Equal(t, v.cid, root.CID.String())
		})
	}
}
