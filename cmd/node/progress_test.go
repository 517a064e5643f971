package main

import (
	"bytes"
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
