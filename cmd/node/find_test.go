package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFindSaysWhatIsWrongWithItsArguments(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{}, "which NAMESPACE"},
		{[]string{helloCID}, "is a CID: say with --namespace"},
		{[]string{"no-cid", "--namespace", "photos"}, `"no-cid" is no CID`},
		{[]string{"a\x00b"}, "is no namespace"},
		{[]string{"photos", "-k", "0"}, "-k 0 is not from 1 to 32"},
		{[]string{"photos", "-k", "33"}, "-k 33"},
		{[]string{"photos", "--trackers", "nonsense"}, `--trackers "nonsense" is not an address`},
		{[]string{"photos", "--trackers", "/ip4/127.0.0.1/tcp/1"}, "--trackers \"/ip4/127.0.0.1/tcp/1\" does not end in /p2p/ID"},
	} {
		requireUsageError(t, c.says, t.TempDir(), append([]string{"find"}, c.args...)...)
	}
}

func TestFindWithoutATrackerSaysWhatIsMissing(t *testing.T) {
	running := t.TempDir()
	start(t, running)
	for _, dir := range []string{t.TempDir(), running} {
		o := command(t, dir, "find", "photos")
		require.Equal(t, exitFailed, o.code)
		require.Contains(t, o.err, "knows no tracker: name one with --trackers")
	}
}

func TestFetchingSaysHowToNameTrackers(t *testing.T) {
	peer := "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--trackers", peer}, "give it with --namespace"},
		{[]string{"--trackers", peer, "--namespace", "a\nb"}, `--namespace "a\nb" is no namespace`},
		{[]string{"--namespace", "photos", "--trackers", peer + ",nonsense"}, `--trackers "nonsense"`},
		{[]string{"--namespace", "photos", "--peer", peer}, "--peer asks that peer and no others"},
	} {
		for _, verb := range []string{"get", "cat", "ls"} {
			requireUsageError(t, c.says, t.TempDir(), append([]string{verb, helloCID}, c.args...)...)
		}
	}
	o := command(t, t.TempDir(), "cat", helloCID, "--namespace", "photos")
	require.Equal(t, exitNotFound, o.code)
	require.Contains(t, o.err, "--namespace and --trackers")
}
