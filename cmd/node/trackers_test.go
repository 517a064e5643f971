package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk/cmd/node/internal/node"
	"github.com/souk-p2p/souk/cmd/node/internal/repo"
)

const (
	trackerA = "/ip4/192.0.2.1/tcp/4101/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
	trackerB = "/dns/tracker.example.org/udp/4101/quic-v1/p2p/12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"
)

// listKey makes a key that signs lists and returns its file and its peer ID.
func listKey(t *testing.T) (file, id string) {
	t.Helper()
	dir := t.TempDir()
	id = lines(must(t, dir, "id"))[0]
	return filepath.Join(dir, "identity.key"), id
}

func TestAListOfTrackersIsSignedAndShown(t *testing.T) {
	key, id := listKey(t)
	dir, list := t.TempDir(), filepath.Join(t.TempDir(), "list")
	printed := must(t, dir, "trackers", "sign", "--key", key, "--sequence", "7", "-o", list, trackerA, trackerB)
	require.Contains(t, printed, "signer "+id+"\nsequence 7\n")
	require.Contains(t, printed, "\n"+trackerA+"\n"+trackerB+"\n")
	require.Equal(t, printed, must(t, dir, "trackers", "show", list, "--signer", id))

	var shown signedList
	require.NoError(t, json.Unmarshal([]byte(must(t, dir, "--json", "trackers", "show", list, "--signer", id)), &shown))
	require.Equal(t, []string{trackerA, trackerB}, shown.Trackers)
	require.EqualValues(t, 7, shown.Sequence)
	require.WithinDuration(t, time.Now(), shown.Issued, time.Hour)
}

func TestTheRepositorysOwnKeySignsWithoutAnother(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(t.TempDir())
	must(t, dir, "trackers", "sign", trackerA)
	require.Contains(t, must(t, dir, "trackers", "show", "trackers.list"), "signer "+lines(must(t, dir, "id"))[0])

	o := command(t, t.TempDir(), "trackers", "show", "trackers.list")
	require.Equal(t, exitFailed, o.code, "another repository's key")
	require.Contains(t, o.err, "is not to be believed as a list of")
	requireUsageError(t, "--signer", filepath.Join(t.TempDir(), "none"), "trackers", "show", "trackers.list")
}

func TestTheNextListCountsMore(t *testing.T) {
	key, _ := listKey(t)
	dir, list := t.TempDir(), filepath.Join(t.TempDir(), "list")
	sequence := func(args ...string) uint64 {
		var l signedList
		printed := must(t, dir, append([]string{"--json", "trackers", "sign", "--key", key, "-o", list, trackerA}, args...)...)
		require.NoError(t, json.Unmarshal([]byte(printed), &l))
		return l.Sequence
	}
	soon := uint64(time.Now().Add(time.Hour).UnixMilli())
	require.Equal(t, soon, sequence("--sequence", number(soon)))
	require.Equal(t, soon+1, sequence())

	before, err := os.ReadFile(list)
	require.NoError(t, err)
	requireUsageError(t, "is not above "+number(soon+1), dir, "trackers", "sign", "--key", key, "-o", list, "--sequence", number(soon), trackerB)
	after, err := os.ReadFile(list)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestSigningReplacesNothingButAList(t *testing.T) {
	key, _ := listKey(t)
	precious := filepath.Join(t.TempDir(), "precious")
	require.NoError(t, os.WriteFile(precious, []byte("data"), 0o600))
	o := command(t, t.TempDir(), "trackers", "sign", "--key", key, "-o", precious, trackerA)
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "choose another with --output")
	content, err := os.ReadFile(precious)
	require.NoError(t, err)
	require.Equal(t, "data", string(content))
}

func TestADamagedListIsNotBelieved(t *testing.T) {
	key, id := listKey(t)
	dir, list := t.TempDir(), filepath.Join(t.TempDir(), "list")
	must(t, dir, "trackers", "sign", "--key", key, "-o", list, trackerA)
	good, err := os.ReadFile(list)
	require.NoError(t, err)
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x10
		require.NoError(t, os.WriteFile(list, bad, 0o600))
		o := command(t, dir, "trackers", "show", list, "--signer", id)
		require.Equal(t, exitFailed, o.code, "byte %d: %s", i, o.out)
	}
}

func TestTrackersSaysWhatIsWrongWithItsArguments(t *testing.T) {
	key, _ := listKey(t)
	var many []string
	for i := range 5 {
		many = append(many, strings.Replace(trackerA, "4101", number(uint64(4101+i)), 1))
	}
	open := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.WriteFile(open, nil, 0o644))
	require.NoError(t, os.Chmod(open, 0o644))
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"sign"}, exitUsage, "requires at least 1 arg"},
		{[]string{"sign", "nonsense"}, exitUsage, `ADDRESS "nonsense" is not an address`},
		{[]string{"sign", "/ip4/192.0.2.1/tcp/1"}, exitUsage, "does not end in /p2p/ID"},
		{append([]string{"sign", "--key", key}, many...), exitUsage, "addresses"},
		{[]string{"sign", "--key", "/no/such/key", trackerA}, exitFailed, "/no/such/key"},
		{[]string{"sign", "--key", open, trackerA}, exitFailed, "chmod 600"},
		{[]string{"show"}, exitUsage, "accepts 1 arg"},
		{[]string{"show", "/no/such/list", "--signer", "x"}, exitUsage, `--signer "x" is not a peer ID`},
		{[]string{"show", "/no/such/list"}, exitFailed, "/no/such/list"},
		{[]string{"show", key}, exitFailed, "is no list of trackers"},
		{[]string{"fly"}, exitUsage, "fly"},
	} {
		t.Chdir(t.TempDir())
		o := command(t, t.TempDir(), append([]string{"trackers"}, c.args...)...)
		require.Equal(t, c.code, o.code, "%v: %s", c.args, o.err)
		require.Contains(t, o.err, c.says)
	}
}

func TestTheTrackersOfTheRunningNodeAreListed(t *testing.T) {
	dir := t.TempDir()
	o := command(t, dir, "trackers")
	require.Equal(t, exitFailed, o.code)
	require.Contains(t, o.err, "souk run")

	start(t, dir, "--trackers", trackerA+","+trackerB)
	for _, address := range []string{trackerA, trackerB} {
		_, id, _ := strings.Cut(address, "/p2p/")
		require.Contains(t, lines(must(t, dir, "trackers")), id+" unasked "+address)
	}
	var first node.Tracker
	require.NoError(t, json.Unmarshal([]byte(lines(must(t, dir, "--json", "trackers"))[0]), &first))
	require.Contains(t, []string{trackerA, trackerB}, first.Addresses[0])
}

func TestRunSaysWhatIsWrongWithItsTrackers(t *testing.T) {
	key, id := listKey(t)
	list := filepath.Join(t.TempDir(), "list")
	must(t, t.TempDir(), "trackers", "sign", "--key", key, "-o", list, trackerA)
	_, other := listKey(t)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--trackers", "nonsense"}, exitUsage, `--trackers "nonsense"`},
		{[]string{"--trackers", trackerA + ",/ip4/1.2.3.4"}, exitUsage, `--trackers "/ip4/1.2.3.4" does not end in /p2p/ID`},
		{[]string{"--tracker-list-key", "x"}, exitUsage, `--tracker-list-key "x" is not a peer ID`},
		{[]string{"--tracker-http", "127.0.0.1:0"}, exitUsage, "--tracker-http is for trackers: give --tracker, too"},
		{[]string{"--tracker-public", "photos"}, exitUsage, "--tracker-public is for trackers"},
		{[]string{"--tracker-memory", "64"}, exitUsage, "--tracker-memory is for trackers"},
		{[]string{"--tracker-list", list}, exitUsage, "--tracker-list is for trackers"},
		{[]string{"--tracker", "--tracker-memory", "0"}, exitUsage, "--tracker-memory 0 is not a number of MiB"},
		{[]string{"--tracker", "--tracker-memory", "18446744073709551615"}, exitUsage, "--tracker-memory 18446744073709551615"},
		{[]string{"--tracker", "--tracker-memory", "-1"}, exitUsage, "tracker-memory"},
		{[]string{"--tracker", "--tracker-http", "127.0.0.1:0", "--tracker-public", "a,,b"}, exitUsage, `--tracker-public "" is no namespace`},
		{[]string{"--tracker", "--tracker-public", "photos"}, exitUsage, "give --tracker-http, too"},
		{[]string{"--tracker", "--tracker-list", key}, exitFailed, "is no list of trackers"},
		{[]string{"--tracker", "--tracker-list", list, "--tracker-list-key", other}, exitFailed, "is not to be believed"},
		{[]string{"--tracker", "--tracker-list", "/no/such/list", "--tracker-list-key", id}, exitFailed, "/no/such/list"},
	} {
		dir := filepath.Join(t.TempDir(), "repo")
		o := command(t, dir, append([]string{"run"}, c.args...)...)
		require.Equal(t, c.code, o.code, "%v: %s", c.args, o.err)
		require.Contains(t, o.err, c.says)
		require.NoDirExists(t, dir, "before anything is opened")
	}
}

func TestANodeWithoutTrackersWarnsThatItAnnouncesNothing(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, repo.Announcement{Namespace: "photos"})
	d := start(t, dir)
	d.stop()
	require.Contains(t, d.errors(), "no tracker is known")
}
