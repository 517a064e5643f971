package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/figure"
	"github.com/souk-p2p/souk/test/internal/program"
)

// TestMain is also the process of a seed that is to be apart.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == serveVerb {
		program.Main("wall", command)
	}
	os.Exit(m.Run())
}

// rows runs the command with small sizes and returns what it emitted.
func rows(t *testing.T, args ...string) []figure.Row {
	t.Helper()
	path := filepath.Join(t.TempDir(), "figures")
	t.Setenv(figure.File, path)
	c, err := parse(append([]string{"-runs", "1", "-transports", "noise", "-limit", "20s"}, args...))
	require.NoError(t, err)
	require.NoError(t, run(c))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	rows, err := figure.Read(f)
	require.NoError(t, err)
	return rows
}

func TestEveryMakeMovesAllBlocksOfATransfer(t *testing.T) {
	for _, args := range [][]string{
		{"-scenarios", "bulk", "-bulk", "64", "-bulk-mib", "1"},
		{"-scenarios", "small", "-smalls", "300"},
		{"-scenarios", "fan", "-fans", "3", "-fan-mib", "1"},
		{"-scenarios", "sessions", "-sessions", "20", "-session-blocks", "2", "-session-kib", "1"},
		{"-scenarios", "bulk", "-bulk", "64", "-bulk-mib", "1", "-apart"},
	} {
		got := rows(t, args...)
		require.GreaterOrEqual(t, len(got), 3)
		for _, r := range got {
			_, incomplete := r.Of("moved")
			require.False(t, incomplete, "%s, %s", r.Scenario, r.Make)
			for _, name := range []string{"throughput", "blocks a second", "allocated"} {
				v, ok := r.Of(name)
				require.True(t, ok, "%s of %s", name, r.Scenario)
				require.Positive(t, v, "%s of %s", name, r.Scenario)
			}
		}
	}
}

func TestWhatWaitsIsWeighedAndCounted(t *testing.T) {
	got := rows(t, "-scenarios", "wants,idle", "-makes", "souk", "-wants", "1000", "-peers", "2")
	require.Len(t, got, 2)
	bytes, ok := got[0].Of("memory of a want")
	require.True(t, ok)
	require.Greater(t, bytes, 36.0, "a want is at least its CID")
	goroutines, ok := got[1].Of("goroutines")
	require.True(t, ok)
	require.Positive(t, goroutines)
}

func TestWhatCannotBeMeasuredIsRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-scenarios", "nothing"}, {"-transports", "pigeon"}, {"-runs", "0"}, {"-bulk", "0"}, {"-fans", "x"},
	} {
		_, err := parse(args)
		require.Error(t, err, "%v", args)
	}
}
