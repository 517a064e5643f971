package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

// remember notes an announcement in a repository on which no node runs.
func remember(t *testing.T, dir string, all ...repo.Announcement) {
	t.Helper()
	r, err := repo.Open(dir)
	require.NoError(t, err)
	for _, a := range all {
		require.NoError(t, r.Announce(a))
	}
	require.NoError(t, r.Close())
}

func TestAnnounceSaysWhatIsWrongWithItsArguments(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{}, "which NAMESPACE?"},
		{[]string{"a", "b"}, "at most 1 arg"},
		{[]string{""}, `NAMESPACE "" is no namespace`},
		{[]string{"a\nb"}, `NAMESPACE "a\nb" is no namespace`},
		{[]string{"n", "--shards", "0g"}, `--shards "0g": "0g" is neither a shard from 00 to ff`},
		{[]string{"n", "--shards", "0f-00"}, "00-0f is right"},
		{[]string{"n", "--shards", ""}, `--shards ""`},
		{[]string{"n", "--capacity", "0"}, "--capacity 0 is not a number of MiB/s from 0.001"},
		{[]string{"n", "--capacity", "-1"}, "--capacity -1"},
		{[]string{"n", "--capacity", "NaN"}, "--capacity NaN"},
		{[]string{"n", "--capacity", "1e300"}, "--capacity 1e+300"},
		{[]string{"n", "--ttl", "59s"}, "--ttl 59s is not from 1m0s to 2h0m0s"},
		{[]string{"n", "--ttl", "0"}, "--ttl 0s"},
		{[]string{"n", "--ttl", "3h"}, "--ttl 3h0m0s"},
		{[]string{"n", "--list"}, "--list stands alone"},
		{[]string{"--list", "--withdraw"}, "--list stands alone"},
		{[]string{"n", "--withdraw", "--ttl", "1h"}, "--withdraw takes back a namespace as a whole"},
		{[]string{"--withdraw"}, "which NAMESPACE?"},
	} {
		o := command(t, t.TempDir(), append([]string{"announce"}, c.args...)...)
		require.Equal(t, exitUsage, o.code, "%v: %s", c.args, o.err)
		require.Contains(t, o.err, c.says)
		require.Empty(t, o.out)
	}
}

func TestAnnounceWithoutARunningNodeSaysToRunOne(t *testing.T) {
	dir := t.TempDir()
	o := command(t, dir, "announce", "photos")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "souk run")
	require.Empty(t, must(t, dir, "announce", "--list"), "it is not remembered")
}

func TestAnnounceAtANodeWithoutTrackersSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	o := command(t, dir, "announce", "photos")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "souk run --tracker")
	require.Empty(t, must(t, dir, "announce", "--list"))
}

func TestWhatIsAnnouncedIsListedAndWithdrawnWithoutANode(t *testing.T) {
	dir := t.TempDir()
	photos := repo.Announcement{
		Namespace: "photos", Shards: []repo.Shards{{From: 0, To: 0x0f}, {From: 0xa0, To: 0xa0}}, Partial: true, Capacity: 1536, TTL: 600,
	}
	remember(t, dir, photos, repo.Announcement{Namespace: "maps\u202e"})
	require.Equal(t, []string{
		`"maps\u202e"`, "photos shards [00-0f a0] partial at 1.5 MiB/s for 10m0s",
	}, lines(must(t, dir, "announce", "--list")))

	var first node.Announced
	listed := lines(must(t, dir, "--json", "announce", "--list"))
	require.Len(t, listed, 2)
	require.NoError(t, json.Unmarshal([]byte(listed[1]), &first))
	require.Equal(t, node.Announced{Announcement: photos}, first)

	require.Contains(t, must(t, dir, "announce", "photos", "--withdraw"), "no node is running")
	o := command(t, dir, "announce", "photos", "--withdraw")
	require.Equal(t, exitNotFound, o.code)
	require.Contains(t, o.err, `"photos" is not announced`)
	require.Len(t, lines(must(t, dir, "announce", "--list")), 1)
}

func TestADamagedMemoryOfAnnouncementsIsNamed(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, repo.Announcement{Namespace: "photos"})
	damage(t, dir, "announced.json")
	for _, args := range [][]string{{"announce", "--list"}, {"announce", "photos", "--withdraw"}, {"run", "--listen", "/ip4/127.0.0.1/tcp/0"}} {
		o := command(t, dir, args...)
		require.Equal(t, exitFailed, o.code, args)
		require.Contains(t, o.err, "announced.json does not say what is announced")
	}
}
