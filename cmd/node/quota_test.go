package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/blockstore"
	"github.com/souk-p2p/souk/test/eventually"
)

func TestSizesHaveUnits(t *testing.T) {
	for text, bytes := range map[string]int64{
		"0": 0, "1000": 1000, "50GiB": 50 << 30, "1.5 MiB": 3 << 19, "500MB": 500_000_000, "2TB": 2_000_000_000_000, "1B": 1, "3kB": 3000,
	} {
		n, err := parseSize("--x", text)
		require.NoError(t, err, text)
		require.Equal(t, bytes, n, text)
	}
	for _, text := range []string{"", "-1", "GiB", "5XB", "NaN", "1e30", "Inf", "five"} {
		_, err := parseSize("--x", text)
		require.ErrorContains(t, err, "--x", text)
	}
}

func TestTheThresholdIsAPartOfTheLimit(t *testing.T) {
	o := storageOptions{max: "1000", high: "85%"}
	require.Equal(t, blockstore.Quota{Max: 1000, High: 850}, o.quota())
}

func TestRunSaysWhatIsWrongWithItsQuota(t *testing.T) {
	for _, flag := range []string{"--storage-max=much", "--storage-high=0%", "--storage-high=101", "--gc=sometimes"} {
		o := command(t, t.TempDir(), "run", flag)
		require.Equal(t, exitUsage, o.code, o.err)
		name, _, _ := strings.Cut(flag, "=")
		require.Contains(t, o.err, name)
	}
}

func TestAFullNodeRefusesAndSaysWhatToDo(t *testing.T) {
	repo, source := t.TempDir(), t.TempDir()
	other := add(t, source, file(t, "other", noise(900_000)))
	from := start(t, source)
	start(t, repo, "--storage-max", "600kB", "--gc", "off")
	o := command(t, repo, "add", file(t, "big", noise(1_600_000)))
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "--storage-max")
	require.Contains(t, o.err, "souk gc")
	require.Empty(t, pinned(t, repo))

	require.Equal(t, noise(900_000), must(t, repo, "cat", other, "--peer", from.address()), "what is fetched is handed on")
	o = command(t, repo, "pin", "add", other, "--peer", from.address())
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "--storage-max")
	require.Empty(t, pinned(t, repo))
}

func TestANodeCollectsGarbageByItself(t *testing.T) {
	repo := t.TempDir()
	kept := add(t, repo, file(t, "kept", noise(300_000)))
	gone := put(t, repo, strings.Repeat("x", 500_000))
	d := start(t, repo, "--storage-max", "1MB", "--storage-high", "50%")
	// Who looks for a block while garbage is collected keeps it.
	eventually.True(t, func() bool { return strings.Contains(metricsOf(t, d), "\nsouk_store_bytes 300") })
	require.Equal(t, exitNotFound, command(t, repo, "block", "stat", gone).code)
	require.Equal(t, noise(300_000), must(t, repo, "cat", kept))
}

func TestWithGCOffGarbageStays(t *testing.T) {
	repo := t.TempDir()
	add(t, repo, file(t, "kept", "kept"))
	garbage := put(t, repo, strings.Repeat("x", 900_000))
	start(t, repo, "--storage-max", "1MB", "--storage-high", "50%", "--gc", "off")
	for range 5 {
		must(t, repo, "block", "stat", garbage)
	}
}
