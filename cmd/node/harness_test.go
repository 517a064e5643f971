package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// outcome is what one command line did.
type outcome struct {
	code     int
	out, err string
}

// command runs a command line in this process.
func command(t *testing.T, repo string, args ...string) outcome {
	t.Helper()
	return commandReading(t, "", repo, args...)
}

func commandReading(t *testing.T, input, repo string, args ...string) outcome {
	t.Helper()
	var out, err bytes.Buffer
	code := execute(t.Context(), newApp(strings.NewReader(input), &out, &err), append([]string{"--repo", repo}, args...))
	return outcome{code: code, out: out.String(), err: err.String()}
}

// must runs a command line that succeeds and returns its output.
func must(t *testing.T, repo string, args ...string) string {
	t.Helper()
	o := command(t, repo, args...)
	require.Equal(t, exitOK, o.code, "souk %v: %s", args, o.err)
	return o.out
}

// requireUsageError says that a command line is refused as wrong, with words that tell why.
func requireUsageError(t *testing.T, says, repo string, args ...string) {
	t.Helper()
	o := command(t, repo, args...)
	require.Equal(t, exitUsage, o.code, "%v: %s", args, o.err)
	require.Contains(t, o.err, says, args)
}

// add adds a path and returns its CID.
func add(t *testing.T, repo, path string, flags ...string) string {
	t.Helper()
	return strings.TrimSpace(must(t, repo, append([]string{"add", "-Q", path}, flags...)...))
}

// daemon is a running node.
type daemon struct {
	started
	repo   string
	stop   func()
	errors func() string // what was written to standard error, once it has stopped
}

// address is one at which the node listens.
func (d *daemon) address() string { return d.Addresses[0] }

// start runs a node on the repository until the end of the test.
func start(t *testing.T, repo string, flags ...string) *daemon {
	t.Helper()
	d := &daemon{repo: repo}
	line := d.launch(t, append([]string{"--repo", repo, "--json", "run", "--debug", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0"}, flags...)...)
	requireSchema(t, "souk run", line)
	require.NoError(t, json.Unmarshal([]byte(line), &d.started), line)
	return d
}

// launch runs a command that ends when it is interrupted, and returns the first
// line that it prints.
func (d *daemon) launch(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	reader, writer := io.Pipe()
	done := make(chan outcome, 1)
	go func() {
		var err bytes.Buffer
		code := execute(ctx, newApp(nil, writer, &err), args)
		writer.Close()
		done <- outcome{code: code, err: err.String()}
	}()
	out := bufio.NewReader(reader)
	line, err := out.ReadString('\n')
	if err != nil {
		cancel()
		require.Fail(t, "the node did not start", "%s", (<-done).err)
	}
	go io.Copy(io.Discard, out) // ends with the command
	var ended outcome
	d.stop = sync.OnceFunc(func() {
		cancel()
		ended = <-done
		require.Equal(t, exitOK, ended.code, ended.err)
	})
	d.errors = func() string { return ended.err }
	t.Cleanup(d.stop)
	return strings.TrimSuffix(line, "\n")
}

// tree makes a directory tree and returns its path.
func tree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	files := map[string]string{
		"hello.txt":      "hello, world\n",
		"empty":          "",
		"deep/er/big":    noise(1_600_000), // 7 blocks
		"deep/.hidden":   "not by default",
		"späce and tabs": "\t \n",
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	require.NoError(t, os.Symlink("hello.txt", filepath.Join(dir, "link")))
	return dir
}

// noise is content of which no two blocks are equal, the same every time.
func noise(size int) string {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(b)
	return string(b)
}

// damage makes a file of the repository unreadable for what it is.
func damage(t *testing.T, repo, name string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(repo, name), []byte("\x00damaged"), 0o600))
}

// requireSame compares two trees in every name and every byte.
func requireSame(t *testing.T, want, got string) {
	t.Helper()
	require.Equal(t, contents(t, want), contents(t, got))
}

func contents(t *testing.T, root string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			all[name] = "directory"
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			all[name] = "-> " + target
			return err
		default:
			content, err := os.ReadFile(path)
			all[name] = string(content)
			return err
		}
		return nil
	}))
	return all
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

func mkdir(path string) error { return os.MkdirAll(path, 0o755) }

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }
