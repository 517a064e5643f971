package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAFileThatDoesNotExistIsEmpty(t *testing.T) {
	f, err := ReadFile(filepath.Join(t.TempDir(), FileName))
	require.NoError(t, err)
	require.False(t, f.Has("log"))
}

func TestABrokenFileIsRefusedWithTheLine(t *testing.T) {
	for content, says := range map[string]string{
		"":                                   "line 1: it ends too early",
		"[]":                                 "line 1: it does not begin with {",
		"{\n \"log\": \"info\"":              "line 2: it ends too early",
		"{\n \"log\": \"info\",\n}":          "line 3: ",
		"{\n \"log\": 1,\n \"log\": 2\n}":    `line 3: "log" is there twice`,
		"{} {}":                              "line 1: something follows the object",
		"{\n\n 3: 4}":                        "line 3: ",
		"{\n \"log\": info}":                 "line 2: ",
		"{\"log\": \"" + "\x00" + "info\"}":  "line 1: ",
		strings.Repeat(" ", maxFile) + "{}":  "has more than",
		strings.Repeat("[", 100_000) + "\n":  "line 1: ",
		"{\"a\":" + strings.Repeat("[", 2e4): "line 1: ",
	} {
		_, err := ReadFile(write(t, content))
		require.ErrorContains(t, err, says, "%.20q", content)
	}
}

func TestWhatIsNoFileIsNotWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := ReadFile(path)
	require.ErrorContains(t, err, "no regular file")
	_, err = ReadFile(t.TempDir())
	require.ErrorContains(t, err, "no regular file")
}

func TestSetKeepsTheOtherKeysAndTheirOrder(t *testing.T) {
	path := write(t, `{"zeta":{"kept":[1,2]},"log":"info","memory":1}`)
	require.NoError(t, os.Chmod(path, 0o755))
	flags := new(options).flags()
	require.NoError(t, Edit(path, func(f *File) error {
		require.NoError(t, f.Set(flags.Lookup("memory"), "64"))
		require.NoError(t, f.Set(flags.Lookup("listen"), "a,b", "c"))
		require.NoError(t, f.Set(flags.Lookup("tracker"), "true"))
		require.True(t, f.Unset("log"))
		require.False(t, f.Unset("log"))
		return nil
	}))

	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, `{
  "zeta": {
    "kept": [
      1,
      2
    ]
  },
  "memory": 64,
  "listen": [
    "a",
    "b",
    "c"
  ],
  "tracker": true
}
`, string(content))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "no temporary file is left")
}

func TestSetRefusesWhatTheFlagDoesNotTake(t *testing.T) {
	f := written(t, `{}`)
	flags := new(options).flags()
	require.ErrorContains(t, f.Set(flags.Lookup("memory"), "-1"), "a whole number from 0 on is right")
	require.ErrorContains(t, f.Set(flags.Lookup("log"), "a", "b"), "it takes one value")
	require.ErrorContains(t, f.Set(flags.Lookup("names"), `a"b`), `"a\"b"`)
	require.ErrorContains(t, f.Set(flags.Lookup("rate"), "NaN"), "has no form in JSON")
	require.False(t, f.Has("memory"))
	require.False(t, f.Has("rate"))
}

func TestAnEditThatFailsLeavesTheFile(t *testing.T) {
	path := write(t, `{"log": "info"}`)
	refused := errors.New("refused")
	require.ErrorIs(t, Edit(path, func(f *File) error {
		f.Unset("log")
		return refused
	}), refused)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, `{"log": "info"}`, string(content))
	require.Error(t, Edit(filepath.Join(t.TempDir(), "nowhere", FileName), func(*File) error { return nil }))
}

func TestOfManyEditsNoneIsLost(t *testing.T) {
	path := write(t, `{}`)
	const editors = 16
	var all sync.WaitGroup
	for i := range editors {
		all.Go(func() {
			flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
			key := fmt.Sprint("key-", i)
			flags.String(key, "", "")
			assert.NoError(t, Edit(path, func(f *File) error { return f.Set(flags.Lookup(key), "x") }))
		})
	}
	all.Wait()
	f, err := ReadFile(path)
	require.NoError(t, err)
	for i := range editors {
		require.True(t, f.Has(fmt.Sprint("key-", i)))
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte(`{"log": "info", "listen": ["a", 1, null], "memory": 1e3}`))
	f.Add([]byte(`{"tracker": {}, "rate": [[]]`))
	f.Fuzz(func(t *testing.T, content []byte) {
		file := &File{path: "config"}
		file.values = map[string]json.RawMessage{}
		if file.parse(content) != nil {
			return
		}
		_, _ = Resolve(new(options).flags(), Sources{File: file})
	})
}
