package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/adapter/unixfs"
)

func TestABarIsDrawnOnlyOnATerminal(t *testing.T) {
	var err bytes.Buffer
	a := newApp(nil, nil, &err)
	require.Nil(t, a.newProgress("x"))
	require.Nil(t, a.newProgress("x").hook())
	a.newProgress("x").end()

	a.terminal, a.json = true, true
	require.Nil(t, a.newProgress("x"))
	require.Empty(t, err.String())
}

func TestABarShowsHowFarItIs(t *testing.T) {
	var err bytes.Buffer
	a := newApp(nil, nil, &err)
	a.terminal = true
	bar := a.newProgress("adding x")
	hook := bar.hook()
	hook(unixfs.Event{Done: 1 << 20, Total: 4 << 20})
	require.EqualValues(t, 4<<20, bar.bar.State().Max)
	hook(unixfs.Event{Done: 3 << 20, Total: 5 << 20})
	require.EqualValues(t, 5<<20, bar.bar.State().Max)
	require.EqualValues(t, 3<<20, bar.bar.State().CurrentNum)
	bar.end()
	require.Contains(t, err.String(), "adding x")
}

func TestABarWithoutATotalSpins(t *testing.T) {
	a := newApp(nil, nil, &bytes.Buffer{})
	a.terminal = true
	bar := a.newProgress("adding -")
	bar.hook()(unixfs.Event{Done: 1 << 20})
	require.EqualValues(t, -1, bar.bar.State().Max)
	bar.end()
}

func TestLinesAreWrittenElsewhere(t *testing.T) {
	var err bytes.Buffer
	hook := newApp(nil, nil, &err).newDemoProgress("fetching").hook()
	for done := range uint64(101) {
		hook(unixfs.Event{Done: done, Total: 100, Files: done})
	}
	require.Len(t, lines(err.String()), 10)
	require.Contains(t, err.String(), "fetching: 30 %, 30 files, 30 B\n")
}

func TestProgressAsJSONIsLinesOnStandardError(t *testing.T) {
	repo := t.TempDir()
	o := command(t, repo, "add", "-q", "--progress", "json", tree(t))
	require.Equal(t, exitOK, o.code)
	require.Empty(t, o.err, "quiet is quiet")
	o = command(t, repo, "add", "--progress=json", tree(t))
	require.Equal(t, exitOK, o.code)
	var last progressLine
	for _, text := range lines(o.err) {
		last = progressLine{}
		require.NoError(t, json.Unmarshal([]byte(text), &last))
		require.Contains(t, []string{"progress", "end"}, last.Event)
	}
	require.Equal(t, "end", last.Event)
	require.Equal(t, last.Total, last.Done)
	require.Greater(t, last.Done, uint64(1_600_000))
	require.EqualValues(t, 4, last.Files)

	root := strings.Fields(o.out)[1]
	o = command(t, repo, "get", root, "--progress", "json", "--json", "-o", filepath.Join(t.TempDir(), "out"))
	require.Equal(t, exitOK, o.code)
	require.Contains(t, o.err, `"event":"end"`, "beside the JSON of the output")
	require.Equal(t, exitUsage, command(t, repo, "get", root, "--progress", "dots").code)
}

// What says in words how far it is does so in lines, too, and never draws for a program.
func TestEveryCommandWritesProgressAsJSON(t *testing.T) {
	repo := t.TempDir()
	root := add(t, repo, tree(t))
	file := filepath.Join(t.TempDir(), "file.car")
	for _, args := range [][]string{
		{"pin", "add", root}, {"car", "export", root, "-o", file}, {"car", "import", file}, {"verify"}, {"gc"},
	} {
		o := command(t, repo, append(args, "--progress", "json")...)
		require.Equal(t, exitOK, o.code, o.err)
		var last progressLine
		for _, text := range lines(o.err) {
			last = progressLine{}
			require.NoError(t, json.Unmarshal([]byte(text), &last), "%v: %q", args, text)
		}
		require.Equal(t, "end", last.Event, args)
		require.NotEmpty(t, last.What)
	}
	require.Contains(t, command(t, repo, "verify", "--restart", "--progress=json").err, `"what":"verifying: `)
}

func TestTheLinesOfProgressAreStable(t *testing.T) {
	var err bytes.Buffer
	a := newApp(nil, nil, &err)
	a.progress = progressJSON
	p := a.newProgress("getting x")
	p.hook()(unixfs.Event{Done: 1, Total: 2, Files: 3})
	p.hook()(unixfs.Event{Done: 2, Total: 2, Files: 4})
	p.end()
	all := lines(err.String())
	requireSchema(t, "Any command with --progress=json, on standard error", all[0])
	require.Len(t, all, 2, "one in a while, and the last")
	require.Regexp(t, `^\{"event":"progress","what":"getting x","done":1,"total":2,"files":3,"seconds":-?[0-9.e-]+\}$`, all[0])
	require.Regexp(t, `^\{"event":"end","what":"getting x","done":2,"total":2,"files":4,"seconds":-?[0-9.e-]+\}$`, all[1])
}

func TestNoProgressIsShownWhereNoneIsAskedFor(t *testing.T) {
	a := newApp(nil, nil, &bytes.Buffer{})
	a.terminal, a.progress = true, progressNone
	require.Nil(t, a.newProgress("x"))
}
