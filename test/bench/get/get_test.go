package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/test/internal/figure"
	"github.com/souk-p2p/souk/test/internal/program"
)

// TestMain is the command, too: the benchmark starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childArg {
		program.Main("get", command)
	}
	os.Exit(m.Run())
}

// A file of a few blocks goes through every make, over TCP alone, because most of the
// time goes into starting processes.
func TestEveryMakeFetchesTheFile(t *testing.T) {
	figures := filepath.Join(t.TempDir(), "figures")
	t.Setenv(figure.File, figures)
	require.NoError(t, command(t.Context(), []string{"-size", "1.1", "-runs", "1", "-transports", "tcp", "-dir", t.TempDir()}))

	f, err := os.Open(figures)
	require.NoError(t, err)
	defer f.Close()
	rows, err := figure.Read(f)
	require.NoError(t, err)
	require.Len(t, rows, 2+len(makes))
	for _, r := range rows {
		speed, ok := r.Of("speed")
		require.True(t, ok && speed > 0, "%+v", r)
	}
}

func TestFilesThatDifferAreFound(t *testing.T) {
	dir := t.TempDir()
	b := bench{file: filepath.Join(dir, "file")}
	require.NoError(t, writeNoise(b.file, 1000))
	other := filepath.Join(dir, "other")
	require.NoError(t, writeNoise(other, 1000))
	require.NoError(t, b.check(other))
	require.NoError(t, writeNoise(other, 999))
	require.Error(t, b.check(other))
}

func TestTheMedianOfRunsIsPublished(t *testing.T) {
	var tab table
	for _, seconds := range []time.Duration{1, 30, 4} {
		tab.add("tcp", "bare", sample{took: time.Second, getCPU: time.Second})
		tab.add("tcp", "souk", sample{took: seconds * time.Second, seedCPU: seconds * time.Second})
	}
	require.Equal(t, figure.Row{Suite: "get", Scenario: "4 MiB over tcp", Make: "souk", Values: []figure.Value{
		{Name: "time", Unit: "s", Number: 4},
		{Name: "speed", Unit: "MB/s", Number: 1.048576},
		{Name: "speed to bare", Unit: "x", Number: 0.25},
		{Name: "seed CPU", Unit: "s", Number: 4},
	}}, tab.row(key{"tcp", "souk"}, 4<<20))
	require.InDelta(t, 2.5, median([]sample{{took: 2}, {took: 3}}, func(s sample) float64 { return float64(s.took) }), 0)
}

func TestWhatIsNotThereIsRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-makes", "bare,kubo"}, {"-transports", "carrier"}, {"-size", "0"}, {"-runs", "0"}, {childArg}, {childArg, "get-bare"},
	} {
		require.Error(t, command(t.Context(), args))
	}
}
